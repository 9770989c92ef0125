/**
 * The inbox: operations that were refused, with the reason, kept until a person decides: retry, fix (requeue.ts) or discard.
 *
 *   outbox ──refused──► inbox ──retry, fix──► settled, as refused; a new operation that replaces it is in the outbox
 *                       │   ▲
 *                 discard   undiscard
 *                       ▼   │
 *                      discarded ──14 days──► gone
 *
 * IB1  A refused operation takes with it what cannot stand without it: the rest of its app transaction and, when it was to
 *      create its record, every later operation on that record. One that took effect under another id has created it.
 * IB2  All others go on.
 * IB3  What is written later and refers to a record whose creation lies here is parked beside it, and not sent (batch.ts).
 * IB4  [I-4] Nothing leaves the inbox but by the call of a person.
 */
import {
  currentNames,
  EngineError,
  type ErrorCode,
  isErrorCode,
  type Operation,
  type OperationId,
  type Outcome,
  type RecordId,
  type Schema,
  type TransactionId,
  unreachable,
} from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { type Touched, touch } from './context.ts'
import { type Group, groupsOf, isLacking } from './inbox-groups.ts'
import { writtenFields } from './intent.ts'
import {
  type OperationSource,
  parseOperationText,
  removeOperations,
  type StoredOperation,
  unansweredById,
  unansweredOfRecord,
  unansweredOfTransaction,
} from './outbox.ts'
import { keptMs } from './settled.ts'
import type { DiscardedGroup, InboxGroup, InboxItem } from './store.ts'

export interface Refusal {
  readonly code: ErrorCode
  readonly field: string | null
  readonly problem: string
}

export function refusalsIn(outcomes: readonly Outcome[]): ReadonlyMap<OperationId, Refusal> {
  const refusals = new Map<OperationId, Refusal>()
  for (const outcome of outcomes) {
    const refusal = refusalOf(outcome)
    if (refusal !== null) refusals.set(outcome.id, refusal)
  }
  return refusals
}

function refusalOf(outcome: Outcome): Refusal | null {
  switch (outcome.kind) {
    case 'rejected':
      return { code: outcome.code, field: outcome.field, problem: outcome.problem }
    case 'blocked':
      return blockedBy(outcome.by)
    case 'applied':
    case 'merged':
    case 'conflict':
      return null
    default:
      return unreachable(outcome)
  }
}

/** Whether the server gave this refusal and keeps it: sent again, the operation would get it again. */
export function isRefusedForGood(code: ErrorCode): boolean {
  return !undecided.has(code)
}

// Given by the device, or not stored by the server.
const undecided: ReadonlySet<ErrorCode> = new Set([
  'BLOCKED',
  'GAVE_UP',
  'MAY_HAVE_ARRIVED',
  'TOO_LARGE',
  'KEY_REUSED',
  'TRANSACTION_INCOMPLETE',
])

export function blockedBy(id: OperationId): Refusal {
  return { code: 'BLOCKED', field: null, problem: `It depends on operation ${id}, which was refused.` }
}

/** Moves the refused operations and what depends on them into the inbox; answers them all. */
export function moveToInbox(
  source: OperationSource,
  refusals: ReadonlyMap<OperationId, Refusal>,
  nowMs: number,
  touched: Touched,
): readonly OperationId[] {
  const { driver } = source
  const moving = withDependants(source, refusals)
  if (moving.size === 0) return []
  const rows: (readonly [seq: number, code: string, field: string | null, problem: string])[] = []
  const ids: OperationId[] = []
  for (const { stored, refusal } of moving.values()) {
    rows.push([stored.seq, refusal.code, refusal.field, refusal.problem])
    ids.push(stored.operation.id)
    touch(touched, stored.operation.collection, stored.operation.record)
  }
  driver.run(insertRefused, [nowMs, JSON.stringify(rows)])
  removeOperations(
    driver,
    rows.map(([seq]) => seq),
  )
  return ids
}

/** Takes in operations that never were in the outbox: made here, of work that lost its place. Each carries its own sequence number. */
export function keepRefused(
  driver: SqliteDriver,
  refused: readonly Omit<RefusedOperation, 'seq' | 'attempts'>[],
): void {
  const rows = refused.map(({ operation, text, code, field, problem, refusedAt }) => {
    const { seq, id, tx, collection, record } = operation
    return [seq, id, tx.id, collection, record, code, field, problem, refusedAt, text]
  })
  driver.run(insertKept, [JSON.stringify(rows)])
}

