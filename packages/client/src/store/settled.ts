/**
 * Operations whose outcome is known and reflected. They are kept for a while, within bounds: a repeated call is known by them,
 * an undo finds what it undoes, a restored server gets them again. How long is counted by the server's clock.
 */
import {
  type Operation,
  type OperationId,
  type Outcome,
  operationText,
  parseJson,
  parseOutcome,
  parseTransactionId,
  type RecordId,
  settledKeptMs,
  type TransactionId,
} from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { RefusedOperation } from './inbox.ts'
import { type OperationSource, parseOperationText, removeOperations } from './outbox.ts'

/** How long what has settled, or was discarded, is remembered. */
export const keptMs = settledKeptMs
const keptMax = 50_000
/** Of their texts; looked at now and then, and after large ones. */
export const keptBytesMax = 64 * 1_048_576
const keptLookEvery = 500
const keptLookBytes = 262_144

/** Moves operations out of the outbox. */
export function settle(driver: SqliteDriver, seqs: readonly number[], serverMs: number): void {
  driver.run(insertSettled, [serverMs, JSON.stringify(seqs)])
  removeOperations(driver, seqs)
}

/** Refused operations that others replace now: what became of them is known, and stays known. They had no effect. */
export function settleReplaced(driver: SqliteDriver, replaced: readonly RefusedOperation[], serverMs: number): void {
  const rows = replaced.map(({ seq, operation, code, field, problem }) => {
    const outcome: Outcome = { kind: 'rejected', id: operation.id, code, field, problem }
    return [seq, JSON.stringify(outcome)]
  })
  driver.run(insertReplaced, [serverMs, JSON.stringify(rows)])
  driver.run(deleteReplaced, [JSON.stringify(replaced.map(({ seq }) => seq))])
}

/** An operation that needs not be sent, because it changes nothing: the call that made it is known by it when it is repeated. */
export function settleUnsent(driver: SqliteDriver, operation: Operation, serverMs: number): void {
  const { id, seq, tx, base } = operation
  const outcome: Outcome = { kind: 'applied', id, version: base.version, place: 0 }
  driver.run(insertUnsent, [seq, id, tx.id, serverMs, JSON.stringify(outcome), operationText(operation)])
}

/**
 * Cheap: sequence numbers grow with time and have hardly any gaps, so that time and number are found at the old end.
 *
 * @param settled what has settled just now.
 */
export function pruneSettled(driver: SqliteDriver, serverMs: number, settled: readonly number[]): void {
  driver.run(deleteBeyondCount, [keptMax])
  driver.run(deleteOlder, [serverMs - keptMs])
  const isDue =
    settled.some((seq) => seq % keptLookEvery === 0) ||
    Number(driver.all(selectBytes, [JSON.stringify(settled)])[0]?.[0]) > keptLookBytes
  if (isDue) driver.run(deleteBeyondBytes, [keptBytesMax])
}

/** The outcomes that are known of an app transaction's operations, with the operations, in local order. */
export function answeredOfTransaction(
  { driver, schema }: OperationSource,
  tx: TransactionId,
): readonly { readonly operation: Operation; readonly outcome: Outcome }[] {
  return driver.all(selectAnswered, [tx, tx]).map(([operation, outcome]) => ({
    operation: parseOperationText(schema, String(operation)),
    outcome: parseOutcome(parseJson(String(outcome), 'a kept outcome')),
  }))
}

/** The app transactions of these operations, wherever they are by now. */
export function transactionsOf(driver: SqliteDriver, ids: readonly OperationId[]): readonly TransactionId[] {
  if (ids.length === 0) return []
  return driver.all(selectTransactions, [JSON.stringify(ids)]).map(([tx]) => parseTransactionId(tx))
}

/** The device's last deletion of a record and the version that it made, 0 while that is not known. */
export function lastDeletion(
  { driver, schema }: OperationSource,
  collection: string,
  record: RecordId,
): { readonly operation: Operation; readonly version: number } | null {
  const row = driver.all(selectDeletion, [collection, record, collection, record])[0]
  if (row === undefined) return null
  const version = row[1] === null ? 0 : Number(row[1])
  return { operation: parseOperationText(schema, String(row[0])), version }
}

const insertSettled = `insert into _settled (seq, id, tx, "settledAt", outcome, operation)
select seq, id, tx, ?, outcome, operation from _outbox where seq in (select value from json_each(?))`
const insertUnsent = `insert into _settled (seq, id, tx, "settledAt", outcome, operation) values (?, ?, ?, ?, ?, ?)`
const insertReplaced = `insert into _settled (seq, id, tx, "settledAt", outcome, operation)
select i.seq, i.id, i.tx, ?, r.value ->> 1, i.operation from json_each(?) as r join _inbox as i on i.seq = r.value ->> 0`
const deleteReplaced = 'delete from _inbox where seq in (select value from json_each(?))'
const deleteBeyondCount = 'delete from _settled where seq <= (select max(seq) from _settled) - ?'
const selectBytes = `select coalesce(sum(octet_length(operation)), 0) from _settled
where seq in (select value from json_each(?))`
const deleteBeyondBytes = `delete from _settled where seq <= (
  select seq from (select seq, sum(octet_length(operation)) over (order by seq desc) as bytes from _settled)
  where bytes > ? order by seq desc limit 1
)`
const deleteOlder = `delete from _settled where "settledAt" < ?1
and seq < coalesce((select seq from _settled where "settledAt" >= ?1 order by seq limit 1), 9007199254740991)`
const selectTransactions = `with asked as (select value as id from json_each(?))
select tx from _outbox where id in (select id from asked)
union select tx from _inbox where id in (select id from asked)
union select tx from _settled where id in (select id from asked)`
const selectAnswered = `select operation, outcome from (
  select seq, operation, outcome from _outbox where tx = ? and state = 'acknowledged'
  union all select seq, operation, outcome from _settled where tx = ?
) order by seq`
// The second half reads every settled operation: a restore of a record that is not here is rare, and never in a loop.
const selectDeletion = `select operation, version from (
  select seq, operation, version from _outbox
  where collection = ? and record = ? and operation ->> 'kind' = 'delete'
  union all select seq, operation, outcome ->> 'version' from _settled
  where operation ->> 'collection' = ? and operation ->> 'record' = ? and operation ->> 'kind' = 'delete'
  and outcome ->> 'kind' <> 'rejected'
) order by seq desc limit 1`
