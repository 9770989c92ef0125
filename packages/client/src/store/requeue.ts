/**
 * Retry and Fix: what was refused goes back into the outbox as new operations that name the ones they replace. The refused ones
 * settle as what they are.
 *
 * RQ1  A group goes as a whole, in local order, each app transaction of it as an app transaction.
 * RQ2  A retry is the same intent: the same fields, `was`, base and time. A fix is a new decision: it is judged by what is shown
 *      now and dated now.
 * RQ3  [I-5] The server refuses a replacement when what it replaces has taken effect. It names every operation of its chain that may
 *      have done so, or still may.
 * RQ4  [I-4] All of it happens in one transaction: nothing is in two places, or in none.
 */
import {
  collectionOf,
  EngineError,
  fieldOf,
  fold,
  type JsonObject,
  type Operation,
  type OperationId,
  operationBytesMax,
  operationText,
  parseOperationId,
  parseTransactionId,
  replacedMax,
  transactionBytesMax,
} from '@holdfast/core'
import { checkDraft } from './check-draft.ts'
import { keepConfirmed } from './confirmed.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { deletedVersion } from './deletions.ts'
import { groupWith, isRefusedForGood, type RefusedOperation } from './inbox.ts'
import { editedTexts } from './intent.ts'
import { appendOperation, isKnown } from './outbox.ts'
import type { RecordTable } from './record-table.ts'
import { markRefusedRows, refold, unmarkRefusedRows } from './refold.ts'
import { settleReplaced } from './settled.ts'
import type { RequeueRequest } from './store.ts'
import { applyDraft, checkBytes, tooLarge } from './write.ts'

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
}

/** Inside a transaction. Repeated with the same `by`, it counts once. */
export function requeue(context: StoreContext, request: RequeueRequest, nowMs: number, written: Written): void {
  const { driver, schema, meta, time } = context
  if (isKnown(driver, [request.by])) return
  const { members } = groupWith(driver, schema, request.id)
  const replacements = members.flatMap((refused) => replace(context, refused, request, nowMs) ?? [])
  append(context, replacements, nowMs)
  settleReplaced(driver, members, time.dateOf({ at: nowMs, epoch: meta.state.clock.epoch }))
  const touched: Touched = new Map()
  for (const { operation } of members) touch(touched, operation.collection, operation.record)
  unmarkRefusedRows(context, touched)
  refold(context, touched, written)
  markRefusedRows(context, touched.keys())
  meta.save()
  written.add('_inbox').add('_outbox')
}

/** Null: mended so that it changes nothing any more. */
function replace(
  context: StoreContext,
  refused: RefusedOperation,
  { id, by, patch }: RequeueRequest,
  nowMs: number,
): Replacement | null {
  const { operation } = refused
  const isMeant = operation.id === id
  const replacing = isMeant ? by : parseOperationId(context.ambient.random.uuid())
  if (isMeant && patch !== null) return mended(context, refused, { by, patch, nowMs })
  const table = knownTable(context, operation)
  keepShown(context, table, operation.record)
  // A mended operation of the group is judged by what the ones before it show.
  if (patch !== null) foldOnto(context, table, operation)
  const { collection, record, kind, fields, was, base, time, schemaVersion, settles } = operation
  return {
    refused,
    id: replacing,
    content: { collection, record, kind, fields, was, base, schemaVersion, settles },
    time,
  }
}

function mended(
  context: StoreContext,
  refused: RefusedOperation,
  {
    by,
    patch,
    nowMs,
  }: { readonly by: OperationId; readonly patch: NonNullable<RequeueRequest['patch']>; readonly nowMs: number },
): Replacement | null {
  const { schema, meta, time } = context
  const { tx, collection, record, kind, settles } = refused.operation
  if ((kind === 'delete' || kind === 'restore') && Object.keys(patch).length > 0) {
    throw new EngineError('INVALID_VALUE', `A ${kind} has no fields to mend.`)
  }
  const given = givenAgain(context, refused.operation)
  const draft = { id: by, collection, record, kind, fields: { ...given, ...patch } }
  const dateMs = time.dateOf({ at: nowMs, epoch: meta.state.clock.epoch })
  const [plan] = checkDraft(context, { tx: tx.id, operations: [draft] }).flatMap(
    (checked) => applyDraft(context, checked, dateMs) ?? [],
  )
  if (plan === undefined) return null
  const { version, id, ...content } = plan
  const base = { generation: meta.state.generation, version }
  return {
    refused,
    id,
    content: { ...content, base, schemaVersion: schema.version, settles: [...settles, ...content.settles] },
    time: null,
  }
}

function append(context: StoreContext, replacements: readonly Replacement[], nowMs: number): void {
  const { driver, time, user, device, ambient } = context
  const units = Map.groupBy(replacements, ({ refused }) => refused.operation.tx.id)
  for (const unit of units.values()) {
    const tx = parseTransactionId(ambient.random.uuid())
    // What was small enough once is sent again, though the id that it replaces makes it a little larger.
    const isMended = unit.some((replacement) => replacement.time === null)
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
function standsFor({ operation, code }: RefusedOperation): readonly OperationId[] {
  if (isRefusedForGood(code)) return [operation.id]
  const chain = [operation.id, ...operation.replaces]
  return chain.length <= replacedMax ? chain : [...chain.slice(0, replacedMax - 1), ...chain.slice(-1)]
}

/** Throws where the app's schema has the collection or a field no more. */
function knownTable({ schema, tables }: StoreContext, { collection: name, fields }: Operation): RecordTable {
  const collection = collectionOf(schema, name)
  for (const field of Object.keys(fields)) fieldOf(name, collection, field)
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
