/** A wall clock and a monotonic one that stand still until a test moves them. */
import type { Clock } from '@holdfast/client'

export interface FakeClock extends Clock {
  /** Time passes. */
  advance(ms: number): void
  /** The wall clock is set to another time; the monotonic one does not notice. */
  jump(toMs: number): void
}

/** 20 November 2026, noon, UTC. */
const someDayMs = 1_795_176_000_000

export function createFakeClock(startMs: number = someDayMs): FakeClock {
  let wallMs = startMs
  let passedMs = 0
  return {
    now: () => Math.floor(wallMs), // As the real one, which has no fractions.
    monotonic: () => passedMs,
    advance(ms) {
      wallMs += ms
      passedMs += ms
    },
    jump(toMs) {
      wallMs = toMs
    },
  }
}
