/**
 * What a person decided about open conflicts: one operation per record, based on both sides as this device knows them. Offline it is an
 * operation like any other; the server judges it, and where a side has moved meanwhile it asks again.
 *
 * SM1  An operation of a settlement names the conflicts that it settles; as `was` it carries the server's side that was seen, and as base
 *      its version.
 * SM2  It writes what differs from the server's side, and nothing when that side is what shall stand.
 * SM3  Results that contradict each other settle nothing: no answer is dropped without a word. A field's result beside one of the whole
 *      record says more about that field.
 */
import {
  type Collection,
  checkPatch,
  collectionOf,
  EngineError,
  isObject,
  type Json,
  type JsonObject,
  type OperationId,
  plainFields,
  type RecordId,
  sameJson,
  subjectOf,
  UsageError,
  wholeSide,
} from '@holdfast/core'
import { parseRowText } from './column-values.ts'
import { keepConfirmed, readConfirmed } from './confirmed.ts'
import { type HeldConflict, localSide, openConflictsById, settlementOf } from './conflicts.ts'
import type { StoreContext, Written } from './context.ts'
import { isKnown, operationsOfRecords } from './outbox.ts'
import type { SettleRequest } from './store.ts'
import { appendPlanned, type Planned } from './write.ts'

interface Settled {
  readonly held: HeldConflict
  readonly result: unknown
}

/** Inside a transaction. Answers whether there are operations of it; repeated, it counts once. */
export function settleConflicts(
  context: StoreContext,
  { tx, operationIds, results }: SettleRequest,
  nowMs: number,
  written: Written,
): boolean {
  const ids = Object.keys(results)
  if (isKnown(context.driver, operationIds)) return true
  const open = new Map(openConflictsById(context, ids).map((held) => [held.conflict.id, held]))
  const settled = ids.map((id): Settled => {
    const held = open.get(id)
    if (held === undefined) throw new EngineError('NOT_FOUND', 'the conflict is not open, or was settled meanwhile.')
    return { held, result: results[id] }
  })
  const byRecord = Map.groupBy(settled, ({ held }) => subjectOf(held.collection, held.record))
  const planned = [...byRecord.values()].map((of, index) => settlement(context, of, operationIds[index]))
  appendPlanned(context, tx, planned, nowMs, written)
  if (planned.length > 0) written.add('_conflicts')
  return planned.length > 0
}

function settlement(context: StoreContext, settled: readonly Settled[], id: OperationId | undefined): Planned {
  const [first] = settled
  if (first === undefined || id === undefined) {
    throw new EngineError('MALFORMED', 'a settlement came with too few operation ids.')
  }
  const { collection: name, record, version: seen } = first.held
  const collection = collectionOf(context.schema, name)
  const table = context.tables.get(name)
  if (table === undefined) throw new EngineError('UNKNOWN_COLLECTION', `There is no collection "${name}".`)
  const shown = table.read(record)
  // Of a record that was clean, what is shown is what is confirmed.
  keepConfirmed(context.driver, name, record, { version: shown?.version ?? seen, row: shown?.text ?? null })
  const confirmed = readConfirmed(context.driver, name, record)
  const served = confirmed === null || confirmed.row === null ? null : parseRowText(collection, confirmed.row).fields
  const stands = allStood(context, collection, served, settled)
  const common = { id, collection: name, record, settles: settled.map(({ held }) => settlementOf(held)) }
  const version = Math.max(confirmed?.version ?? 0, served === null ? seen : 0)
  if (stands === null) return { ...common, kind: 'delete', fields: {}, was: served ?? {}, version }
  if (served === null) return { ...common, kind: 'restore', fields: stands, was: {}, version }
  // The server's side may not be what the operation finds, when the person has edited the field and that is not sent yet.
  const edited = editedHere(context, name, record)
  const chosen = new Set(settled.flatMap(({ held, result }) => fieldsOf(held, result)))
  const named = plainFields(collection).filter(
    (field) => chosen.has(field) && (edited.has(field) || !sameJson(stands[field], served[field])),
  )
  const fields = pick(stands, named)
  const isWhole = collection.merge.kind === 'record'
  const was = pick(served, isWhole ? plainFields(collection) : Object.keys(fields))
  return { ...common, kind: 'update', fields, was, version }
}

/** What the record is with all results; null: deleted. */
function allStood(
  context: StoreContext,
  collection: Collection,
  served: JsonObject | null,
  settled: readonly Settled[],
): JsonObject | null {
  const stands = (from: JsonObject | null, results: readonly Settled[]) => {
    const all = results.reduce<JsonObject | null>((values, one) => stood(context, collection, values, one), from)
    // Each says it still when all have spoken [SM3].
    if (results.every((one) => sameJson(stood(context, collection, all, one), all))) return all
    throw new UsageError(
      'Two conflicts about the same thing were given different results. Give both of them the value that shall stand.',
    )
  }
  const isWhole = ({ held }: Settled) => held.conflict.field === ''
  const ofFields = settled.filter((one) => !isWhole(one))
  const whole = stands(served, settled.filter(isWhole))
  if (whole !== null || ofFields.length === 0) return stands(whole, ofFields)
  if (served === null && ofFields.length === settled.length) {
    throw new EngineError('NOT_FOUND', 'the record of the conflict is not on this device.')
  }
  throw new UsageError(
    'One result deletes the record, and another one gives a field of it a value. Leave one of them out.',
  )
}

/** The record's fields with one result; null: deleted. */
function stood(
  context: StoreContext,
  collection: Collection,
  values: JsonObject | null,
  { held, result }: Settled,
): JsonObject | null {
  const { conflict, collection: name } = held
  if (conflict.field !== '') {
    return values && { ...values, ...checkPatch(name, collection, { [conflict.field]: given(result) }) }
  }
  if (result === null) return null
  if (!isObject(result)) {
    throw new EngineError('INVALID_VALUE', 'the result for a whole record is an object of its fields, or null.')
  }
  // Counters, sets and shared texts go on from where they are.
  const plain = plainFields(collection)
  const named = Object.fromEntries(
    Object.entries(result).filter(([field]) => plain.includes(field) || !Object.hasOwn(collection.fields, field)),
  )
  const side = values ?? wholeSide(localSide(context, held)) ?? wholeSide(conflict.local) ?? {}
  return { ...side, ...checkPatch(name, collection, named) }
}

function given(result: unknown): unknown {
  if (result !== undefined) return result
  throw new EngineError('INVALID_VALUE', 'a settlement says what shall stand; null is a value, undefined is none.')
}

/** The fields that a result speaks of. */
function fieldsOf({ conflict }: HeldConflict, result: unknown): readonly string[] {
  if (conflict.field !== '') return [conflict.field]
  return isObject(result) ? Object.keys(result) : []
}

/** The fields that unsettled operations write. */
function editedHere(context: StoreContext, name: string, record: RecordId): ReadonlySet<string> {
  const operations = operationsOfRecords(context, name, JSON.stringify([record]))
  return new Set(operations.flatMap(({ operation }) => Object.keys(operation.fields)))
}

function pick(values: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name): readonly [string, Json] => [name, values[name] ?? null]))
}
