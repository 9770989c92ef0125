/**
 * An open conflict of this device that leaves it together with its record, because the record went where this user may not see it. The
 * device's side becomes a refused change in the inbox, as an operation that can be exported and tried again: nobody's work is thrown
 * away [I-4]. Of the other side nothing stays.
 */
import {
  type Collection,
  type Conflict,
  collectionOf,
  conflictsCollection,
  type GoneRecord,
  type Json,
  type JsonObject,
  type Operation,
  type OperationId,
  operationText,
  parseOperationId,
  parseTransactionId,
  plainFields,
  sameJson,
  textsOf,
  wholeSide,
} from '@holdfast/core'
import { type HeldConflict, heldConflict } from './conflicts.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { keepRefused } from './inbox.ts'
import { textChanges } from './intent.ts'
import { readSystemRows } from './system-rows.ts'

/** Before the rows are removed, inside a transaction: their records are shown anew, and the sides of this device are kept. */
export function conflictsGone(
  context: StoreContext,
  gone: readonly GoneRecord[],
  nowMs: number,
  touched: Touched,
  written: Written,
): void {
  if (gone.length === 0) return
  const list = JSON.stringify(gone.map(({ record, version }) => [record, version]))
  const leaving = new Set(gone.filter(({ why }) => why === 'left').map(({ record }) => record))
  for (const row of readSystemRows(context.driver, conflictsCollection, byGone, [list])) {
    const held = heldConflict(context, row)
    if (!held.isOwn) continue
    touch(touched, held.collection, held.record)
    if (leaving.has(held.conflict.id)) keepSide(context, held, nowMs, written)
  }
}

function keepSide(context: StoreContext, held: HeldConflict, nowMs: number, written: Written): void {
  const { driver, schema, meta, time, user, device, ambient } = context
  const { conflict, collection, record, version } = held
  if (!Object.hasOwn(schema.collections, collection)) return
  const newId = () => parseOperationId(ambient.random.uuid())
  const intents = intentsOf(collectionOf(schema, collection), conflict, newId)
  const tx = parseTransactionId(ambient.random.uuid())
  const refused = intents.map((intent, index) => {
    const { seq, hlc, epoch, offsetMs } = time.next(nowMs)
    const operation: Operation = {
      ...intent,
      user,
      device,
      seq,
      tx: { id: tx, index, count: intents.length },
      collection,
      record,
      base: { generation: meta.state.generation, version },
      // When it was written, by the clock as it is now.
      time: { at: Math.round(conflict.localBy.correctedAt - offsetMs), epoch, hlc },
      schemaVersion: schema.version,
      replaces: null,
      settles: [],
    }
    return { ...refusal, operation, text: operationText(operation), refusedAt: nowMs }
  })
  if (refused.length === 0) return
  keepRefused(driver, refused)
  written.add('_inbox')
}

const refusal = {
  code: 'NOT_FOUND',
  field: null,
  problem: 'The record left this device before anybody had settled this change and another one.',
} as const

type Intent = Pick<Operation, 'id' | 'kind' | 'fields' | 'was'>

/** The operations that make the device's side of what its writer had seen. */
function intentsOf(
  collection: Collection,
  { field, base, local }: Conflict,
  newId: () => OperationId,
): readonly Intent[] {
  if (field !== '') return [{ id: newId(), kind: 'update', fields: { [field]: local }, was: { [field]: base } }]
  const before = wholeSide(base) ?? {}
  const after = wholeSide(local)
  if (after === null) return [{ id: newId(), kind: 'delete', fields: {}, was: before }]
  const changed = Object.keys(after).filter((name) => !sameJson(after[name], before[name]))
  const plain = plainFields(collection).filter((name) => changed.includes(name))
  const counters = ofKind(collection, changed, 'counter')
  const sets = ofKind(collection, changed, 'set')
  const texts = pickAll(after, ofKind(collection, changed, 'shared'))
  const intent = (kind: Intent['kind'], fields: JsonObject, id = newId()): readonly Intent[] => {
    const names = Object.keys(fields)
    return names.length === 0 ? [] : [{ id, kind, fields, was: pickAll(before, names) }]
  }
  const editId = newId()
  return [
    ...intent('update', pickAll(after, plain)),
    ...intent('increment', Object.fromEntries(counters.map((name) => [name, added(after[name], before[name])]))),
    ...intent('add', textsBeyond(sets, after, before)),
    ...intent('remove', textsBeyond(sets, before, after)),
    // Of the text alone, as its author saw it: the document has gone with the record.
    ...intent('edit', textChanges(collection, { createdAt: 0, updatedAt: 0, fields: before }, texts, editId), editId),
  ]
}

function added(after: Json | undefined, before: Json | undefined): number {
  return Number(after ?? 0) - Number(before ?? 0)
}

function ofKind(
  collection: Collection,
  names: readonly string[],
  kind: 'counter' | 'set' | 'shared',
): readonly string[] {
  return names.filter((name) => collection.fields[name]?.rule.kind === kind)
}

/** The texts of each set that `side` has and `other` has not; no entry where there is none. */
function textsBeyond(names: readonly string[], side: JsonObject, other: JsonObject): JsonObject {
  const entries = names.map((name): readonly [string, readonly string[]] => {
    const known = textsOf(other[name])
    return [name, textsOf(side[name]).filter((text) => !known.includes(text))]
  })
  return Object.fromEntries(entries.filter(([, texts]) => texts.length > 0))
}

function pickAll(side: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name): readonly [string, Json] => [name, side[name] ?? null]))
}

const byGone = `join json_each(?) as gone on c.id = gone.value ->> 0 and c."$version" <= gone.value ->> 1`
