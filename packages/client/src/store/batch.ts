/**
 * The next batch: the oldest pending operations, as many as the limit allows. An app transaction is never cut, and at least one
 * is taken: its size was limited when it was written. Sizes are looked at first, so that only what is sent comes into memory.
 */
import { parseOperationId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { Batch, BatchLimit } from './store.ts'

interface Sized {
  readonly seq: number
  readonly tx: string
  readonly bytes: number
}

/** Marks the next operations as sending and answers them; inside a transaction. */
export function takeBatch(driver: SqliteDriver, last: number, nowMs: number): Pick<Batch, 'operations' | 'ids'> {
  const rows = driver.all(selectTexts, [last])
  driver.run(updateSending, [nowMs, last])
  return {
    operations: rows.map(([, text]) => String(text)),
    ids: rows.map(([id]) => parseOperationId(id)),
  }
}

/** The sequence number up to which the pending operations make the next batch; null when none waits. */
export function endOfBatch(driver: SqliteDriver, limit: BatchLimit): number | null {
  const listed = driver.all(selectSizes, [limit.operationsMax + 1]).map(parseSized)
  let end: number | null = null
  let count = 0
  let bytes = 0
  for (const [tx, unit] of Map.groupBy(listed, (operation) => operation.tx)) {
    // The query may have cut the last app transaction.
    const isCut = listed.length > limit.operationsMax && unit.at(-1) === listed.at(-1)
    const whole: readonly Sized[] =
      isCut && end === null ? driver.all(selectSizesOfTransaction, [tx]).map(parseSized) : unit
    count += whole.length
    bytes += whole.reduce((sum, operation) => sum + operation.bytes + 1, 0)
    const isOver = isCut || count > limit.operationsMax || bytes > limit.bytesMax
    if (end !== null && isOver) break
    end = whole.at(-1)?.seq ?? end
  }
  return end
}

function parseSized(row: readonly unknown[]): Sized {
  return { seq: Number(row[0]), tx: String(row[1]), bytes: Number(row[2]) }
}

const selectSizes = `select seq, tx, octet_length(operation) from _outbox where state = 'pending' order by seq limit ?`
const selectSizesOfTransaction = `select seq, tx, octet_length(operation) from _outbox
where tx = ? and state = 'pending' order by seq`
const selectTexts = `select id, operation from _outbox where state = 'pending' and seq <= ? order by seq`
const updateSending = `update _outbox set state = 'sending', attempts = attempts + 1, "firstSentAt" = coalesce("firstSentAt", ?)
where state = 'pending' and seq <= ?`
