/** Which records an operation names: its own, and those that its `t.ref` fields point at. */
import type { Operation, RecordId, Schema } from '@holdfast/core'

/** A record as a key; a collection's name has no space. */
export function recordKey(collection: string, record: RecordId): string {
  return `${collection} ${record}`
}

/** The `t.ref` fields of a collection, each with the collection that it points into; none of one that the schema does not have. */
export function refFields(schema: Schema, collection: string): readonly (readonly [field: string, target: string])[] {
  const fields = Object.hasOwn(schema.collections, collection) ? schema.collections[collection]?.fields : undefined
  return Object.entries(fields ?? {}).flatMap(([name, { rule }]) =>
    rule.kind === 'ref' ? [[name, rule.collection] as const] : [],
  )
}

/** `recordKey` of each record that the operation refers to. */
export function targetsOf(schema: Schema, { collection, fields }: Pick<Operation, 'collection' | 'fields'>) {
  return refFields(schema, collection).flatMap(([name, target]) => {
    const value = fields[name]
    return typeof value === 'string' ? [recordKey(target, value)] : []
  })
}
