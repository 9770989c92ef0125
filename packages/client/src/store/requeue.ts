/**
 * Retry and Fix: what was refused goes back into the outbox as new operations that name the ones they replace. The refused ones
 * settle as what they are.
 *
 * RQ1  A group goes as a whole, in local order, each app transaction of it as an app transaction.
 * RQ2  A retry is the same intent: the same fields, `was`, base and time. In a fix the mended fields are a new decision, judged by what is
 *      shown now and dated now; the others stay what they were, in an operation of their own beside it.
 * RQ3  [I-5] The server refuses a replacement when what it replaces has taken effect. It names every operation of its chain that may
 *      have done so, or still may.
 * RQ4  [I-4] All of it happens in one transaction: nothing is in two places, or in none.
 * RQ5  [I-4] What the schema does not have any more is left out only where that is asked for, and then stays in the inbox.
 */
import {
  collectionOf,
  EngineError,
  fold,
  type JsonObject,
  type Operation,
  type OperationId,
  operationBytesMax,
  operationText,
  parseOperationId,
  parseTransactionId,
  plainFields,
  replacedMax,
  type Schema,
  transactionBytesMax,
  transactionOperationsMax,
} from '@holdfast/core'
import { type CheckedDraft, checkDraft } from './check-draft.ts'
import { keepConfirmed } from './confirmed.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { deletedVersion } from './deletions.ts'
import { groupWith, isRefusedForGood, keepRefused, type RefusedOperation } from './inbox.ts'
import { editedTexts, textChanges } from './intent.ts'
import { appendOperation, isKnown } from './outbox.ts'
import type { RecordTable } from './record-table.ts'
import { markRefusedRows, refold, unmarkRefusedRows } from './refold.ts'
import { settleReplaced, settleUnsent } from './settled.ts'
import type { LeftOut, OperationDraft, RequeueRequest } from './store.ts'
import { applyDraft, checkBytes, type Planned, tooLarge } from './write.ts'

/** What a new operation takes from a refused one, or from the decision that mends it. */
interface Replacement {
  readonly refused: RefusedOperation
  readonly id: OperationId
  readonly content: Pick<
    Operation,
    'collection' | 'record' | 'kind' | 'fields' | 'was' | 'base' | 'schemaVersion' | 'settles'
  >
  /** Null: now. */
  readonly time: Operation['time'] | null
  readonly isMended: boolean
}

/** Inside a transaction. Repeated with the same `by`, it counts once. */
export function requeue(
  context: StoreContext,
  request: RequeueRequest,
  nowMs: number,
  written: Written,
): readonly LeftOut[] {
  const { driver, schema, meta, time } = context
  if (isKnown(driver, [request.by])) return []
  const parts = groupWith(context, request.id).members.map((refused) => partsOf(schema, refused))
  const lacking = parts.find(({ lost }) => lost !== null)
  if (lacking !== undefined && request.leaveOut !== true) throw unknownPart(lacking)
  const members = parts.flatMap(({ known }) => known ?? [])
  const unsent = parts.find(({ refused, known }) => known === null && refused.operation.id === request.id)
  const [head] = members
  if (unsent !== undefined && (head === undefined || request.patch !== null)) throw unknownPart(unsent)
  // Where the one that was meant does not go, the first that goes keeps the id by which the call is known again.
  const meantId = unsent === undefined || head === undefined ? request.id : head.operation.id
  const replacements = members.flatMap((refused) => replace(context, refused, { ...request, id: meantId }, nowMs))
  append(context, replacements, nowMs)
  keepRefused(
    driver,
    parts.flatMap((part) => remainder(context, part, nowMs) ?? []),
  )
  const serverMs = time.dateOf({ at: nowMs, epoch: meta.state.clock.epoch })
  settleReplaced(driver, members, serverMs)
  const meant = members.find(({ operation }) => operation.id === meantId)
  if (meant !== undefined && !replacements.some(({ id }) => id === request.by)) {
    settleUnsent(driver, nothing(context, meant, request.by, nowMs), serverMs)
  }
  const touched: Touched = new Map()
  for (const { operation } of members) touch(touched, operation.collection, operation.record)
  unmarkRefusedRows(context, touched)
  refold(context, touched, written)
  markRefusedRows(context, touched.keys())
  meta.save()
  written.add('_inbox').add('_outbox')
  return parts.flatMap(leftOutOf)
}

