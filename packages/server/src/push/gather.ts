/**
 * The records that a batch is about, locked, and where they lie.
 *
 * GA1  Collections come children first, records in the order of ids, those that are changed and those that are only kept from moving (the parents)
 *      in one go: no two batches wait for each other in a circle.
 */
import {
  collectionOf,
  conflictOf,
  isObject,
  type Json,
  type Operation,
  type RecordId,
  type Schema,
  type ServerRecord,
} from '@holdfast/core'
import type { Located, StoreTransaction } from '../ports/server-store.ts'
import { descentOf } from '../scope/descent.ts'
import type { Loaded } from './draft.ts'

interface Target {
  readonly collection: string
  readonly record: RecordId
}

export async function loadRecords(
  tx: StoreTransaction,
  schema: Schema,
  operations: readonly Operation[],
): Promise<Loaded['records']> {
  const wanted = groupIds(schema, operations)
  const kept = new Map<string, Set<RecordId>>()
  const keep = ({ collection, record }: Target): void => {
    const known = kept.get(collection) ?? new Set()
    kept.set(collection, known.add(record))
  }
  for (const { collection, fields } of operations) parentsIn(schema, collection, fields).forEach(keep)
  for (const target of targetsOf(schema, operations)) nobodyAbove(schema, target).forEach(keep)
  const loaded = new Map<string, ReadonlyMap<RecordId, ServerRecord>>()
  for (const name of descentOf(schema).childrenFirst) {
    const ids = wanted.get(name) ?? []
    const parents = [...(kept.get(name) ?? [])]
    if (ids.length + parents.length === 0) continue
    const records = await tx.load(name, ids, parents)
    loaded.set(name, records)
    for (const { values } of records.values()) parentsIn(schema, name, values.fields).forEach(keep)
  }
  return loaded
}

/** Where the records are that lie via a parent, and every parent that they have or may get. */
export async function locateRecords(
  tx: StoreTransaction,
  schema: Schema,
  {
    operations,
    records,
    conflicts,
  }: Pick<Loaded, 'records' | 'conflicts'> & { readonly operations: readonly Operation[] },
): Promise<Located> {
  if (descentOf(schema).children.size === 0) return new Map()
  const wanted: Target[] = []
  for (const [name, loaded] of records) {
    if (collectionOf(schema, name).scope.kind === 'own') continue
    for (const [id, { values }] of loaded) {
      wanted.push({ collection: name, record: id }, ...parentsIn(schema, name, values.fields))
    }
  }
  for (const { collection, fields } of operations) wanted.push(...parentsIn(schema, collection, fields))
  for (const target of targetsOf(schema, operations)) wanted.push(target, ...nobodyAbove(schema, target))
  // A settlement, and the rule, look at the sides of questions.
  for (const [key, rows] of conflicts) {
    const name = key.split(' ', 1)[0] ?? ''
    for (const [id, row] of rows) {
      const { field, local, remote } = conflictOf(id, row)
      for (const side of [local, remote])
        wanted.push(...parentsIn(schema, name, field === '' ? side : { [field]: side }))
    }
  }
  return wanted.length === 0 ? new Map() : tx.locate(groupIds(schema, wanted))
}

/** What is written and lies via a parent, if it is there; a creation meets every record anyway. */
function targetsOf(schema: Schema, operations: readonly Operation[]): readonly Target[] {
  return operations.filter(
    ({ collection, kind }) =>
      kind !== 'create' &&
      Object.hasOwn(schema.collections, collection) &&
      schema.collections[collection]?.scope.kind === 'via',
  )
}

/** A parent that no record has: what is not there takes the same statements as what is another's, and so the same time. */
function nobodyAbove(schema: Schema, { collection }: Target): readonly Target[] {
  const { scope } = collectionOf(schema, collection)
  return scope.kind === 'via' ? [{ collection: scope.parent, record: '' }] : []
}

/** The parent that these fields of a record name, if any. */
function parentsIn(schema: Schema, name: string, fields: Json): readonly Target[] {
  const scope = Object.hasOwn(schema.collections, name) ? schema.collections[name]?.scope : undefined
  if (scope?.kind !== 'via' || !isObject(fields)) return []
  const record = fields[scope.field]
  return typeof record === 'string' ? [{ collection: scope.parent, record }] : []
}

/** Ids by collection that the schema has, each once; both in the order in which they are locked. */
export function groupIds(schema: Schema, records: readonly Target[]): ReadonlyMap<string, readonly RecordId[]> {
  const groups = new Map<string, Set<RecordId>>()
  for (const { collection, record } of records) {
    const group = groups.get(collection) ?? new Set()
    groups.set(collection, group.add(record))
  }
  const order = descentOf(schema).childrenFirst.filter((name) => groups.has(name))
  return new Map(order.map((name) => [name, [...(groups.get(name) ?? [])].sort()]))
}
