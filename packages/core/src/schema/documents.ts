/** Shared texts beside their column: the document travels in every page and lies on devices under a name that no field can have. */
import { changeColumns } from '../protocol/sync-reply.ts'
import type { Collection } from './collection.ts'

/** The column of a shared text's document. */
export function documentColumn(field: string): string {
  return `${field}$doc`
}

/** What a row of a page holds, in order. */
export function wireColumns(collection: Collection): readonly string[] {
  return [...changeColumns, ...Object.keys(collection.fields), ...sharedFields(collection).map(documentColumn)]
}

/** The names of a collection's shared texts, in the order of its fields. */
export function sharedFields(collection: Collection): readonly string[] {
  return Object.entries(collection.fields).flatMap(([name, { rule }]) => (rule.kind === 'shared' ? [name] : []))
}
