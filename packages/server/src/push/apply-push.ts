/**
 * A group of batches, each of another user, in one transaction of the store, in this order: claim the keys, load and lock the records,
 * look up what is open about them and what they refer to, judge in memory batch after batch, write rows, conflicts, decisions, feed,
 * outcomes and what devices report.
 *
 * AP1  The batches are judged as if each had a transaction of its own, in the order of the group: a later one meets what an earlier
 *      one did, with its own user's scopes and rules.
 * AP2  A handful of statements on sets (each of up to 5,000 rows), whatever the number of batches and operations.
 * AP3  [I-25] A group about more records than memory is to hold is not begun: who cuts it finds pieces that are.
 */
import { hash } from 'node:crypto'
import {
  conflictsCollection,
  type DeviceId,
  decisionsCollection,
  type Operation,
  type OperationId,
  openCountOf,
  type RecordId,
  type Schema,
  type ServerRecord,
  type UserId,
} from '@holdfast/core'
import type { Claim, FeedEntry, Scope, SentReport, StoreTransaction, SystemCollection } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import type { Aftermath } from './aftermath.ts'
import { moveDescendants } from './descendants.ts'
import {
  type Change,
  type ChangedRecord,
  createDraft,
  isMoved,
  type Loaded,
  type OpenConflicts,
  recordKey,
} from './draft.ts'
import { feedEntries } from './feed-entries.ts'
import { groupIds, loadRecords, locateRecords } from './gather.ts'
import { type Bench, createTurn, type Judgement, judge, neverSent } from './judge.ts'
import { isLocated, referencesOf } from './references.ts'
import { type Luggage, systemChanges, travellers } from './system-changes.ts'
import type { Unit } from './units.ts'

/** What one device sends, and all that judging it needs. */
export interface Batch {
  readonly bench: Bench
  readonly units: readonly Unit[]
  /** Whose it is; null: of a rescue file. */
  readonly device: DeviceId | null
  /** What the device tells of itself; null when it is not due. */
  readonly report: SentReport | null
  /** Of what the same sender sent before these units, in other transactions. */
  readonly earlier: Aftermath
}

/** The scopes in which something changed, each with the only device that changed it; null: several did, or nobody can say. */
export type Touched = ReadonlyMap<Scope, DeviceId | null>

export interface PushResult {
  readonly place: number
  readonly touched: Touched
  /** In the order of the batches. */
  readonly answers: readonly Answer[]
}

export interface Answer {
  readonly outcomes: ReadonlyMap<OperationId, string>
  /** Units without an outcome, and why there are any. */
  readonly held: readonly Unit[]
  readonly refused: Aftermath['refused']
  /** Units that were not looked at, the last ones: they are for the next transaction [J13]. */
  readonly unjudged: readonly Unit[]
  readonly faults: readonly Error[]
}

/** What every batch of a group has in common. */
export interface GroupPorts {
  readonly schema: Schema
  readonly system: Pick<System, 'breathe' | 'monotonicMs'>
}

