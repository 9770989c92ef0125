import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ClockEpochs,
  clockSetBy,
  deviceClock,
  earlierEpochsMax,
  measured,
  nextEpoch,
  noEpochs,
  offsetOfEpoch,
} from './clock-epochs.ts'
import { agreedClock, correctedTime } from './corrected-time.ts'

const hour = 3_600_000
const year = 365 * 24 * hour
/** What is not told from noise, and what the quickest exchange of an epoch may take. */
const errorMsMax = 2_000 + 5_000
/** A guess is believed as long as the way of a small request explains the difference. */
const guessMsMax = 32_000

/** What happens to a device, and to its clock. */
type Event =
  | { readonly kind: 'wait' | 'sleep'; readonly ms: number }
  | { readonly kind: 'set'; readonly ms: number }
  | { readonly kind: 'restart'; readonly ms: number; readonly setMs: number }
  | { readonly kind: 'exchange'; readonly upMs: number; readonly downMs: number }
  | { readonly kind: 'write' }

interface Write {
  readonly trueMs: number
  readonly at: number
  readonly epoch: number
}

/** A device with a clock that is off by as much as it is set, and all of what it writes unsettled. */
function live(wrongMs: number, events: readonly Event[]) {
  const startMs = Date.UTC(2026, 10, 20)
  let trueMs = startMs
  let awakeMs = 0
  let wrong = wrongMs
  let known: ClockEpochs = noEpochs
  let seen = { wallMs: trueMs + wrong, awakeMs }
  const writes: Write[] = []

  const pass = (ms: number) => {
    trueMs += ms
    awakeMs += ms
  }
  /** Every use of the clock looks for a jump first. */
  const look = () => {
    const jumpMs = trueMs + wrong - seen.wallMs - (awakeMs - seen.awakeMs)
    if (Math.abs(jumpMs) > 2_000) known = nextEpoch(known, { setMs: clockSetBy(jumpMs), isKept: true })
    seen = { wallMs: trueMs + wrong, awakeMs }
    return seen.wallMs
  }

  for (const event of events) {
    switch (event.kind) {
      case 'wait':
        pass(event.ms)
        break
      case 'sleep':
        look()
        trueMs += event.ms
        look()
        break
      case 'set':
        look()
        wrong += event.ms
        look()
        break
      case 'restart': {
        const lastMs = look()
        trueMs += event.ms
        wrong += event.setMs
        known = nextEpoch(known, { setMs: clockSetBy(trueMs + wrong - lastMs), isKept: true })
        seen = { wallMs: trueMs + wrong, awakeMs }
        break
      }
      case 'exchange': {
        const sentMs = look()
        pass(event.upMs)
        const serverTimeMs = trueMs
        pass(event.downMs)
        known = measured(known, { sentMs, receivedMs: look(), serverTimeMs })
        break
      }
      case 'write':
        writes.push({ at: look(), trueMs, epoch: known.epoch })
    }
  }

  /** What the server makes of the writes, in a request that is under way for `wayMs`. */
  function errors(wayMs: number): readonly number[] {
    const nowMs = look()
    const serverNowMs = trueMs + wayMs
    const agreed = agreedClock(deviceClock(known, nowMs), { serverNowMs, bytes: 300 })
    return writes.map((write) => correctedTime(write.at, write.epoch, agreed, serverNowMs) - write.trueMs)
  }
  return { known: () => known, errors, writes }
}

const off = fc.oneof(fc.integer({ min: -10 * year, max: 10 * year }), fc.constantFrom(0, hour, -hour, 73 * year))
const wait = fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(5 * hour) })
const sleep = fc.record({ kind: fc.constant('sleep' as const), ms: fc.nat(60 * hour) })
const set = fc.record({ kind: fc.constant('set' as const), ms: off })
const restart = fc.record({ kind: fc.constant('restart' as const), ms: fc.nat(100 * hour), setMs: off })
const write = fc.constant({ kind: 'write' as const })
const quick = fc.record({ kind: fc.constant('exchange' as const), upMs: fc.nat(2_000), downMs: fc.nat(2_000) })
const slow = fc.record({ kind: fc.constant('exchange' as const), upMs: fc.nat(500_000), downMs: fc.nat(20_000) })

function worst(errors: readonly number[]): number {
  return Math.max(0, ...errors.map(Math.abs))
}

