/**
 * An open conflict of this device that leaves it together with its record, because the record went where this user may not see it. The
 * device's side becomes a refused change in the inbox, as an operation that can be exported and tried again: nobody's work is thrown
 * away [I-4]. Of the other side nothing stays.
 *
 * LC1  What commutes is in the record already, even in a deleted one: it is not kept, or it would count twice.
 * LC2  What this device wrote after that side and the server has not taken is the last word. It lies in the outbox or the inbox itself,
 *      and of the side only that is kept of which it says nothing.
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
  operationText,
  parseOperationId,
  parseTransactionId,
  plainFields,
  sameJson,
  subjectOf,
  wholeSide,
} from '@holdfast/core'
import { type HeldConflict, heldConflict } from './conflicts.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { keepRefused } from './inbox.ts'
import { parseOperationText } from './outbox.ts'
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
  const own = readSystemRows(context.driver, conflictsCollection, byGone, [list])
    .map((row) => heldConflict(context, row))
    .filter(({ isOwn }) => isOwn)
  for (const { collection, record } of own) touch(touched, collection, record)
  const left = own.filter(({ conflict }) => leaving.has(conflict.id))
  const open = openOperations(context, left)
  for (const held of left)
    keepSide(context, held, open.get(subjectOf(held.collection, held.record)) ?? [], nowMs, written)
}

/** What the server has not taken of what this device wrote about their records, by `subjectOf`. */
function openOperations(
  { driver, schema }: StoreContext,
  left: readonly HeldConflict[],
): ReadonlyMap<string, readonly Operation[]> {
  if (left.length === 0) return new Map()
  const list = JSON.stringify(left.map(({ collection, record }) => [collection, record]))
  const operations = driver.all(selectOpen, [list]).map(([text]) => parseOperationText(schema, String(text)))
  return Map.groupBy(operations, ({ collection, record }) => subjectOf(collection, record))
}

function keepSide(
  context: StoreContext,
  held: HeldConflict,
  open: readonly Operation[],
  nowMs: number,
  written: Written,
): void {
  const { driver, schema, meta, time, user, device, ambient } = context
  const { conflict, collection, record, version } = held
  if (!Object.hasOwn(schema.collections, collection)) return
  const newId = () => parseOperationId(ambient.random.uuid())
  // Both by the device's own clock. Where that was set back in between, an older word is kept beside the newer one.
  const later = open.filter((operation) => operation.time.at >= conflict.localBy.at)
  const intents = intentsOf(collectionOf(schema, collection), conflict, later).map((intent) => ({
    ...intent,
    id: newId(),
  }))
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
      replaces: [],
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

type Intent = Pick<Operation, 'kind' | 'fields' | 'was'>

/** The operation that makes the device's side of what its writer had seen, without what was said later; none: nothing is left of it. */
function intentsOf(
  collection: Collection,
  { id, field, base, local }: Conflict,
  later: readonly Operation[],
): readonly Intent[] {
  const isOver = later.some(
    ({ kind, settles }) => kind === 'delete' || kind === 'restore' || settles.some(({ conflict }) => conflict === id),
  )
  if (isOver) return []
  const after = field === '' ? wholeSide(local) : { [field]: local }
  const before = field === '' ? (wholeSide(base) ?? {}) : { [field]: base }
  if (after === null) return [{ kind: 'delete', fields: {}, was: before }]
  const names = field === '' ? plainFields(collection).filter((name) => Object.hasOwn(after, name)) : [field]
  const written = new Set(later.flatMap(({ fields }) => Object.keys(fields)))
  const changed = names.filter((name) => !written.has(name) && !sameJson(after[name], before[name]))
  return changed.length === 0 ? [] : [{ kind: 'update', fields: pick(after, changed), was: pick(before, changed) }]
}

function pick(side: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name): readonly [string, Json] => [name, side[name] ?? null]))
}

const selectOpen = `with subject as (select value ->> 0 as collection, value ->> 1 as record from json_each(?))
select operation from (
  select o.seq, o.operation from subject as s cross join _outbox as o on o.collection = s.collection and o.record = s.record
  where o.state <> 'acknowledged'
  union select i.seq, i.operation from subject as s cross join _inbox as i on i.collection = s.collection and i.record = s.record
  where i."discardedAt" is null
) order by seq`
const byGone = `join json_each(?) as gone on c.id = gone.value ->> 0 and c."$version" <= gone.value ->> 1`
