/** The wire has the keys of JSON sorted; jsonb has an order of its own. */
import { type Collection, canonicalJson, type Json, wireColumns } from '@holdfast/core'

/** Which of the columns of a collection's rows hold JSON. */
export function jsonIndexesOf(collection: Collection): ReadonlySet<number> {
  const { fields } = collection
  return new Set(
    wireColumns(collection).flatMap((column, index) => (fields[column]?.rule.kind === 'json' ? [index] : [])),
  )
}

export function sortedJson(value: unknown): unknown {
  return JSON.parse(canonicalJson(value as Json))
}