describe('[I-21] every write is dated as it was made', () => {
  test('[CE2] when each epoch was measured once, whatever happened to the clock in between', () => {
    const stretch = fc.tuple(
      fc.oneof(set, restart, sleep),
      fc.array(fc.oneof(write, wait, slow)),
      quick,
      fc.array(fc.oneof(write, wait, slow)),
    )
    fc.assert(
      fc.property(off, fc.array(stretch), fc.nat(500_000), (wrongMs, stretches, wayMs) => {
        const first: Event = { kind: 'exchange', upMs: 100, downMs: 100 }
        const events = stretches.flatMap(([change, before, exchange, after]) => [change, ...before, exchange, ...after])
        expect(worst(live(wrongMs, [first, { kind: 'write' }, ...events]).errors(wayMs))).toBeLessThanOrEqual(
          errorMsMax,
        )
      }),
    )
  })

  test('[CE3] when nothing was ever measured, and the clock was set before the eyes of the device', () => {
    const noticed = fc.record({
      kind: fc.constant('set' as const),
      ms: fc.oneof(fc.integer({ min: -10 * year, max: -3_000 }), fc.integer({ min: 2 * year, max: 60 * year })),
    })
    fc.assert(
      fc.property(off, fc.array(fc.oneof(write, wait, noticed)), fc.boolean(), (wrongMs, events, hears) => {
        const end: readonly Event[] = hears ? [{ kind: 'exchange', upMs: 100, downMs: 100 }] : []
        expect(worst(live(wrongMs, [...events, ...end]).errors(100))).toBeLessThanOrEqual(guessMsMax)
      }),
    )
  })

  test('of a clock that stands still', () => {
    const still: readonly Event[] = [{ kind: 'wait', ms: 60_000 }, { kind: 'set', ms: -60_000 }, { kind: 'write' }]
    const device = live(-56 * year, [...still, ...still, ...still, { kind: 'exchange', upMs: 50, downMs: 50 }])
    expect(new Set(device.writes.map(({ at }) => at)).size).toBe(1)
    expect(worst(device.errors(50))).toBeLessThanOrEqual(errorMsMax)
  })

  test('of a laptop that sleeps with a wrong clock', () => {
    const events: readonly Event[] = [
      { kind: 'exchange', upMs: 50, downMs: 50 },
      { kind: 'write' },
      { kind: 'sleep', ms: 8 * hour },
      { kind: 'write' },
      { kind: 'sleep', ms: hour },
      { kind: 'write' },
    ]
    for (const wrongMs of [hour, -hour, 73 * year]) expect(worst(live(wrongMs, events).errors(50))).toBe(50)
  })
})

test('nothing that was written is dated after the app was opened again, with a clock that had shown 2099', () => {
  const events: readonly Event[] = [
    { kind: 'write' },
    { kind: 'wait', ms: hour },
    { kind: 'write' },
    { kind: 'restart', ms: 5 * hour, setMs: -73 * year },
    { kind: 'wait', ms: 9 * hour },
  ]
  // How long the app was closed is not known: no time at all is what the clocks say.
  expect(live(73 * year, events).errors(50)).toEqual([5 * hour, 5 * hour])
})

test('[CE1] a slow exchange moves nothing without need, and counts for a measurement only when it was quick', () => {
  const of = (known: ClockEpochs, upMs: number, downMs: number, offsetMs: number) =>
    measured(known, { sentMs: 0, receivedMs: upMs + downMs, serverTimeMs: upMs + offsetMs })
  expect(of(noEpochs, 480_000, 100, 0)).toEqual(noEpochs)
  expect(of(noEpochs, 100, 100, 0)).toEqual({ ...noEpochs, isMeasured: true })
  expect(of(noEpochs, 100, 480_000, hour)).toMatchObject({ offsetMs: hour - 480_000, isMeasured: false })
  expect(of(of(noEpochs, 100, 480_000, hour), 100, 100, hour)).toMatchObject({ offsetMs: hour - 100, isMeasured: true })
  expect(of({ ...noEpochs, offsetMs: hour }, 100, 480_000, hour)).toMatchObject({ offsetMs: hour })
})

test('an exchange of which the sending is forgotten bounds the offset from below', () => {
  const exchange = { sentMs: Number.NEGATIVE_INFINITY, receivedMs: 1_000, serverTimeMs: hour }
  expect(measured(noEpochs, exchange)).toEqual({ ...noEpochs, offsetMs: hour - 1_000 })
  expect(measured({ ...noEpochs, offsetMs: 2 * hour }, exchange)).toEqual({ ...noEpochs, offsetMs: 2 * hour })
})

test('epochs of one offset are one entry; what is remembered is bounded, and a right clock has nothing to say', () => {
  const begin = (known: ClockEpochs, setMs = 0) => nextEpoch(known, { setMs, isKept: true })
  const right = begin(begin(begin(noEpochs)))
  expect(right.earlier).toEqual([{ epoch: 0, offsetMs: 0, isMeasured: false }])
  expect(deviceClock(right, 7)).toEqual({ nowMs: 7, epoch: 3, offsetMs: 0, guessedFrom: 0, earlier: [] })
  expect([offsetOfEpoch(right, 2), offsetOfEpoch(right, 3), offsetOfEpoch(right, 4)]).toEqual([0, 0, null])
  const wrong = begin({ ...right, offsetMs: -hour, isMeasured: true }, -hour)
  expect(wrong).toMatchObject({ epoch: 4, offsetMs: 0, isMeasured: false })
  expect(deviceClock(begin({ ...wrong, isMeasured: true }), 7)).toMatchObject({
    guessedFrom: 5,
    earlier: [
      [3, -hour],
      [4, 0],
    ],
  })
  expect(deviceClock({ ...wrong, isMeasured: true }, 7).guessedFrom).toBe(null)
  let still = right
  for (let n = 0; n < 2 * earlierEpochsMax; n += 1) still = begin(still, -5_000)
  expect(still.earlier).toHaveLength(earlierEpochsMax)
})
