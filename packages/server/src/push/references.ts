/** What an operation's `t.ref` fields point at. */
import type { Collection, Operation, RecordId } from '@holdfast/core'

export interface Reference {
  readonly field: string
  readonly collection: string
  readonly record: RecordId
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
