/** Timers that run when a test lets time pass, in order of time, and then of setting. Moves the clock along. */
import type { Timers } from '@holdfast/client'
import type { FakeClock } from './fake-clock.ts'

export interface FakeTimers extends Timers {
  /** Lets time pass; what a callback starts without a timer (promises) has run before the next timer is due. */
  advance(ms: number): Promise<void>
  /** Runs promises that are ready, without letting time pass. */
  settle(): Promise<void>
  /** Delays of the timers that are set, from now, shortest first. */
  pending(): readonly number[]
}

interface Timer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

/** Callbacks without an end, at one and the same time, are a loop that would freeze the test. */
const callbacksPerAdvanceMax = 20_000

/** A chain of promises in our own code is far shorter than this. */
const turnsPerSettle = 200

export function createFakeTimers(clock: FakeClock): FakeTimers {
  const timers = new Set<Timer>()
  let count = 0

  function next(untilMs: number): Timer | undefined {
    return [...timers]
      .filter((timer) => timer.dueMs <= untilMs)
      .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)
      .at(0)
  }

  async function settle(): Promise<void> {
    for (let turn = 0; turn < turnsPerSettle; turn += 1) await null
  }

  return {
    after(delayMs, callback) {
      count += 1
      const timer = { dueMs: clock.monotonic() + Math.max(0, delayMs), order: count, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const untilMs = clock.monotonic() + ms
      await settle()
      let callbacks = 0
      for (let timer = next(untilMs); timer !== undefined; timer = next(untilMs)) {
        callbacks += 1
        if (callbacks > callbacksPerAdvanceMax) throw new Error('The timers turn in place.')
        timers.delete(timer)
        clock.advance(timer.dueMs - clock.monotonic())
        timer.callback()
        await settle()
      }
      clock.advance(untilMs - clock.monotonic())
    },
    settle,
    pending: () => [...timers].map((timer) => timer.dueMs - clock.monotonic()).sort((a, b) => a - b),
  }
}
