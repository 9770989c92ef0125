/** Refused here, on the device: into the inbox, with all that this changes on the screen. */
import type { OperationId } from '@holdfast/core'
import type { StoreContext, Touched, Written } from './context.ts'
import { moveToInbox, type Refusal } from './inbox.ts'
import { markRefusedRows, refold } from './refold.ts'

/** Inside a transaction. Answers every operation that was moved. */
export function park(
  context: StoreContext,
  refusals: ReadonlyMap<OperationId, Refusal>,
  nowMs: number,
  written: Written,
): readonly OperationId[] {
  if (refusals.size === 0) return []
  const touched: Touched = new Map()
  const moved = moveToInbox(context, refusals, nowMs, touched)
  if (moved.length === 0) return moved
  refold(context, touched, written)
  markRefusedRows(context, touched.keys())
  context.meta.save()
  written.add('_outbox').add('_inbox')
  return moved
}