/** A refused operation as far as the schema still has what it writes. */
interface Parts {
  readonly refused: RefusedOperation
  /** Null: nothing that could be sent. */
  readonly known: RefusedOperation | null
  /** Fields that are gone; null: none. */
  readonly lost: readonly string[] | 'collection' | null
}

function partsOf(schema: Schema, refused: RefusedOperation): Parts {
  const { operation } = refused
  const { collection: name, kind, fields } = operation
  const names = Object.keys(fields)
  const collection = Object.hasOwn(schema.collections, name) ? schema.collections[name] : undefined
  if (collection === undefined) return { refused, known: null, lost: 'collection' }
  const lost = names.filter((field) => !Object.hasOwn(collection.fields, field))
  if (lost.length === 0) return { refused, known: refused, lost: null }
  const kept = names.filter((field) => !lost.includes(field))
  const isWithout = kind === 'create' || kind === 'restore'
  if (kept.length === 0 && !isWithout) return { refused, known: null, lost }
  return { refused, known: { ...refused, operation: { ...operation, fields: pickFields(fields, kept) } }, lost }
}

function leftOutOf({ refused: { operation }, known, lost }: Parts): readonly LeftOut[] {
  const { collection, record } = operation
  if (known === null || lost === 'collection') return [{ collection, record, field: null }]
  return (lost ?? []).map((field) => ({ collection, record, field }))
}

function unknownPart({ refused, lost }: Parts): EngineError {
  const { collection } = refused.operation
  const hint = 'Call with { leaveOut: true } to send what is left without it, if there is any.'
  if (lost === null || lost === 'collection')
    return new EngineError('UNKNOWN_COLLECTION', `There is no collection "${collection}" any more. ${hint}`)
  const [field = ''] = lost
  return new EngineError('UNKNOWN_FIELD', `${collection} has no field "${field}" any more. ${hint}`, { field })
}

/** What stays behind of an operation of which the rest is sent: a refused one of its own. */
function remainder(
  { time, ambient }: StoreContext,
  { refused, known, lost }: Parts,
  nowMs: number,
): Parameters<typeof keepRefused>[1][number] | null {
  const { operation } = refused
  // A restore carries what is shown, and writes none of it.
  if (known === null || lost === null || lost === 'collection' || operation.kind === 'restore') return null
  const id = parseOperationId(ambient.random.uuid())
  const left: Operation = {
    ...operation,
    id,
    seq: time.next(nowMs).seq,
    tx: { id: parseTransactionId(ambient.random.uuid()), index: 0, count: 1 },
    kind: operation.kind === 'create' ? 'update' : operation.kind,
    fields: pickFields(operation.fields, lost),
    was: pickFields(operation.was, lost),
    replaces: isRefusedForGood(refused.code) ? [] : standsFor(refused),
    settles: [],
  }
  const [field = null] = lost
  const problem = 'The app does not have this field any more. The rest of the change was sent.'
  return { code: 'UNKNOWN_FIELD', field, problem, operation: left, text: operationText(left), refusedAt: nowMs }
}

function replace(
  context: StoreContext,
  refused: RefusedOperation,
  { id, by, patch, seen = {} }: RequeueRequest,
  nowMs: number,
): readonly Replacement[] {
  if (refused.operation.id !== id) return [again(context, refused, newId(context), patch !== null)]
  return patch === null ? [again(context, refused, by, false)] : mended(context, refused, { by, patch, seen, nowMs })
}

/** In place of an operation that was mended so that it changes nothing. */
function nothing(context: StoreContext, refused: RefusedOperation, id: OperationId, nowMs: number): Operation {
  const { seq, hlc, epoch } = context.time.next(nowMs)
  return {
    ...refused.operation,
    id,
    seq,
    tx: { id: parseTransactionId(context.ambient.random.uuid()), index: 0, count: 1 },
    kind: 'update',
    fields: {},
    was: {},
    time: { at: nowMs, epoch, hlc },
    replaces: standsFor(refused),
    settles: [],
  }
}

