/**
 * A batch in one transaction of the store, in this order: claim the keys, load and lock the records, look up what is open about them
 * and what they refer to, judge in memory, write rows, conflicts, decisions, feed and outcomes. A handful of statements on sets,
 * whatever the number of operations.
 */
import { hash } from 'node:crypto'
import {
  conflictsCollection,
  decisionsCollection,
  type OperationId,
  openCountOf,
  type RecordId,
  type ServerRecord,
  type UserId,
} from '@holdfast/core'
import type { Claim, FeedEntry, Scope, StoreTransaction, SystemCollection } from '../ports/server-store.ts'
import { type Change, type ChangedRecord, isMoved, type Loaded, type OpenConflicts, recordKey } from './draft.ts'
import { feedEntries } from './feed-entries.ts'
import { type Bench, judge, neverSent } from './judge.ts'
import { referencesOf } from './references.ts'
import { type Luggage, systemChanges, travellers } from './system-changes.ts'
import type { Unit } from './units.ts'

export interface PushResult {
  readonly outcomes: ReadonlyMap<OperationId, string>
  /** The scopes in which something changed. */
  readonly touched: ReadonlySet<Scope>
  readonly place: number
  /** Units without an outcome, and why there are any. */
  readonly held: readonly Unit[]
  readonly faults: readonly Error[]
}

export async function applyPush(tx: StoreTransaction, bench: Bench, units: readonly Unit[]): Promise<PushResult> {
  const sent = units.flat()
  const user: UserId = bench.user.userId
  const claims = sent.map(
    ({ operation, text }): Claim => ({
      id: operation.id,
      hash: hash('sha256', text, 'base64url'),
      device: operation.device,
      seq: operation.seq,
    }),
  )
  const stored = await tx.claim(user, [...claims, ...replacedClaims(units)])
  const fresh = sent.flatMap(({ operation }) => (stored.has(operation.id) ? [] : [operation]))
  const wanted = groupIds(fresh.map(({ collection, record }) => ({ collection, record })))
  const records = await load(tx, bench, wanted)
  const loaded = { records, conflicts: await openConflicts(tx, disputed(records)) }
  const judgement = await judge(
    bench,
    {
      place: tx.place,
      hashes: new Map(claims.map((claim) => [claim.id, claim.hash])),
      stored,
      loaded,
      present: await presentTargets(tx, bench, fresh),
    },
    units,
  )
  const entries = await writeChanges(tx, bench, judgement.changes, loaded.conflicts)
  if (judgement.settled.size > 0) await tx.settle(user, judgement.settled)
  const { outcomes, held, faults } = judgement
  return { outcomes, touched: new Set(entries.map((entry) => entry.scope)), place: tx.place, held, faults }
}

async function writeChanges(
  tx: StoreTransaction,
  { schema, serverNowMs }: Bench,
  changes: readonly Change[],
  conflicts: OpenConflicts,
): Promise<readonly FeedEntry[]> {
  const moved = changes.filter(isMoved)
  const travelling = travellers(schema, moved)
  const luggage: Luggage = travelling.length === 0 ? new Map() : await tx.about(decisionsCollection, travelling)
  const system = systemChanges(schema, changes, { conflicts, luggage, nowMs: serverNowMs })
  for (const [name, ids] of system.newIds) await refuseTaken(tx, name, ids)
  for (const [name, records] of recordsByCollection(moved)) await tx.write(name, records)
  for (const [name, rows] of system.rows) await tx.write(name, rows)
  const entries = [...feedEntries(schema, moved), ...system.entries]
  if (entries.length > 0) await tx.feed(entries)
  return entries
}

/**
 * Ids of rows are made from ids of operations, which each user's devices choose for themselves: no one writes over what is about
 * another's operation by choosing its id. The unit is left without an outcome.
 */
