/**
 * The outbox: operations that have not settled, in local order. Their texts never change; their state does:
 *
 *   pending ──► sending ──► acknowledged ──► (settled)
 *      ▲           │
 *      ├───────────┘ no answer, or none about this operation
 *      └──► unclear ──► acknowledged, or the inbox: it may have arrived long ago (unclear.ts)
 */
import {
  MigrationFault,
  type Operation,
  type OperationId,
  type Outcome,
  parseJson,
  parseOperation,
  parseOperationId,
  type RecordId,
  type Schema,
  type TransactionId,
  upOperation,
} from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { WaitingItem } from './store.ts'

export interface StoredOperation {
  readonly seq: number
  readonly operation: Operation
}

export interface UnsettledOperation extends StoredOperation {
  /** The confirmed row, which is of another life of the server, has its effect: folded over it, that would count twice. */
  readonly isReflected: boolean
}

/** Where operations are read, and the schema in whose form: they may have been written under an earlier version of it. */
export interface OperationSource {
  readonly driver: SqliteDriver
  readonly schema: Schema
}

export function appendOperation(driver: SqliteDriver, operation: Operation, text: string): void {
  const { seq, id, tx, collection, record } = operation
  driver.run(insertOperation, [seq, id, tx.id, collection, record, text])
}

/** Whether one of these operations was written before, whatever became of it (ST7). */
export function isKnown(driver: SqliteDriver, ids: readonly OperationId[]): boolean {
  return driver.all(selectKnown, [JSON.stringify(ids)]).length > 0
}

/** Back to pending; `error` is null when there was an answer, only not about these. */
export function markPending(driver: SqliteDriver, ids: readonly OperationId[], error: string | null): number {
  return ids.length === 0 ? 0 : driver.run(updatePending, [error, JSON.stringify(ids)])
}

/** Of these, what was sent for the first time at that moment was not sent. */
export function markUnsent(driver: SqliteDriver, ids: readonly OperationId[], sentMs: number): void {
  driver.run(updateUnsent, [sentMs, JSON.stringify(ids)])
}

export function markAllPending(driver: SqliteDriver): void {
  driver.run(updateAllPending, [])
}

export function hasSending(driver: SqliteDriver): boolean {
  return driver.all(selectSending).length > 0
}

/** Keeps the outcomes of operations that the server took; answers how many of them the outbox holds. */
export function acknowledge(driver: SqliteDriver, outcomes: readonly Outcome[]): number {
  const taken = outcomes.flatMap((outcome) =>
    outcome.kind === 'applied' || outcome.kind === 'merged' || outcome.kind === 'conflict'
      ? [[outcome.id, outcome.version, outcome.place, JSON.stringify(outcome)]]
      : [],
  )
  return taken.length === 0 ? 0 : driver.run(updateAcknowledged, [JSON.stringify(taken)])
}

/**
 * Acknowledged operations whose effect is in the confirmed row: its version has reached theirs. Or, once everything up to
 * commit `through` has come, the record is not on this device at all. While pages are to come (null), the row of a conflict may be
 * on one of them.
 */
export function reflectedOperations(
  driver: SqliteDriver,
  through: number | null,
): readonly { readonly seq: number; readonly collection: string; readonly record: RecordId }[] {
  return driver.all(selectReflected, [through]).map(([seq, collection, record]) => ({
    seq: Number(seq),
    collection: String(collection),
    record: String(record),
  }))
}

/** One more attempt that the server failed on these alone; answers those that have now failed `failuresMax` times or more. */
export function countFailures(
  driver: SqliteDriver,
  ids: readonly OperationId[],
  failuresMax: number,
): readonly OperationId[] {
  const list = JSON.stringify(ids)
  driver.run(updateFailures, [list])
  return driver.all(selectFailed, [list, failuresMax]).map(([id]) => parseOperationId(id))
}

export function removeOperations(driver: SqliteDriver, seqs: readonly number[]): void {
  driver.run(deleteOperations, [JSON.stringify(seqs)])
}

/** The unsettled operations of some records (ids as JSON), in local order. */
export function operationsOfRecords(
  source: OperationSource,
  collection: string,
  records: string,
): readonly UnsettledOperation[] {
  return source.driver.all(selectOfRecords, [collection, records]).map((row) => ({
    ...storedIn(source)(row),
    isReflected: row[2] !== 0,
  }))
}

/** The rows of these records (ids as JSON) are those that the server has now; null: of all records. */
export function forgetReflected(
  driver: SqliteDriver,
  of: { readonly collection: string; readonly records: string } | null,
): void {
  if (driver.all(selectAnyReflected).length === 0) return
  if (of === null) driver.run(updateAllReflected)
  else driver.run(updateReflected, [of.collection, of.records])
}

/** Those that the server has not taken. */
export function unansweredById(source: OperationSource, ids: readonly OperationId[]): readonly StoredOperation[] {
  return source.driver.all(selectUnansweredById, [JSON.stringify(ids)]).map(storedIn(source))
}

export function unansweredOfTransaction(source: OperationSource, tx: TransactionId): readonly StoredOperation[] {
  return source.driver.all(selectUnansweredOfTransaction, [tx]).map(storedIn(source))
}

