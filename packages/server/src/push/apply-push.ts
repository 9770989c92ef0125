/**
 * A batch in one transaction of the store, in this order: claim the keys, load and lock the records, look up references, judge
 * in memory, write rows, feed and outcomes. A handful of statements on sets, whatever the number of operations.
 */
import { hash } from 'node:crypto'
import type { OperationId, RecordId, ServerRecord, UserId } from '@holdfast/core'
import type { Claim, Scope, StoreTransaction } from '../ports/server-store.ts'
import { type ChangedRecord, type LoadedRecords, recordKey } from './draft.ts'
import { feedEntries } from './feed-entries.ts'
import { type Bench, judge } from './judge.ts'
import { referencesOf } from './references.ts'
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
  const judgement = judge(
    bench,
    {
      place: tx.place,
      hashes: new Map(claims.map((claim) => [claim.id, claim.hash])),
      stored,
      loaded: await load(tx, bench, wanted),
      present: await presentTargets(tx, bench, fresh),
    },
    units,
  )
  for (const [name, records] of recordsByCollection(judgement.changes)) await tx.write(name, records)
  const entries = feedEntries(bench.schema, judgement.changes)
  if (entries.length > 0) await tx.feed(entries)
  if (judgement.settled.size > 0) await tx.settle(user, judgement.settled)
  const { outcomes, held, faults } = judgement
  return { outcomes, touched: new Set(entries.map((entry) => entry.scope)), place: tx.place, held, faults }
}

/** Looks up what became of replaced operations by claiming their keys; a claim without an outcome is given back. */
function replacedClaims(units: readonly Unit[]): readonly Claim[] {
  const sent = new Set(units.flatMap((unit) => unit.map(({ operation }) => operation.id)))
  const replaced = new Map<OperationId, Claim>()
  for (const { operation } of units.flat()) {
    const id = operation.replaces
    if (id === null || sent.has(id)) continue
    replaced.set(id, { id, hash: '', device: operation.device, seq: operation.seq })
  }
  return [...replaced.values()]
}

async function load(
  tx: StoreTransaction,
  { schema }: Bench,
  wanted: ReadonlyMap<string, readonly RecordId[]>,
): Promise<LoadedRecords> {
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
