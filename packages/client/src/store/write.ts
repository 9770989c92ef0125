/**
 * One app transaction into the store: the rows as they will be shown, and its operations, in one SQLite transaction.
 *
 * A new operation only ever comes last, so that it is applied to the shown row as it is; nothing is folded again. What an
 * operation does not change is left out of it, and an operation that changes nothing is not written.
 */
import {
  EngineError,
  fold,
  type Json,
  type JsonObject,
  type Operation,
  operationBytesMax,
  operationText,
  transactionBytesMax,
} from '@holdfast/core'
import type { CheckedDraft } from './check-draft.ts'
import { parseRowText } from './column-values.ts'
import { keepConfirmed, readConfirmed } from './confirmed.ts'
import { ownDeletion, settlementOf } from './conflicts.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { deletedVersion } from './deletions.ts'
import { appendOperation, isKnown, operationsOfRecords } from './outbox.ts'
import type { RecordTable, ShownRow } from './record-table.ts'
import { pendingFields, refold } from './refold.ts'
import { keepBefore, sightOf, withoutLeft } from './seen.ts'
import { lastDeletion } from './settled.ts'
import type { WriteDraft } from './store.ts'

/** An operation to be, with the version of the confirmed row that its writer had seen. */
export type Planned = Pick<Operation, 'id' | 'collection' | 'record' | 'kind' | 'fields' | 'was' | 'settles'> & {
  readonly version: number
  /** What was shown of the fields of which its writer had seen something older; left out: nothing. */
  readonly before?: JsonObject
}

/** Inside a transaction. Answers whether there are operations of it. */
export function writeDrafts(
  context: StoreContext,
  tx: WriteDraft['tx'],
  checked: readonly CheckedDraft[],
  nowMs: number,
  written: Written,
): boolean {
  const { driver, meta, time } = context
  const ids = checked.map(({ draft }) => draft.id)
  if (isKnown(driver, ids)) return true
  const at = { at: nowMs, epoch: meta.state.clock.epoch }
  const dateMs = time.dateOf(at)
  const planned = checked.flatMap((draft) => applyDraft(context, withoutLeft(draft), dateMs) ?? [])
  appendPlanned(context, tx, planned, nowMs, written)
  return planned.length > 0
}

/** The operations of one app transaction into the outbox; inside a transaction. */
export function appendPlanned(
  context: StoreContext,
  tx: WriteDraft['tx'],
  planned: readonly Planned[],
  nowMs: number,
  written: Written,
): void {
  const { driver, meta, time } = context
  const settled: Touched = new Map()
  let bytes = 0
  planned.forEach(({ version, before = {}, ...plan }, index) => {
    const { seq, hlc, epoch } = time.next(nowMs)
    const operation: Operation = {
      ...plan,
      user: context.user,
      device: context.device,
      seq,
      tx: { id: tx, index, count: planned.length },
      base: { generation: meta.state.generation, version },
      time: { at: nowMs, epoch, hlc },
      schemaVersion: context.schema.version,
      replaces: [],
    }
    const text = operationText(operation)
    const length = checkBytes(text, 'operation', operationBytesMax)
    bytes += length
    context.room.take(length)
    appendOperation(driver, operation, text)
    keepBefore(driver, operation.id, before)
    written.add(operation.collection)
    written.add('_outbox')
    if (plan.settles.length > 0) touch(settled, plan.collection, plan.record)
  })
  if (bytes > transactionBytesMax) throw tooLarge('write', bytes, transactionBytesMax)
  // What is settled is not laid over the record any more.
  if (settled.size > 0) refold(context, settled, written)
}

/** Changes the shown row; answers the operation to be, or null when it changes nothing. */
export function applyDraft(context: StoreContext, checked: CheckedDraft, dateMs: number): Planned | null {
  const { draft, table } = checked
  const row = table.read(draft.record)
  switch (draft.kind) {
    case 'create':
      return applyCreate(context, checked, row, dateMs)
    case 'restore':
      return row === null ? (takeBackDeletion(context, checked) ?? applyRestore(context, checked, dateMs)) : null
    case 'update':
    case 'increment':
    case 'add':
    case 'remove':
    case 'edit':
      return applyChange(context, checked, present(checked, row), dateMs)
    case 'delete': {
      const shown = present(checked, row)
      becomeDirty(context, table, draft.record, shown)
      table.remove(draft.record)
      return { ...identity(checked), fields: {}, was: shown.values.fields, version: shown.version }
    }
  }
}

function applyCreate(context: StoreContext, checked: CheckedDraft, row: ShownRow | null, dateMs: number): Planned {
  const { draft, table, fields } = checked
  const { record } = draft
  if (row !== null) throw new EngineError('ALREADY_EXISTS', `${table.name} has a record "${record}" already.`)
  if (!becomeDirty(context, table, record, null)) {
    throw new EngineError('RECORD_DELETED', `${table.name} "${record}" was deleted, and an id is used only once.`)
  }
  table.put(record, 0, { createdAt: dateMs, updatedAt: dateMs, fields }, Object.keys(fields))
  return { ...identity(checked), fields, was: {}, version: 0 }
}