export async function applyPush(
  tx: StoreTransaction,
  { schema, system }: GroupPorts,
  batches: readonly Batch[],
): Promise<PushResult> {
  const sent = batches.map(sendingOf)
  // In one round trip.
  const [stored, bytes] = await Promise.all([
    tx.claim(sent.flatMap(({ claims, replaced }) => [...claims, ...replaced])),
    weightOf(
      tx,
      schema,
      sent.flatMap(({ operations }) => operations),
    ),
  ])
  refuseBytes(batches, bytes)
  const fresh = sent.flatMap(({ user, operations }) => operations.filter(({ id }) => !stored.get(user)?.has(id)))
  const gathered = await loadRecords(tx, schema, fresh)
  const { records } = gathered
  const conflicts = await openConflicts(tx, disputed(records), (bytes) => refuseBytes(batches, bytes))
  const located = await locateRecords(tx, schema, { operations: fresh, gathered, conflicts })
  const draft = createDraft(schema, { records, conflicts, located })
  const holders = await targetHolders(tx, schema, fresh)
  const turn = createTurn(system)
  const judgements: Judgement[] = []
  for (const [index, { bench, units, earlier }] of batches.entries()) {
    const evidence = {
      place: tx.place,
      hashes: sent[index]?.hashes ?? new Map(),
      stored: stored.get(bench.user.userId) ?? new Map(),
      present: presentFor(bench.scopes, holders),
      refused: earlier.refused,
    }
    judgements.push(await judge(bench, { draft, evidence, turn }, units))
  }
  const nowMs = Math.max(...batches.map(({ bench }) => bench.serverNowMs))
  const touches = await writeChanges(tx, { schema, nowMs }, draft.changes(), conflicts)
  const settled = batches.map(
    ({ bench }, index) => [bench.user.userId, judgements[index]?.settled ?? new Map()] as const,
  )
  if (settled.some(([, { size }]) => size > 0)) await tx.settle(new Map(settled))
  const reports = batches.flatMap(({ report }) => (report === null ? [] : [report]))
  if (reports.length > 0) await tx.report(reports)
  return { place: tx.place, touched: touchedBy(batches, touches), answers: judgements }
}

async function weightOf(tx: StoreTransaction, schema: Schema, operations: readonly Operation[]): Promise<number> {
  const groups = groupIds(schema, operations)
  // A single record comes as it is.
  if (groups.values().reduce((sum, ids) => sum + ids.length, 0) < 2) return 0
  const weights = await Promise.all([...groups].map(([name, ids]) => tx.weigh(name, ids)))
  return weights.reduce((sum, bytes) => sum + bytes, 0)
}

/** [AP3] */
function refuseBytes(batches: readonly Batch[], bytes: number): void {
  const isOne = batches.length === 1 && batches[0]?.units.length === 1
  const max = isOne ? unitRecordBytesMax : recordBytesMax
  if (bytes > max) throw new Error(`The records take ${bytes} bytes, and ${max} are taken at a time.`)
}

/** Of the records of a transaction. With what is made of them, and until it is collected, they take about six times of that in memory. */
export const recordBytesMax = 8 * 1_048_576

/** The same where one app transaction, which cannot be cut, is about more. */
export const unitRecordBytesMax = 24 * 1_048_576

type Touch = Pick<FeedEntry, 'scope' | 'collection' | 'record'>

/** What follows from a change (a question) is put down to the device of a batch that was alone. */
function touchedBy(batches: readonly Batch[], touches: readonly Touch[]): Touched {
  const alone = batches.length === 1 ? (batches[0]?.device ?? null) : null
  const writers = new Map<string, DeviceId | null>()
  for (const { units, device } of batches) {
    for (const { operation } of units.flat()) {
      const key = recordKey(operation.collection, operation.record)
      writers.set(key, writers.has(key) && writers.get(key) !== device ? null : device)
    }
  }
  const touched = new Map<Scope, DeviceId | null>()
  for (const { scope, collection, record } of touches) {
    const writer = writers.get(recordKey(collection, record)) ?? alone
    touched.set(scope, touched.has(scope) && touched.get(scope) !== writer ? null : writer)
  }
  return touched
}

/** The operations of a batch, and the keys that they take. */
function sendingOf({ bench, units }: Batch) {
  const { userId: user } = bench.user
  const sent = units.flat()
  const claims = sent.map(({ operation: { id, device, seq }, text }): Claim => {
    return { user, id, hash: hash('sha256', text, 'base64url'), device, seq }
  })
  return {
    user,
    claims,
    operations: sent.map(({ operation }) => operation),
    hashes: new Map(claims.map((claim) => [claim.id, claim.hash])),
    replaced: replacedClaims(user, units),
  }
}