type Moving = Map<number, { readonly stored: StoredOperation; readonly refusal: Refusal }>

function withDependants(source: OperationSource, refusals: ReadonlyMap<OperationId, Refusal>): Moving {
  const moving: Moving = new Map()
  const seen = new Set<TransactionId>()
  const queue = unansweredById(source, [...refusals.keys()]).map((stored) => ({
    stored,
    refusal: refusals.get(stored.operation.id) ?? blockedBy(stored.operation.id),
  }))
  for (const next of queue) {
    const { seq, operation } = next.stored
    if (moving.has(seq)) continue
    moving.set(seq, next)
    const hang = (dependants: readonly StoredOperation[]) =>
      queue.push(
        ...dependants
          .filter((dependant) => !moving.has(dependant.seq))
          .map((stored) => ({ stored, refusal: refusals.get(stored.operation.id) ?? blockedBy(operation.id) })),
      )
    if (operation.tx.count > 1 && !seen.has(operation.tx.id)) {
      seen.add(operation.tx.id)
      hang(unansweredOfTransaction(source, operation.tx.id))
    }
    if (isLacking(operation, next.refusal.code)) {
      const later = unansweredOfRecord(source, operation.collection, operation.record)
      hang(later.filter((stored) => stored.seq > seq))
    }
  }
  return moving
}

/** A row of the inbox. */
export interface RefusedOperation extends Refusal {
  readonly seq: number
  readonly operation: Operation
  /** The operation as it was written. */
  readonly text: string
  readonly refusedAt: number
  readonly attempts: number
}

export type RefusedGroup = Group<RefusedOperation>

/** What waits for a person to decide, by cause; what was discarded is left out. */
export function readGroups({ driver, schema }: OperationSource): readonly RefusedGroup[] {
  return groupsOf(schema, driver.all(selectInbox).map(refusedIn(schema)))
}

/** The group of an operation, whichever of its members that is; NOT_FOUND when it is not in the inbox, or not any more. */
export function groupWith(source: OperationSource, id: OperationId): RefusedGroup {
  const group = readGroups(source).find(({ members }) => members.some(({ operation }) => operation.id === id))
  if (group !== undefined) return group
  throw new EngineError('NOT_FOUND', 'the inbox has no such change: it was sent again or discarded meanwhile.')
}

export function inboxGroup(schema: Schema, { root, members }: RefusedGroup): InboxGroup {
  return { ...inboxItem(schema, root), items: members.map((member) => inboxItem(schema, member)) }
}

function inboxItem(
  schema: Schema,
  { operation, code, field, problem, refusedAt, attempts }: RefusedOperation,
): InboxItem {
  const { id, tx, collection, record, kind, was } = operation
  const fields = writtenFields(schema.collections[collection], operation)
  return { id, tx: tx.id, collection, record, kind, fields, was, code, field, problem, refusedAt, attempts }
}

/** Discarded ones too: they were refused. */
export function refusedOfTransaction(
  { driver, schema }: OperationSource,
  tx: TransactionId,
): readonly RefusedOperation[] {
  return driver.all(selectInboxOfTransaction, [tx]).map(refusedIn(schema))
}

/** The records of a collection of which an operation was refused, as JSON; null when there is none. */
export function refusedRecords(driver: SqliteDriver, collection: string): readonly RecordId[] {
  return driver.all(selectRefusedRecords, [collection]).map(([record]) => String(record))
}

/** What was discarded and is kept still, the latest first. */
export function readDiscarded({ driver, schema }: OperationSource): readonly DiscardedGroup[] {
  const rows = driver
    .all(selectDiscarded)
    .map((row) => ({ refused: refusedIn(schema)(row), at: Number(row[7]), id: row[8] }))
  return [...Map.groupBy(rows, ({ id }) => id).values()].flatMap((discarded) => {
    const at = discarded[0]?.at ?? discardedUndated
    const discardedAt = at === discardedUndated ? null : at
    const groups = groupsOf(
      schema,
      discarded.map(({ refused }) => refused),
    )
    return groups.map((group) => ({ ...inboxGroup(schema, group), discardedAt }))
  })
}