function applyChange(context: StoreContext, checked: CheckedDraft, row: ShownRow, dateMs: number): Planned | null {
  const { draft, table } = checked
  const sight = sightOf(context, checked, row)
  if (sight === null) return null
  const changed = Object.keys(sight.fields)
  const plan: Planned = { ...identity(checked), ...sight, version: draft.seenVersion ?? row.version }
  const values = fold(table.collection, row.values, plan, dateMs)
  if (values === null) return null
  if (draft.kind === 'increment') checkSums(table.name, changed, values.fields)
  becomeDirty(context, table, draft.record, row)
  table.change(draft.record, row, values, changed)
  return plan
}

/**
 * A deletion that became a conflict has hidden the record on this device only: to restore it means that what the others have shall
 * stand. Null: there is none.
 */
function takeBackDeletion(context: StoreContext, checked: CheckedDraft): Planned | null {
  const { draft, table } = checked
  const deletion = ownDeletion(context, table.name, draft.record)
  const confirmed = readConfirmed(context.driver, table.name, draft.record)
  if (deletion === null || confirmed === null || confirmed.row === null) return null
  table.put(draft.record, confirmed.version, parseRowText(table.collection, confirmed.row), [])
  const settles = [settlementOf(deletion)]
  return { ...identity(checked), kind: 'update', fields: {}, was: {}, version: confirmed.version, settles }
}

/**
 * A deleted record comes back as this device deleted it. Where somebody else deleted it, only the deletion's version is known: nothing
 * is shown until the server answers.
 */
function applyRestore(context: StoreContext, checked: CheckedDraft, dateMs: number): Planned {
  const { draft, table } = checked
  const { driver } = context
  const deletion = lastDeletion(context, table.name, draft.record)
  const ownVersion = deletion?.version ?? 0
  const pulledVersion = deletedVersion(driver, table.name, draft.record)
  const isOfAnother = ownVersion > 0 && pulledVersion > ownVersion
  const fields = isOfAnother ? {} : (deletion?.operation.was ?? {})
  keepConfirmed(driver, table.name, draft.record, { version: Math.max(ownVersion, pulledVersion), row: null })
  const confirmed = readConfirmed(driver, table.name, draft.record)
  const version = confirmed?.version ?? 0
  const row = confirmed?.row ?? null
  const createdAt = row === null ? dateMs : parseRowText(table.collection, row).createdAt
  // Without any field there is nothing to show, as in `fold`.
  if (Object.keys(fields).length > 0) {
    const earlier = operationsOfRecords(context, table.name, JSON.stringify([draft.record]))
    const pending = pendingFields(earlier.map(({ operation }) => operation))
    table.put(draft.record, version, { createdAt, updatedAt: dateMs, fields }, pending)
  }
  return { ...identity(checked), fields, was: {}, version }
}

/** Keeps the confirmed row of a record that was clean; answers whether it was. */
function becomeDirty({ driver }: StoreContext, table: RecordTable, record: string, row: ShownRow | null): boolean {
  if (row?.sync === 'pending') return false
  return keepConfirmed(driver, table.name, record, { version: row?.version ?? 0, row: row?.text ?? null })
}

function present({ draft }: CheckedDraft, row: ShownRow | null): ShownRow {
  if (row !== null) return row
  throw new EngineError('NOT_FOUND', `${draft.collection} has no record "${draft.record}" on this device.`)
}

function checkSums(name: string, changed: readonly string[], sums: { readonly [field: string]: Json }): void {
  const tooLargeSum = changed.find((field) => !Number.isSafeInteger(sums[field]))
  if (tooLargeSum === undefined) return
  throw new EngineError('INVALID_VALUE', `${name}.${tooLargeSum} would pass 2^53 − 1.`, { field: tooLargeSum })
}

function identity({ draft }: CheckedDraft): Pick<Planned, 'id' | 'collection' | 'record' | 'kind' | 'settles'> {
  return {
    id: draft.id,
    collection: draft.collection,
    record: draft.record,
    kind: draft.kind,
    settles: draft.settles ?? [],
  }
}

const encoder = new TextEncoder()

/** The size of what was written; TRANSACTION_TOO_LARGE when that is too much to be sent. */
export function checkBytes(text: string, what: string, bytesMax: number): number {
  const bytes = encoder.encode(text).length
  if (bytes > bytesMax) throw tooLarge(what, bytes, bytesMax)
  return bytes
}

export function tooLarge(what: string, bytes: number, bytesMax: number): EngineError {
  return new EngineError('TRANSACTION_TOO_LARGE', `The ${what} has ${bytes} bytes; it may have at most ${bytesMax}.`)
}
