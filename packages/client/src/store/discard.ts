/** A person does not want a refused change any more, or wants it after all. */
import type { OperationId } from '@holdfast/core'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { bringBack, discardedUndated, groupWith, isDiscarded, markDiscarded } from './inbox.ts'
import { markRefusedRows, unmarkRefusedRows } from './refold.ts'

/** Takes the operation's whole group out of the list; inside a transaction. Repeated, it counts once. */
export function discard(context: StoreContext, id: OperationId, nowMs: number, written: Written): void {
  const { driver, tables, time, meta } = context
  if (isDiscarded(driver, id)) return
  const group = groupWith(context, id)
  const { epoch, isMeasured } = meta.state.clock
  markDiscarded(driver, group, { id, atMs: isMeasured ? time.dateOf({ at: nowMs, epoch }) : discardedUndated })
  const touched: Touched = new Map()
  for (const { operation } of group.members) touch(touched, operation.collection, operation.record)
  unmarkRefusedRows(context, touched)
  // Another operation on the same record may still lie in the inbox.
  markRefusedRows(context, touched.keys())
  for (const name of touched.keys()) if (tables.has(name)) written.add(name)
  written.add('_inbox')
}

/** Brings back what was discarded under this id; inside a transaction. Repeated, it counts once. */
export function undiscard(context: StoreContext, id: OperationId, written: Written): void {
  const names = new Set(bringBack(context.driver, id).map(({ collection }) => collection))
  markRefusedRows(context, names)
  for (const name of names) if (context.tables.has(name)) written.add(name)
  written.add('_inbox')
}
