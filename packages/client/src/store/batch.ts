/**
 * The next batch: the oldest pending operations, as many as the limit allows. An app transaction is never cut, and at least one
 * is taken: its size was limited when it was written. Sizes are looked at first, so that only what is sent comes into memory.
 *
 * BT1  [I-8] What is passed over holds back what hangs on it: later operations on its records, and those that refer to them.
 * BT2  [I-10] What hangs on a creation that was refused is not sent at all: it is named, to be parked beside its cause.
 */
import { type Generation, type Operation, type OperationId, parseOperationId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { type OperationSource, parseOperationText, unansweredById } from './outbox.ts'
import { recordKey, refFields, targetsOf } from './references.ts'
import type { Batch, BatchChoice, BatchLimit } from './store.ts'
import { unclearRecords } from './unclear.ts'

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
  { nowMs, epoch }: { readonly nowMs: number; readonly epoch: number },
): Pick<Batch, 'operations' | 'units'> {
  const seqs = JSON.stringify(chosen.flatMap((unit) => unit.map(({ seq }) => seq)))
  const rows = driver.all(selectTexts, [seqs])
  driver.run(updateSending, [epoch, nowMs, seqs])
  return {
    operations: rows.map(([text]) => String(text)),
    units: chosen.map((unit) => unit.map(({ id }) => id)),
  }
}

export interface Choice {
  /** The app transactions that make the next batch; none when nothing may be sent. */
  readonly units: readonly Unit[]
  /** The first operation of each app transaction that hangs on a refused creation, with that creation. */
  readonly hanging: ReadonlyMap<OperationId, OperationId>
}

/** @param refused `recordKey` of each record that is not here because its creation was refused, with that operation. */
export function chooseBatch(
  source: OperationSource,
  limit: BatchLimit,
  { aside, only }: BatchChoice,
  refused: ReadonlyMap<string, OperationId>,
): Choice {
  const chosen: Unit[] = []
  const hanging = new Map<OperationId, OperationId>()
  const missing = new Map(refused)
  const passedOver = new Set(unclearRecords(source).map(({ collection, record }) => recordKey(collection, record)))
  let count = 0
  let bytes = 0
  let left = only?.size ?? Number.POSITIVE_INFINITY
  for (const unit of pendingUnits(source.driver)) {
    const wanted = unit.filter(({ id }) => (only ?? aside).has(id)).length
    const isWanted = only === null ? wanted === 0 : wanted > 0
    const cause = missing.size === 0 ? undefined : recordsOf(source, unit).find((key) => missing.has(key))
    const [first] = unit
    if (cause !== undefined && first !== undefined) {
      hanging.set(first.id, missing.get(cause) ?? first.id)
      for (const { kind, collection, record } of operationsOf(source, unit)) {
        if (kind === 'create') missing.set(recordKey(collection, record), first.id)
      }
    } else if (!isWanted || hangsOn(source, passedOver, unit)) {
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
  return { units: chosen, hanging }
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

/**
 * Of these operations, in whole app transactions: those whose failing cannot be that of another one of them, nor of a server whose
 * schema is older than the one under which they were written, nor of a restored one that waits for the record's creator.
 */
export function blamedOf(
  source: OperationSource,
  ids: readonly OperationId[],
  server: { readonly schema: number | null; readonly generation: Generation | null },
): { readonly ids: readonly OperationId[]; readonly units: number } {
  const touched = new Set<string>()
  const operations = unansweredById(source, ids).map(({ operation }) => operation)
  const units = [...Map.groupBy(operations, ({ tx }) => tx.id).values()].filter((unit) => {
    const own = unit.map(({ collection, record }) => recordKey(collection, record))
    const named = [...own, ...unit.flatMap((operation) => targetsOf(source.schema, operation))]
    const isFree = !named.some((key) => touched.has(key))
    for (const key of own) touched.add(key)
    return isFree && unit.every((operation) => isJudged(source, operation, server))
  })
  return { ids: units.flat().map(({ id }) => id), units: units.length }
}

/** Whether the server should have known what to make of it. */
function isJudged(
  { schema }: OperationSource,
  operation: Operation,
  server: { readonly schema: number | null; readonly generation: Generation | null },
): boolean {
  const { base, schemaVersion } = operation
  const isOfAnotherLife = base.generation !== null && base.generation !== server.generation
  if (isOfAnotherLife && (base.version > 0 || targetsOf(schema, operation).length > 0)) return false
  return schemaVersion <= (server.schema ?? schemaVersion)
}

function hangsOn(source: OperationSource, records: ReadonlySet<string>, unit: Unit): boolean {
  return records.size > 0 && recordsOf(source, unit).some((key) => records.has(key))
}

/** `recordKey` of the records that a unit changes and of those that it refers to. */
function recordsOf(source: OperationSource, unit: Unit): readonly string[] {
  const { schema } = source
  const own = unit.map(({ collection, record }) => recordKey(collection, record))
  const referring = unit.filter(({ collection }) => refFields(schema, collection).length > 0)
  return [...own, ...operationsOf(source, referring).flatMap((operation) => targetsOf(schema, operation))]
}

function operationsOf({ driver, schema }: OperationSource, unit: Unit): readonly Operation[] {
  if (unit.length === 0) return []
  const seqs = JSON.stringify(unit.map(({ seq }) => seq))
  return driver.all(selectTexts, [seqs]).map(([text]) => parseOperationText(schema, String(text)))
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
const selectTexts = 'select operation from _outbox where seq in (select value from json_each(?)) order by seq'
const updateSending = `update _outbox set state = 'sending', attempts = attempts + 1,
"firstSentEpoch" = case when "firstSentAt" is null then ? else "firstSentEpoch" end, "firstSentAt" = coalesce("firstSentAt", ?)
where seq in (select value from json_each(?))`
