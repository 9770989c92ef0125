/**
 * One round's answer into the store, in one transaction: outcomes, then changes, then the operations that are thereby
 * reflected, then the shown rows of all that was touched, and the cursor.
 */
import { changesUp, EngineError, type OperationId, type SyncReply } from '@holdfast/core'
import { applyChanges } from './apply-changes.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { applyDiffering } from './differing.ts'
import { moveToInbox, pruneDiscarded, refusalsIn } from './inbox.ts'
import { dropIndexes, makeIndexes } from './indexes.ts'
import { noteServer } from './move-fields.ts'
import { acknowledge, hasOperations, markPending, reflectedOperations } from './outbox.ts'
import { purgeOperations } from './purge.ts'
import { markRefusedRows, refold, refoldAll } from './refold.ts'
import { pruneBefore } from './seen.ts'
import { pruneSettled, settle, transactionsOf } from './settled.ts'
import { startLoad } from './snapshot-load.ts'
import { stage, takeStaged } from './staged.ts'
import type { AppliedReply } from './store.ts'
import { type Decided, decideUnclear } from './unclear.ts'

/** When the request left and its reply came, by the device's clock; `sentMs` is -Infinity when that is forgotten. */
export interface Exchange {
  readonly sentMs: number
  readonly receivedMs: number
}

/** Inside a transaction. */
export function applyReply(
  context: StoreContext,
  sent: readonly OperationId[],
  reply: SyncReply,
  exchange: Exchange,
  written: Written,
): AppliedReply {
  const nowMs = exchange.receivedMs
  const { meta, time } = context
  const { generation } = meta.state
  if (generation !== null && generation !== reply.generation) {
    throw new EngineError('GENERATION_CHANGED', 'the reply is of another generation than the data on this device.')
  }
  meta.set({ generation: reply.generation })
  const touched: Touched = new Map()
  const refused = applyOutcomes(context, sent, reply, nowMs, touched, written)
  noteServer(context.driver, context.schema, reply.serverSchema)
  const decided = applyPages(context, inOwnForm(context, reply), nowMs, touched, written)
  if (reply.snapshot !== null && meta.state.completeness !== 'complete')
    meta.set({ snapshot: startLoad(reply.snapshot) })
  settleReflected(context, reply, touched, written)
  purgeOperations(context, written)
  refold(context, touched, written)
  markRefusedRows(context, touched.keys())
  if (time.hear(reply.serverTimeMs, exchange)) refoldAll(context, written)
  if (meta.state.clock.earlier.length > 0 && !hasOperations(context.driver)) time.forgetEarlier()
  meta.save()
  const answers = [...reply.outcomes.map(({ id }) => id), ...decided.arrived, ...decided.refused, ...refused]
  const answered = transactionsOf(context.driver, answers)
  return {
    refused: [...refused, ...decided.refused],
    answered,
    changed: [...written].some((table) => context.tables.has(table)),
  }
}

/** What an older server sends is in its form. */
function inOwnForm({ schema }: StoreContext, reply: SyncReply): SyncReply {
  if (reply.serverSchema === null) return reply
  return { ...reply, changes: changesUp(schema, reply.serverSchema, reply.changes) }
}

function applyOutcomes(
  context: StoreContext,
  sent: readonly OperationId[],
  reply: SyncReply,
  nowMs: number,
  touched: Touched,
  written: Written,
): readonly OperationId[] {
  const { driver } = context
  const refusals = refusalsIn(reply.outcomes)
  const acknowledged = acknowledge(driver, reply.outcomes)
  const refused = refusals.size === 0 ? [] : moveToInbox(context, refusals, nowMs, touched)
  const unanswered = markPending(driver, sent, null)
  if (acknowledged + refused.length + unanswered > 0) written.add('_outbox')
  if (refused.length > 0) written.add('_inbox')
  return refused
}

// ST6: the first sync shows page by page, every later pull, and one that finds out what has gone, all of its pages at once.
function applyPages(
  context: StoreContext,
  reply: SyncReply,
  nowMs: number,
  touched: Touched,
  written: Written,
): Decided {
  const { driver, meta } = context
  const { completeness, differing, cursor, stagedCursor } = meta.state
  if (differing && !reply.more) {
    applyDiffering(context, reply.changes, nowMs, touched, written)
    if (completeness === 'partial') makeIndexes(context)
    meta.set({ cursor: reply.cursor ?? stagedCursor, stagedCursor: null, differing: false, completeness: 'complete' })
    written.add('_meta').add('_outbox').add('_inbox')
    return decideUnclear(context, nowMs, touched)
  }
  if (completeness !== 'complete' && !differing) {
    if (reply.more && completeness === 'empty') dropIndexes(context)
    applyChanges(context, reply.changes, nowMs, touched, written)
    if (!reply.more) makeIndexes(context)
    meta.set({ completeness: reply.more ? 'partial' : 'complete', cursor: reply.cursor ?? cursor })
    written.add('_meta')
    return nothingDecided
  }
  if (reply.more) {
    stage(driver, reply.changes)
    meta.set({ stagedCursor: reply.cursor ?? stagedCursor ?? cursor })
    return nothingDecided
  }
  if (stagedCursor !== null) takeStaged(driver, (changes) => applyChanges(context, changes, nowMs, touched, written))
  applyChanges(context, reply.changes, nowMs, touched, written)
  meta.set({ cursor: reply.cursor ?? stagedCursor ?? cursor, stagedCursor: null })
  return nothingDecided
}

const nothingDecided: Decided = { arrived: [], refused: [] }

function settleReflected(context: StoreContext, reply: SyncReply, touched: Touched, written: Written): void {
  const reflected = reflectedOperations(context.driver, reply.more ? null : reply.through)
  if (reflected.length === 0) return
  for (const { collection, record } of reflected) touch(touched, collection, record)
  // By the server's clock: what a person discarded a minute ago must not be gone because the device's shows next year.
  const { serverTimeMs } = reply
  const seqs = reflected.map(({ seq }) => seq)
  settle(context.driver, seqs, serverTimeMs)
  pruneSettled(context.driver, serverTimeMs, seqs)
  pruneBefore(context.driver)
  if (pruneDiscarded(context.driver, serverTimeMs) > 0) written.add('_inbox')
  written.add('_outbox')
}