async function refuseTaken(tx: StoreTransaction, name: SystemCollection, ids: readonly RecordId[]): Promise<void> {
  if (ids.length === 0) return
  const taken = await tx.load(name, [...ids].sort())
  if (taken.size > 0) throw new Error(`${name} has rows of an operation of the same id, by another user.`)
}

/** Of these records, the rows of the conflicts that are open about them. */
async function openConflicts(tx: StoreTransaction, keys: readonly string[]): Promise<OpenConflicts> {
  if (keys.length === 0) return new Map()
  const rowsByKey = await tx.about(conflictsCollection, keys)
  const ids = [...rowsByKey.values()].flatMap((found) => found.map(({ id }) => id)).sort()
  const rows = ids.length === 0 ? new Map<RecordId, ServerRecord>() : await tx.load(conflictsCollection, ids)
  return new Map(
    keys.map((key) => {
      const own = (rowsByKey.get(key) ?? []).flatMap(({ id }) => {
        const row = rows.get(id)
        return row === undefined ? [] : [[id, row] as const]
      })
      return [key, new Map(own)]
    }),
  )
}

/** `recordKey` of the records that say that something is open about them [DR2]. */
function disputed(records: Loaded['records']): readonly string[] {
  const keys: string[] = []
  for (const [name, loaded] of records) {
    for (const [id, record] of loaded) if (openCountOf(record) > 0) keys.push(recordKey(name, id))
  }
  return keys
}

/** Looks up what became of replaced operations by claiming their keys; a claim without an outcome is given back. */
function replacedClaims(units: readonly Unit[]): readonly Claim[] {
  const sent = new Set(units.flatMap((unit) => unit.map(({ operation }) => operation.id)))
  const replaced = new Map<OperationId, Claim>()
  for (const { operation } of units.flat()) {
    for (const id of operation.replaces) {
      if (!sent.has(id)) replaced.set(id, { id, hash: neverSent, device: operation.device, seq: operation.seq })
    }
  }
  return [...replaced.values()]
}

async function load(
  tx: StoreTransaction,
  { schema }: Bench,
  wanted: ReadonlyMap<string, readonly RecordId[]>,
): Promise<Loaded['records']> {
  const loaded = new Map<string, ReadonlyMap<RecordId, ServerRecord>>()
  for (const [name, ids] of wanted) {
    if (Object.hasOwn(schema.collections, name)) loaded.set(name, await tx.load(name, ids))
  }
  return loaded
}

async function presentTargets(
  tx: StoreTransaction,
  { schema, scopes }: Bench,
  operations: readonly Parameters<typeof referencesOf>[1][],
): Promise<ReadonlySet<string>> {
  const targets = operations.flatMap((operation) => {
    const collection = Object.hasOwn(schema.collections, operation.collection)
      ? schema.collections[operation.collection]
      : undefined
    return collection === undefined ? [] : referencesOf(collection, operation)
  })
  const present = new Set<string>()
  for (const [name, ids] of groupIds(targets)) {
    for (const id of await tx.present(name, ids, [...scopes])) present.add(recordKey(name, id))
  }
  return present
}

/** Ids by collection, each once; both in order, so that no two transactions lock in opposite orders. */
function groupIds(
  records: readonly { readonly collection: string; readonly record: RecordId }[],
): ReadonlyMap<string, readonly RecordId[]> {
  const groups = new Map<string, Set<RecordId>>()
  for (const { collection, record } of records) {
    const group = groups.get(collection) ?? new Set()
    groups.set(collection, group.add(record))
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, ids]) => [name, [...ids].sort()]))
}

function recordsByCollection(changes: readonly ChangedRecord[]): ReadonlyMap<string, Map<RecordId, ServerRecord>> {
  const groups = new Map<string, Map<RecordId, ServerRecord>>()
  for (const { collection, record, after } of changes) {
    const group = groups.get(collection) ?? new Map<RecordId, ServerRecord>()
    groups.set(collection, group.set(record, after))
  }
  return groups
}