/** Marks the group as discarded under this id. */
export function markDiscarded(
  driver: SqliteDriver,
  { members }: RefusedGroup,
  { id, atMs }: { readonly id: OperationId; readonly atMs: number },
): void {
  driver.run(updateDiscarded, [atMs, id, JSON.stringify(members.map(({ seq }) => seq))])
}

export function isDiscarded(driver: SqliteDriver, id: OperationId): boolean {
  return driver.all(selectIsDiscarded, [id]).length > 0
}

/** The group of this operation back into the list; answers the records. NOT_FOUND when it was not discarded, or too long ago. */
export function bringBack(
  driver: SqliteDriver,
  id: OperationId,
): readonly { readonly collection: string; readonly record: RecordId }[] {
  const rows = driver.all(selectDiscardedWith, [id])
  const isListed = driver.all(selectIsListed, [id]).length > 0
  if (rows.length === 0 && !isListed) throw new EngineError('NOT_FOUND', 'it was not discarded here, or too long ago.')
  driver.run(updateBroughtBack, [id])
  return rows.map(([collection, record]) => ({ collection: String(collection), record: String(record) }))
}

/** In place of when it was discarded, while the server's time is not known: counted from when it is. */
export const discardedUndated = Number.MAX_SAFE_INTEGER

/** Forgets what a person discarded longer ago than anything is remembered, by the server's clock; answers how many those were. */
export function pruneDiscarded(driver: SqliteDriver, serverMs: number): number {
  driver.run(dateDiscarded, [serverMs])
  return driver.run(deleteDiscarded, [serverMs - keptMs])
}

function refusedIn(schema: Schema): (row: readonly unknown[]) => RefusedOperation {
  return (row) => parseRefused(schema, row)
}

function parseRefused(schema: Schema, row: readonly unknown[]): RefusedOperation {
  const [seq, text, code, field, problem, refusedAt, attempts] = row
  const operation = parseOperationText(schema, String(text))
  return {
    seq: Number(seq),
    operation,
    text: String(text),
    // A code of a later version of the app, after a step back.
    code: isErrorCode(code) ? code : 'REFUSED',
    // By the name that the field has now; of one that was split, its first part.
    field: field === null ? null : (currentNames(schema, operation.collection, String(field))[0] ?? String(field)),
    problem: String(problem),
    refusedAt: Number(refusedAt),
    attempts: Number(attempts),
  }
}

const columns = 'seq, operation, code, field, problem, "refusedAt", attempts'
const insertRefused = `insert into _inbox (seq, id, tx, collection, record, code, field, problem, "refusedAt", attempts, operation)
select o.seq, o.id, o.tx, o.collection, o.record, r.value ->> 1, r.value ->> 2, r.value ->> 3, ?, o.attempts, o.operation
from json_each(?) as r join _outbox as o on o.seq = r.value ->> 0`
const insertKept = `insert into _inbox (seq, id, tx, collection, record, code, field, problem, "refusedAt", attempts, operation)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, 0, value ->> 9
from json_each(?)`
const selectInbox = `select ${columns} from _inbox where "discardedAt" is null order by seq`
const selectInboxOfTransaction = `select ${columns} from _inbox where tx = ? order by seq`
const selectRefusedRecords = 'select distinct record from _inbox where collection = ? and "discardedAt" is null'
const updateDiscarded = `update _inbox set "discardedAt" = ?, "discardedWith" = ?
where seq in (select value from json_each(?))`
const selectIsDiscarded = 'select 1 from _inbox where id = ? and "discardedAt" is not null'
const selectIsListed = 'select 1 from _inbox where id = ? and "discardedAt" is null'
// A group is discarded under the id of any of its operations, and named by any.
const ofDiscarded = '"discardedWith" = (select "discardedWith" from _inbox where id = ?)'
const selectDiscardedWith = `select collection, record from _inbox where ${ofDiscarded}`
const selectDiscarded = `select ${columns}, "discardedAt", "discardedWith" from _inbox where "discardedAt" is not null
order by "discardedAt" desc, seq`
const updateBroughtBack = `update _inbox set "discardedAt" = null, "discardedWith" = null where ${ofDiscarded}`
const dateDiscarded = 'update _inbox set "discardedAt" = ?1 where "discardedAt" > ?1'
const deleteDiscarded = 'delete from _inbox where "discardedAt" < ?'
