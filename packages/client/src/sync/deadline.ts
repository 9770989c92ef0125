/** Ends what makes no progress: a server that accepts and never answers must not hold a device. */
import type { Timers } from '../ports/ambient.ts'

export interface Deadline {
  /** Something happened: the time starts anew. */
  touch(): void
  clear(): void
}

export function createDeadline(timers: Timers, delayMs: number, onPassed: () => void): Deadline {
  let cancel = timers.after(delayMs, onPassed)
  return {
    touch() {
      cancel()
      cancel = timers.after(delayMs, onPassed)
    },
    clear: () => cancel(),
  }
}