async function writeChanges(
  tx: StoreTransaction,
  { schema, nowMs }: { readonly schema: Schema; readonly nowMs: number },
  changes: readonly Change[],
  conflicts: OpenConflicts,
): Promise<readonly Touch[]> {
  const moved = changes.filter(isMoved)
  const travelling = travellers(schema, changes)
  const luggage: Luggage = travelling.length === 0 ? new Map() : await tx.about(decisionsCollection, travelling)
  const system = systemChanges(schema, changes, { conflicts, luggage, nowMs })
  for (const [name, ids] of system.newIds) await refuseTaken(tx, name, ids)
  for (const [name, records] of recordsByCollection(moved)) await tx.write(name, records)
  for (const [name, rows] of system.rows) await tx.write(name, rows)
  const entries = [...feedEntries(changes), ...system.entries]
  if (entries.length > 0) await tx.feed(entries)
  return [...entries, ...(await moveDescendants(tx, schema, changes))]
}

/**
 * Ids of rows are made from ids of operations, which each user's devices choose for themselves: no one writes over what is about
 * another's operation by choosing its id. The unit is left without an outcome.
 */
async function refuseTaken(tx: StoreTransaction, name: SystemCollection, ids: readonly RecordId[]): Promise<void> {
  if (ids.length === 0) return
  // Two users of one group may choose one id: apart, the second finds the first's.
  const isTwice = new Set(ids).size < ids.length
  if (isTwice || (await tx.load(name, [...ids].sort())).size > 0)
    throw new Error(`${name} has rows of an operation of the same id, by another user.`)
}

/** Of these records, the rows of the conflicts that are open about them. */
export async function openConflicts(
  tx: StoreTransaction,
  keys: readonly string[],
  /** Told of the bytes of the rows before they are loaded. */
  check: (bytes: number) => void = () => undefined,
): Promise<OpenConflicts> {
  if (keys.length === 0) return new Map()
  const rowsByKey = await tx.about(conflictsCollection, keys)
  check([...rowsByKey.values()].flat().reduce((sum, { bytes }) => sum + bytes, 0))
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
function replacedClaims(user: UserId, units: readonly Unit[]): readonly Claim[] {
  const sent = new Set(units.flatMap((unit) => unit.map(({ operation }) => operation.id)))
  const replaced = new Map<OperationId, Claim>()
  for (const { operation } of units.flat()) {
    for (const id of operation.replaces) {
      if (!sent.has(id)) replaced.set(id, { user, id, hash: neverSent, device: operation.device, seq: operation.seq })
    }
  }
  return [...replaced.values()]
}

/** By `recordKey` of the records that are referred to: the scopes that hold them. */
type Holders = ReadonlyMap<string, readonly Scope[]>

async function targetHolders(tx: StoreTransaction, schema: Schema, operations: readonly Operation[]): Promise<Holders> {
  const targets = operations.flatMap((operation) => {
    const collection = Object.hasOwn(schema.collections, operation.collection)
      ? schema.collections[operation.collection]
      : undefined
    return collection === undefined
      ? []
      : referencesOf(collection, operation).filter((reference) => !isLocated(schema, collection, reference))
  })
  const holders = new Map<string, readonly Scope[]>()
  for (const [name, ids] of groupIds(schema, targets)) {
    for (const [id, scopes] of await tx.present(name, ids)) holders.set(recordKey(name, id), scopes)
  }
  return holders
}

/** The `recordKey`s of what this user may refer to. */
function presentFor(own: ReadonlySet<Scope>, holders: Holders): ReadonlySet<string> {
  return new Set([...holders].flatMap(([key, scopes]) => (scopes.some((scope) => own.has(scope)) ? [key] : [])))
}

function recordsByCollection(changes: readonly ChangedRecord[]): ReadonlyMap<string, Map<RecordId, ServerRecord>> {
  const groups = new Map<string, Map<RecordId, ServerRecord>>()
  for (const { collection, record, after } of changes) {
    const group = groups.get(collection) ?? new Map<RecordId, ServerRecord>()
    groups.set(collection, group.set(record, after))
  }
  return groups
}
