/** The real surroundings: the only place besides drivers and transports that touches time, randomness and timers. */
import { v7 } from 'uuid'
import type { Ambient } from '../ports/ambient.ts'

export const systemAmbient: Ambient = {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  random: { next: () => Math.random(), uuid: () => v7() },
  timers: {
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs)
      return () => clearTimeout(timer)
    },
  },
}