export function unansweredOfRecord(
  source: OperationSource,
  collection: string,
  record: RecordId,
): readonly StoredOperation[] {
  return source.driver.all(selectUnansweredOfRecord, [collection, record]).map(storedIn(source))
}

export function countUnanswered(driver: SqliteDriver): number {
  return Number(driver.all(countPending)[0]?.[0] ?? 0)
}

export function waitingOperations({ driver, schema }: OperationSource, limit: number): readonly WaitingItem[] {
  return driver.all(selectWaiting, [limit]).map(([text, state, attempts, lastError]) => {
    const operation = parseOperationText(schema, String(text))
    return {
      id: operation.id,
      collection: operation.collection,
      record: operation.record,
      kind: operation.kind,
      fields: Object.keys(operation.fields),
      state: state === 'sending' || state === 'acknowledged' ? state : 'pending',
      writtenAt: operation.time.at,
      attempts: Number(attempts),
      lastError: lastError === null ? null : String(lastError),
    }
  })
}

/** Whether any operation is kept, in the outbox, in the inbox or as settled (it may wait again): when it was written may still be asked. */
export function hasOperations(driver: SqliteDriver): boolean {
  return driver.all(selectAny).length > 0
}

/** Whether nothing waits for an answer, or to be reflected. */
export function isOutboxEmpty(driver: SqliteDriver): boolean {
  return driver.all(selectFirst).length === 0
}

/**
 * The one place where a stored operation is read: in the form of the schema, whatever the version under which it was written. One that a
 * migration of the app cannot take stays as it is, and the server says what is to become of it.
 */
export function parseOperationText(schema: Schema, text: string): Operation {
  const operation = parseOperation(parseJson(text, 'an operation of the outbox'))
  try {
    return upOperation(schema, operation)
  } catch (error) {
    if (error instanceof MigrationFault) return operation
    throw error
  }
}

function storedIn({ schema }: OperationSource): (row: readonly unknown[]) => StoredOperation {
  return ([seq, text]) => ({ seq: Number(seq), operation: parseOperationText(schema, String(text)) })
}

// The index of states leaves the pending ones out, and SQLite sees that it may use it only where a query says so too.
const insertOperation = `insert into _outbox (seq, id, tx, collection, record, state, operation)
values (?, ?, ?, ?, ?, 'pending', ?)`
const selectKnown = `select value from json_each(?) where value in (select id from _outbox)
or value in (select id from _inbox) or value in (select id from _settled)`
const updatePending = `update _outbox set state = 'pending', "lastError" = coalesce(?, "lastError")
where state = 'sending' and id in (select value from json_each(?))`
const updateUnsent = `update _outbox set "firstSentAt" = null, "firstSentEpoch" = null
where state = 'pending' and "firstSentAt" = ? and id in (select value from json_each(?))`
const updateAllPending = `update _outbox set state = 'pending' where state = 'sending' and state <> 'pending'`
const selectSending = `select 1 from _outbox where state = 'sending' and state <> 'pending' limit 1`
const updateAcknowledged = `update _outbox set state = 'acknowledged', version = sent.version, place = sent.place, outcome = sent.outcome
from (select value ->> 0 as id, value ->> 1 as version, value ->> 2 as place, value ->> 3 as outcome from json_each(?)) as sent
where _outbox.id = sent.id and state <> 'acknowledged'`
const selectReflected = `select o.seq, o.collection, o.record
from _outbox as o join _confirmed as c on c.collection = o.collection and c.record = o.record
where o.state = 'acknowledged' and o.state <> 'pending' and (c.version >= o.version or (c."row" is null and o.place <= ?1))
and (?1 is not null or o.outcome ->> 'kind' <> 'conflict')
order by o.seq`
const updateFailures = `update _outbox set failures = failures + 1
where id in (select value from json_each(?)) and state <> 'acknowledged'`
const selectFailed = `select id from _outbox
where id in (select value from json_each(?)) and failures >= ? and state <> 'acknowledged' order by seq`
const deleteOperations = 'delete from _outbox where seq in (select value from json_each(?))'
const selectAnyReflected = 'select 1 from _outbox where reflected <> 0 limit 1'
const updateAllReflected = 'update _outbox set reflected = 0 where reflected <> 0'
const updateReflected = `update _outbox set reflected = 0
where collection = ? and record in (select value from json_each(?)) and reflected <> 0`
const selectOfRecords = `select seq, operation, reflected from _outbox
where collection = ? and record in (select value from json_each(?)) order by seq`
const selectUnansweredById = `select seq, operation from _outbox
where id in (select value from json_each(?)) and state <> 'acknowledged' order by seq`
const selectUnansweredOfTransaction = `select seq, operation from _outbox
where tx = ? and state <> 'acknowledged' order by seq`
const selectUnansweredOfRecord = `select seq, operation from _outbox
where collection = ? and record = ? and state <> 'acknowledged' order by seq`
const countPending = `select (select count(*) from _outbox) - (select count(*) from _outbox where state = 'acknowledged' and state <> 'pending')`
const selectFirst = 'select 1 from _outbox limit 1'
const selectAny = 'select 1 from _outbox union all select 1 from _inbox union all select 1 from _settled limit 1'
const selectWaiting = 'select operation, state, attempts, "lastError" from _outbox order by seq limit ?'