/** The same intent; `isShown`: a mended operation of the group that comes after it is judged by what it shows. */
function again(context: StoreContext, refused: RefusedOperation, id: OperationId, isShown: boolean): Replacement {
  const { operation } = refused
  const table = knownTable(context, operation)
  keepShown(context, table, operation.record)
  if (isShown) foldOnto(context, table, operation)
  const { collection, record, kind, fields, was, base, time, schemaVersion, settles } = operation
  const content = { collection, record, kind, fields, was, base, schemaVersion, settles }
  return { refused, id, content, time, isMended: false }
}

interface Mending {
  readonly by: OperationId
  readonly patch: NonNullable<RequeueRequest['patch']>
  readonly seen: NonNullable<RequeueRequest['seen']>
  readonly nowMs: number
}

/** Empty: mended so that it changes nothing any more. */
function mended(context: StoreContext, refused: RefusedOperation, mending: Mending): readonly Replacement[] {
  const { operation } = refused
  const { by, patch, seen } = mending
  const { kind, collection: name, settles } = operation
  const isFieldless = kind === 'delete' || kind === 'restore'
  if (isFieldless && Object.keys(patch).length > 0) {
    throw new EngineError('INVALID_VALUE', `A ${kind} has no fields to mend.`)
  }
  const whole = { ...givenAgain(context, refused.operation), ...patch }
  // All of it, though a part is sent as it was: what is wrong with it is said here, and not by the server once more.
  const [checked] = checkDraft(context, { tx: operation.tx.id, operations: [draftOf(operation, by, whole, seen)] })
  const left = Object.keys(operation.fields).filter((field) => !Object.hasOwn(patch, field))
  // A settlement is one decision.
  if (isFieldless || settles.length > 0 || left.length === 0) return decidedNow(context, refused, mending, whole)
  const isOne = kind === 'create' || collectionOf(context.schema, name).merge.kind === 'record'
  if (isOne && checked !== undefined) return [asOld(context, refused, by, { ...operation.fields, ...checked.fields })]
  const fields = pickFields(operation.fields, left)
  const rest = { ...operation, fields, was: pickFields(operation.was, left) }
  const old = again(context, { ...refused, operation: rest }, newId(context), true)
  const fresh = Object.keys(patch).length === 0 ? [] : decidedNow(context, refused, mending, patch, 'partly')
  return fresh.length === 0 ? [{ ...old, id: by }] : [old, ...fresh]
}

/**
 * A creation keeps its time, so that what was written later on its record stays later. A record that is merged as a whole is as old as
 * the oldest part of what is sent: it clashes, as a whole, with what others have made of it since.
 */
function asOld(context: StoreContext, refused: RefusedOperation, id: OperationId, fields: JsonObject): Replacement {
  const operation = { ...refused.operation, fields, schemaVersion: context.schema.version }
  return { ...again(context, { ...refused, operation }, id, true), isMended: true }
}

/** Judged by what is shown now and dated now; empty where that changes nothing and the refused one cannot have done so either. */
function decidedNow(
  context: StoreContext,
  refused: RefusedOperation,
  { by, seen, nowMs }: Mending,
  given: JsonObject | Mending['patch'],
  part: 'wholly' | 'partly' = 'wholly',
): readonly Replacement[] {
  const { schema, meta, time } = context
  const { operation, code } = refused
  const [checked] = checkDraft(context, { tx: operation.tx.id, operations: [draftOf(operation, by, given, seen)] })
  if (checked === undefined) return []
  const plan = applyDraft(context, checked, time.dateOf({ at: nowMs, epoch: meta.state.clock.epoch }))
  const sent = plan ?? (part === 'partly' || isRefusedForGood(code) ? null : asShown(context, checked))
  if (sent === null) return []
  const { version, id, before: _, ...content } = sent
  const base = { generation: meta.state.generation, version }
  const settles = [...operation.settles, ...content.settles]
  return [
    { refused, id, content: { ...content, base, schemaVersion: schema.version, settles }, time: null, isMended: true },
  ]
}

function draftOf(
  { collection, record, kind }: Operation,
  id: OperationId,
  fields: OperationDraft['fields'],
  seen: NonNullable<OperationDraft['seen']>,
): OperationDraft {
  return { id, collection, record, kind, fields, seen }
}

