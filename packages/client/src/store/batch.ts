/**
 * The next batch: the oldest pending operations, as many as the limit allows. An app transaction is never cut, and at least one
 * is taken: its size was limited when it was written. Sizes are looked at first, so that only what is sent comes into memory.
 *
 * BT1  [I-8] What is passed over holds back what hangs on it: later operations on its records, and those that refer to them.
 */
import { type OperationId, parseOperationId, type Schema } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { parseOperationText } from './outbox.ts'
import type { Batch, BatchChoice, BatchLimit } from './store.ts'

interface Sized {
  readonly seq: number
  readonly tx: string
  readonly id: OperationId
  readonly collection: string
  readonly record: string
  readonly bytes: number
}

/** The operations of one app transaction. */
type Unit = readonly Sized[]

/** Marks these operations as sending and answers them; inside a transaction. */
export function takeBatch(
  driver: SqliteDriver,
  chosen: readonly Unit[],
  nowMs: number,
): Pick<Batch, 'operations' | 'units'> {
  const seqs = JSON.stringify(chosen.flatMap((unit) => unit.map(({ seq }) => seq)))
  const rows = driver.all(selectTexts, [seqs])
  driver.run(updateSending, [nowMs, seqs])
  return {
    operations: rows.map(([text]) => String(text)),
    units: chosen.map((unit) => unit.map(({ id }) => id)),
  }
}

/** The app transactions that make the next batch; none when nothing may be sent. */
export function chooseBatch(
  { driver, schema }: { readonly driver: SqliteDriver; readonly schema: Schema },
  limit: BatchLimit,
  { aside, only }: BatchChoice,
): readonly Unit[] {
  const chosen: Unit[] = []
  const passedOver = new Set<string>()
  let count = 0
  let bytes = 0
  let left = only?.size ?? Number.POSITIVE_INFINITY
  for (const unit of pendingUnits(driver)) {
    const wanted = unit.filter(({ id }) => (only ?? aside).has(id)).length
    const isWanted = only === null ? wanted === 0 : wanted > 0
    if (!isWanted || hangsOn(driver, schema, passedOver, unit)) {
      for (const { collection, record } of unit) passedOver.add(recordKey(collection, record))
    } else {
      count += unit.length
      bytes += unit.reduce((sum, operation) => sum + operation.bytes + 1, 0)
      if (chosen.length > 0 && (count > limit.operationsMax || bytes > limit.bytesMax)) break
      chosen.push(unit)
    }
    if (only !== null) left -= wanted
    if (left <= 0) break
  }
  return chosen
}

function* pendingUnits(driver: SqliteDriver): Generator<Unit> {
  let unit: Sized[] = []
  let last = 0
  for (;;) {
    const rows = driver.all(selectPending, [last, chunk]).map(parseSized)
    for (const row of rows) {
      if (unit[0] !== undefined && unit[0].tx !== row.tx) {
        yield unit
        unit = []
      }
      unit.push(row)
      last = row.seq
    }
    if (rows.length < chunk) break
  }
  if (unit.length > 0) yield unit
}

function hangsOn(driver: SqliteDriver, schema: Schema, records: ReadonlySet<string>, unit: Unit): boolean {
  if (records.size === 0) return false
  return unit.some(
    (operation) =>
      records.has(recordKey(operation.collection, operation.record)) ||
      targetsOf(driver, schema, operation).some((target) => records.has(target)),
  )
}

/** The records that an operation refers to. */
function targetsOf(driver: SqliteDriver, schema: Schema, { collection, seq }: Sized): readonly string[] {
  const fields = Object.hasOwn(schema.collections, collection) ? schema.collections[collection]?.fields : undefined
  const targets = Object.entries(fields ?? {}).flatMap(([name, { rule }]) =>
    rule.kind === 'ref' ? [[name, rule.collection] as const] : [],
  )
  const text = targets.length === 0 ? undefined : driver.all(selectText, [seq])[0]?.[0]
  if (text === undefined) return []
  const values = parseOperationText(String(text)).fields
  return targets.flatMap(([name, target]) => {
    const value = values[name]
    return typeof value === 'string' ? [recordKey(target, value)] : []
  })
}

function recordKey(collection: string, record: string): string {
  return `${collection} ${record}` // A collection's name has no space.
}

function parseSized([seq, tx, id, collection, record, bytes]: readonly unknown[]): Sized {
  return {
    seq: Number(seq),
    tx: String(tx),
    id: parseOperationId(id),
    collection: String(collection),
    record: String(record),
    bytes: Number(bytes),
  }
}

/** Operations that are read at a time. */
const chunk = 500

const selectPending = `select seq, tx, id, collection, record, octet_length(operation) from _outbox
where state = 'pending' and seq > ? order by seq limit ?`
const selectText = 'select operation from _outbox where seq = ?'
const selectTexts = 'select operation from _outbox where seq in (select value from json_each(?)) order by seq'
const updateSending = `update _outbox set state = 'sending', attempts = attempts + 1, "firstSentAt" = coalesce("firstSentAt", ?)
where seq in (select value from json_each(?))`
