/** What was decided about a record: read as it was recorded, and a side that did not stand written again. */
import {
  type Author,
  checkPatch,
  collectionOf,
  decisionsCollection,
  EngineError,
  type Json,
  type JsonObject,
  type OperationId,
  parseOperationId,
  plainFields,
  type RecordId,
  resultOf,
  subjectOf,
  type TransactionId,
  wholeSide,
} from '@holdfast/core'
import { checkDraft } from './check-draft.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { isKnown } from './outbox.ts'
import { refold } from './refold.ts'
import type { DecisionItem, OperationDraft, RestoreRequest, Side } from './store.ts'
import { readSystemRows, type SystemRow } from './system-rows.ts'
import { appendPlanned, applyDraft, type Planned, writeDrafts } from './write.ts'

/** Newest first. */
export function historyOf(
  { driver }: Pick<StoreContext, 'driver'>,
  collection: string,
  record: RecordId,
): readonly DecisionItem[] {
  return readSystemRows(driver, decisionsCollection, ofSubject, [subjectOf(collection, record)]).map(decisionItem)
}

/** Inside a transaction. Answers whether there are operations of it; repeated, it counts once. */
export function restoreDropped(
  context: StoreContext,
  { decision: id, side, tx, operationIds }: RestoreRequest,
  nowMs: number,
  written: Written,
): boolean {
  const { driver, tables } = context
  if (isKnown(driver, operationIds)) return true
  const [first, second] = operationIds
  if (first === undefined || second === undefined) {
    throw new EngineError('MALFORMED', 'a restore came with too few operation ids.')
  }
  const row = readSystemRows(driver, decisionsCollection, byId, [id])[0]
  if (row === undefined) throw new EngineError('NOT_FOUND', 'the decision is not on this device, or not any more.')
  const decision = decisionItem(row)
  const { collection, record } = decision
  const common = { collection, record }
  const isShown = (tables.get(collection)?.read(record) ?? null) !== null
  const patch = patchOf(context, decision, side)
  if (patch === null) {
    if (!isShown) return false
    const checked = checkDraft(context, { tx, operations: [{ ...common, id: first, kind: 'delete', fields: {} }] })
    return writeDrafts(context, tx, checked, nowMs, written)
  }
  const update: OperationDraft = { ...common, id: first, kind: 'update', fields: patch }
  if (isShown) return writeDrafts(context, tx, checkDraft(context, { tx, operations: [update] }), nowMs, written)
  const planned = comeBack(context, decision, { side, patch, tx, ids: [first, second] }, nowMs)
  appendPlanned(context, tx, planned, nowMs, written)
  // What was planned past the shown row is shown by its operations.
  const touched: Touched = new Map()
  touch(touched, collection, record)
  refold(context, touched, written)
  return planned.length > 0
}

/** What the side writes; null: it deletes. */
function patchOf({ schema }: StoreContext, { collection: name, field, ...sides }: DecisionItem, side: Side) {
  const collection = collectionOf(schema, name)
  if (field !== '') return checkPatch(name, collection, { [field]: sides[side] })
  const whole = wholeSide(sides[side])
  // Of counters, sets and shared texts nothing was dropped: the operations on them all count.
  return whole === null ? null : checkPatch(name, collection, pick(whole, plainFields(collection)))
}

/**
 * A record that is gone comes back, and then gets the value. Where somebody else deleted it, this device does not know its other fields
 * and shows nothing of it until the server answers, unless the side is a whole record.
 */
function comeBack(
  context: StoreContext,
  { collection, record, result, ...sides }: DecisionItem,
  given: {
    readonly side: Side
    readonly patch: JsonObject
    readonly tx: TransactionId
    readonly ids: readonly [restore: OperationId, update: OperationId]
  },
  nowMs: number,
): readonly Planned[] {
  const { side, patch, tx, ids } = given
  const dateMs = context.time.dateOf({ at: nowMs, epoch: context.meta.state.clock.epoch })
  const apply = (draft: OperationDraft): readonly Planned[] =>
    checkDraft(context, { tx, operations: [draft] }).flatMap((checked) => applyDraft(context, checked, dateMs) ?? [])
  const restored = apply({ id: ids[0], collection, record, kind: 'restore', fields: {} })
  if ((context.tables.get(collection)?.read(record) ?? null) !== null) {
    return [...restored, ...apply({ id: ids[1], collection, record, kind: 'update', fields: patch })]
  }
  const was = pick(sides.field === '' ? (wholeSide(result) ?? {}) : { [sides.field]: result }, Object.keys(patch))
  const shown = sides.field === '' ? (wholeSide(sides[side]) ?? {}) : {}
  return restored.flatMap((restore): readonly Planned[] => [
    { ...restore, fields: shown },
    { ...restore, id: ids[1], kind: 'update', fields: patch, was },
  ])
}

function decisionItem({ id, createdAt, fields }: SystemRow): DecisionItem {
  const { collection, record, field, version, operation, strategy, winner } = fields
  return {
    id,
    collection: String(collection),
    record: String(record),
    field: String(field),
    version: Number(version),
    operation: parseOperationId(operation),
    strategy: String(strategy),
    winner: winner === 'local' || winner === 'remote' ? winner : 'merged',
    base: fields.base ?? null,
    local: fields.local ?? null,
    remote: fields.remote ?? null,
    result: resultOf(fields),
    localBy: author(fields, 'local'),
    remoteBy: author(fields, 'remote'),
    settledBy: (fields.settledUser ?? null) === null ? null : author(fields, 'settled'),
    decidedAt: createdAt,
    dropped: droppedBy[winner === 'local' || winner === 'remote' ? winner : 'merged'],
  }
}

const droppedBy: { readonly [winner in DecisionItem['winner']]: readonly Side[] } = {
  local: ['remote'],
  remote: ['local'],
  merged: ['local', 'remote'],
}

function author(fields: JsonObject, side: Side | 'settled'): Author {
  return {
    user: String(fields[`${side}User`]),
    device: String(fields[`${side}Device`]),
    at: Number(fields[`${side}At`]),
    correctedAt: Number(fields[`${side}CorrectedAt`]),
  }
}

function pick(values: JsonObject, names: readonly string[]): JsonObject {
  const known = names.filter((name) => Object.hasOwn(values, name))
  return Object.fromEntries(known.map((name): readonly [string, Json] => [name, values[name] ?? null]))
}

const ofSubject = 'where c.subject = ? order by c."createdAt" desc, c.version desc, c.id desc'
const byId = 'where c.id = ?'