/** An operation that says what is shown already: the refused one may have arrived, and be about to be shown. */
function asShown(context: StoreContext, { draft, table, fields }: CheckedDraft): Planned | null {
  const { id, collection, record, kind } = draft
  const row = table.read(record)
  if (row === null) return null
  keepShown(context, table, record)
  const isWhole = kind === 'update' && table.collection.merge.kind === 'record'
  const was = pickFields(row.values.fields, isWhole ? plainFields(table.collection) : Object.keys(fields))
  const written = kind === 'edit' ? textChanges(table.collection, row.values, fields, id) : fields
  return { id, collection, record, kind, fields: written, was, settles: [], version: row.version }
}

function pickFields(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, fields[name] ?? null]))
}

function newId({ ambient }: StoreContext): OperationId {
  return parseOperationId(ambient.random.uuid())
}

function append(context: StoreContext, replacements: readonly Replacement[], nowMs: number): void {
  const { driver, time, user, device, ambient } = context
  const units = Map.groupBy(replacements, ({ refused }) => refused.operation.tx.id)
  for (const unit of units.values()) {
    const tx = parseTransactionId(ambient.random.uuid())
    // What was small enough once is sent again, though the id that it replaces makes it a little larger.
    const isMended = unit.some((replacement) => replacement.isMended)
    if (unit.length > transactionOperationsMax) {
      throw new EngineError('TRANSACTION_TOO_LARGE', 'Mended, the write has one operation more than it may have.')
    }
    let bytes = 0
    unit.forEach(({ refused, id, content, time: written }, index) => {
      const { seq, hlc, epoch } = time.next(nowMs)
      const operation: Operation = {
        ...content,
        id,
        user,
        device,
        seq,
        tx: { id: tx, index, count: unit.length },
        time: written ?? { at: nowMs, epoch, hlc },
        replaces: standsFor(refused),
      }
      const text = operationText(operation)
      if (isMended) bytes += checkBytes(text, 'operation', operationBytesMax)
      appendOperation(driver, operation, text)
    })
    if (bytes > transactionBytesMax) throw tooLarge('write', bytes, transactionBytesMax)
  }
}

/**
 * What must not take effect beside the replacement. An operation that the server has refused for good was judged against what it
 * replaced, and closed that; one that it may not have looked at leaves open whether any of them took effect, or will.
 */
function standsFor({ operation, code, attempts }: RefusedOperation): readonly OperationId[] {
  // What never was sent was not refused by the server either.
  if (isRefusedForGood(code) && attempts > 0) return [operation.id]
  const chain = [operation.id, ...operation.replaces]
  return chain.length <= replacedMax ? chain : [...chain.slice(0, replacedMax - 1), ...chain.slice(-1)]
}

function knownTable({ tables }: StoreContext, { collection: name }: Operation): RecordTable {
  const table = tables.get(name)
  if (table === undefined) throw new EngineError('UNKNOWN_COLLECTION', `There is no collection "${name}".`)
  return table
}

/** Keeps the confirmed row of a record that was clean. */
function keepShown({ driver }: StoreContext, table: RecordTable, record: string): void {
  const row = table.read(record)
  if (row?.sync === 'pending') return
  const version = row?.version ?? deletedVersion(driver, table.name, record)
  keepConfirmed(driver, table.name, record, { version, row: row?.text ?? null })
}

function foldOnto({ time }: StoreContext, table: RecordTable, operation: Operation): void {
  const row = table.read(operation.record)
  const values = fold(table.collection, row?.values ?? null, operation, time.dateOf(operation.time))
  if (values === null) table.remove(operation.record)
  else table.put(operation.record, row?.version ?? 0, values, row?.pending ?? [])
}

/** What an app would give to write the operation again. */
function givenAgain(context: StoreContext, operation: Operation): JsonObject {
  const { collection: name, record, kind, fields } = operation
  switch (kind) {
    case 'create':
      return withoutCounters(context, name, fields)
    case 'edit': {
      const table = knownTable(context, operation)
      return editedTexts(table.collection, table.read(record)?.values ?? null, operation)
    }
    default:
      return fields
  }
}

/** A create carries its counters as 0, and is not given them. */
function withoutCounters({ schema }: StoreContext, name: string, fields: JsonObject): JsonObject {
  const collection = collectionOf(schema, name)
  return Object.fromEntries(
    Object.entries(fields).filter(([field]) => collection.fields[field]?.rule.kind !== 'counter'),
  )
}
