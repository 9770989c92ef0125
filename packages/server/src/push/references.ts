/** What an operation's `t.ref` fields point at. */
import { type Collection, collectionOf, type Operation, type RecordId, type Schema } from '@holdfast/core'

export interface Reference {
  readonly field: string
  readonly collection: string
  readonly record: RecordId
}

/** Whether where its target lies is worked out: the parent must not go elsewhere meanwhile, and what has a parent goes with that. */
export function isLocated(schema: Schema, { scope }: Collection, { field, collection }: Reference): boolean {
  return (scope.kind === 'via' && scope.field === field) || collectionOf(schema, collection).scope.kind === 'via'
}

export function referencesOf(collection: Collection, operation: Operation): readonly Reference[] {
  const { kind, settles } = operation
  const isWritten = kind === 'create' || kind === 'update' || (kind === 'restore' && settles.length > 0)
  if (!isWritten) return []
  return Object.entries(operation.fields).flatMap(([name, value]) => {
    const field = Object.hasOwn(collection.fields, name) ? collection.fields[name] : undefined
    return field?.rule.kind === 'ref' && typeof value === 'string'
      ? [{ field: name, collection: field.rule.collection, record: value }]
      : []
  })
}
