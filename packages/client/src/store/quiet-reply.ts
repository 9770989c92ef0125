/**
 * A reply that brings nothing to a device with nothing to send: an idle device writes nothing, and flushes nothing to its disk.
 * What is new of it, the time of the last sync, is kept in memory and saved with the next transaction, and once an hour.
 */
import type { SyncReply } from '@holdfast/core'
import type { StoreContext } from './context.ts'
import { hasOperations, isOutboxEmpty } from './outbox.ts'

/** A process that is killed may forget so much of when it last synced. */
const unsavedMsMax = 3_600_000

/** @param given.savedMs the time of the last sync that is on the disk */
export function takeQuietly(
  { driver, meta, time }: Pick<StoreContext, 'driver' | 'meta' | 'time'>,
  reply: SyncReply,
  { savedMs, ...exchange }: { readonly sentMs: number; readonly receivedMs: number; readonly savedMs: number | null },
): boolean {
  const { state } = meta
  if (savedMs === null || Math.abs(exchange.receivedMs - savedMs) >= unsavedMsMax) return false
  const bringsNothing =
    reply.outcomes.length === 0 &&
    reply.changes.length === 0 &&
    reply.cursor === null &&
    reply.snapshot === null &&
    reply.previous === null &&
    reply.serverSchema === null &&
    !reply.more &&
    reply.generation === state.generation
  const isSettled =
    state.completeness === 'complete' &&
    !state.differing &&
    state.stagedCursor === null &&
    state.snapshot === null &&
    (state.clock.earlier.length === 0 || hasOperations(driver))
  if (!bringsNothing || !isSettled || !isOutboxEmpty(driver)) return false
  const undo = meta.remember()
  time.hear(reply.serverTimeMs, exchange)
  if (JSON.stringify(meta.state.clock) !== JSON.stringify(state.clock)) {
    undo()
    return false
  }
  meta.set({ lastSyncedAt: exchange.receivedMs })
  return true
}
