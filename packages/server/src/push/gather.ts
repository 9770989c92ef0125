/**
 * The records that a batch is about, locked, and where they lie.
 *
 * GA1  Collections come children first, records in the order of ids, those that are changed and those that are only kept from moving (all
 *      that is above them) in one go: no two batches wait for each other in a circle. (What only a side of an open question names as its
 *      parent comes last: there two may, and one of them is run again.)
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
import { referencesOf } from './references.ts'

interface Target {
  readonly collection: string
  readonly record: RecordId
}

export interface Gathered {
  readonly records: Loaded['records']
  /** By collection: what is above them, and above what the operations name, through every generation. */
  readonly kept: ReadonlyMap<string, ReadonlySet<RecordId>>
}

export async function loadRecords(
  tx: StoreTransaction,
  schema: Schema,
  operations: readonly Operation[],
): Promise<Gathered> {
  const wanted = groupIds(schema, operations)
  const kept = new Map<string, Set<RecordId>>()
  const keep = ({ collection, record }: Target): void => {
    const known = kept.get(collection) ?? new Set()
    kept.set(collection, known.add(record))
  }
  for (const { collection, fields } of operations) parentsIn(schema, collection, fields).forEach(keep)
  for (const target of targetsOf(schema, operations)) nobodyAbove(schema, target).forEach(keep)
  for (const target of travellersIn(schema, operations)) [target, ...nobodyAbove(schema, target)].forEach(keep)
  const loaded = new Map<string, ReadonlyMap<RecordId, ServerRecord>>()
  for (const name of descentOf(schema).childrenFirst) {
    const ids = wanted.get(name) ?? []
    const parents = [...(kept.get(name) ?? [])]
    if (ids.length + parents.length === 0) continue
    const { scope } = collectionOf(schema, name)
    // In one round trip: the second is answered when all are locked.
    const [records, above] = await Promise.all([
      tx.load(name, ids, parents),
      scope.kind === 'own' || parents.length === 0 ? [] : tx.parents(name, parents),
    ])
    loaded.set(name, records)
    for (const { values } of records.values()) parentsIn(schema, name, values.fields).forEach(keep)
    if (scope.kind === 'via') for (const record of above) keep({ collection: scope.parent, record })
  }
  return { records: loaded, kept }
}

/** Where the records are that lie via a parent, and all that is above them or may come to be. */
export async function locateRecords(
  tx: StoreTransaction,
  schema: Schema,
  {
    operations,
    gathered: { records, kept },
    conflicts,
  }: Pick<Loaded, 'conflicts'> & { readonly operations: readonly Operation[]; readonly gathered: Gathered },
): Promise<Located> {
  if (descentOf(schema).children.size === 0) return new Map()
  const wanted: Target[] = []
  for (const [name, loaded] of records) {
    if (collectionOf(schema, name).scope.kind === 'own') continue
    for (const id of loaded.keys()) wanted.push({ collection: name, record: id })
  }
  for (const [collection, ids] of kept) for (const record of ids) wanted.push({ collection, record })
  // Not by its own id what was not there to be loaded: somebody may have made it since, and to lock it now would be out of order.
  for (const { collection } of targetsOf(schema, operations)) wanted.push({ collection, record: nobody })
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

/** What is referred to and lies via a parent: what is judged before may move it [AP1]. */
function travellersIn(schema: Schema, operations: readonly Operation[]): readonly Target[] {
  return operations.flatMap((operation) => {
    const collection = Object.hasOwn(schema.collections, operation.collection)
      ? schema.collections[operation.collection]
      : undefined
    const references = collection === undefined ? [] : referencesOf(collection, operation)
    return references.filter((reference) => collectionOf(schema, reference.collection).scope.kind === 'via')
  })
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

/** Parents that no record has: what is not there takes the same statements as what is another's, and so the same time. */
function nobodyAbove(schema: Schema, { collection }: Pick<Target, 'collection'>): readonly Target[] {
  const { scope } = collectionOf(schema, collection)
  if (scope.kind === 'own') return []
  return [{ collection: scope.parent, record: nobody }, ...nobodyAbove(schema, { collection: scope.parent })]
}

/** The id of no record. */
const nobody = ''

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
