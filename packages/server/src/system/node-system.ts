/** The real time, randomness and timers: the only file of this package that asks for them. */
import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { System } from '../ports/system.ts'

export const nodeSystem: System = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  randomBytes: (count) => randomBytes(count),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs).unref()
    return () => clearTimeout(timer)
  },
  breathe: () => nextTurn(),
}
