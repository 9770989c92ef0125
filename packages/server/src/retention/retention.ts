/**
 * What is done every hour, in the background: the place of the feed is noted, and what is older than the retention is forgotten.
 *
 * RT1  What a device may miss is removed only after it was said, an hour or more before, that devices of that age are refused: a request
 *      that was judged before has ended.
 * RT2  Trouble is told and changes nothing: the next hour tries again.
 * RT3  A day counts when the server has noted it: a clock that jumps ahead, once or for an hour, forgets nothing, and days on which no
 *      server ran are remembered in addition.
 */
import { UsageError } from '@holdfast/core'
import type { Pruned, ServerStore } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { dayMs, dayOf } from './days.ts'

export interface Retention {
  /** How long deletions, outcomes and what left a scope are remembered, in milliseconds. */
  readonly ms: number
  /** Begins to do it by itself; the store is open. */
  start(): void
  /** Does it now. */
  run(): Promise<Pruned>
  /** Ends what runs after its step. */
  close(): Promise<void>
}

export const retentionDaysDefault = 90
const retentionDaysMax = 36_500

export interface RetentionPorts {
  readonly store: ServerStore
  readonly system: System
  readonly pruned: (pruned: Pruned) => void
  readonly failed: (error: unknown) => void
}

export function createRetention({ store, system, pruned, failed }: RetentionPorts, days: number): Retention {
  if (!Number.isInteger(days) || days < 1 || days > retentionDaysMax) {
    throw new UsageError(`retentionDays is ${days}; it may be a whole number from 1 to ${retentionDaysMax}.`)
  }
  let cancel = () => {}
  let running: Promise<unknown> = Promise.resolve()
  let isClosed = false

  async function run(): Promise<Pruned> {
    const day = dayOf(system.nowMs())
    await store.noteDay(day)
    const removed = await store.prune()
    const noted = await store.dayBefore(days)
    if (noted !== null) await store.forgetBefore(Math.min(noted, day - days))
    return removed
  }

  function next(delayMs: number): void {
    if (isClosed) return
    cancel = system.after(delayMs, () => {
      running = run()
        .then(pruned, failed)
        .finally(() => next(jittered(hourMs)))
    })
  }

  /** A quarter to either side: processes that were started together do not all come at once. */
  function jittered(ms: number): number {
    const [byte = 0] = system.randomBytes(1)
    return Math.round(ms * (0.75 + byte / 510))
  }

  return {
    ms: days * dayMs,
    run,
    start: () => next(jittered(firstMs)),
    close: async () => {
      isClosed = true
      cancel()
      await running
    },
  }
}

const hourMs = 3_600_000
/** After the start, which has other work. Later than the longest request (RT1). */
const firstMs = 600_000
