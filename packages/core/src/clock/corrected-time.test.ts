import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type AgreedClock,
  agreedClock,
  correctedTime,
  type DeviceClock,
  skewMsMin,
  uploadMsMax,
} from './corrected-time.ts'
import { driftMsMax } from './hlc.ts'

const hour = 3_600_000
const tenYears = 10 * 365 * 24 * hour
/** What the server's clock shows when the request arrives. */
const serverNowMs = Date.UTC(2026, 10, 20)

/** A clock that is off by `wrongMs`, in a request that was under way for `wayMs`. */
function clockOf({ wrongMs = 0, wayMs = 0, knows = true }): DeviceClock {
  const nowMs = serverNowMs - wayMs + wrongMs
  return {
    nowMs,
    epoch: 0,
    offsetMs: knows && wrongMs !== 0 ? -wrongMs : 0,
    guessedFrom: knows ? null : 0,
    earlier: [],
  }
}

/** What becomes of a write of `agoMs` before the request was sent. */
function dated(given: Parameters<typeof clockOf>[0], agoMs = 0, bytes = 300): number {
  const clock = clockOf(given)
  return correctedTime(clock.nowMs - agoMs, 0, agreedClock(clock, { serverNowMs, bytes }), serverNowMs)
}

const wrong = fc.oneof(
  fc.integer({ min: -tenYears, max: tenYears }),
  fc.constantFrom(0, hour, -hour, tenYears, -tenYears, -skewMsMin, skewMsMin),
)
const way = fc.integer({ min: 0, max: uploadMsMax })
const ago = fc.integer({ min: 0, max: 30 * 24 * hour })

test('[CT2] a measured clock is corrected exactly, however slow the upload and in whichever direction it is wrong', () => {
  fc.assert(
    fc.property(wrong, way, ago, (wrongMs, wayMs, agoMs) => {
      expect(dated({ wrongMs, wayMs }, agoMs)).toBe(serverNowMs - wayMs - agoMs)
    }),
  )
})

test('[CT1] a right clock is not touched, known or not', () => {
  fc.assert(
    fc.property(way, ago, fc.boolean(), (wayMs, agoMs, knows) => {
      // A device that has measured nothing is believed as long as its bytes explain the time.
      const bytes = 8 * wayMs
      expect(dated({ wayMs, knows }, agoMs, bytes)).toBe(serverNowMs - wayMs - agoMs)
    }),
  )
})

test('[CT1] within an epoch the order and the distances of times stay, whatever the device says of its clock', () => {
  const anything = fc.integer({ min: -2 * tenYears, max: 2 * tenYears })
  fc.assert(
    fc.property(anything, anything, fc.boolean(), ago, ago, fc.nat(10 ** 7), (off, says, isMeasured, a, b, bytes) => {
      const clock = {
        nowMs: serverNowMs + off,
        epoch: 3,
        offsetMs: says,
        guessedFrom: isMeasured ? null : 3,
        earlier: [],
      }
      const agreed = agreedClock(clock, { serverNowMs, bytes })
      const [first, second] = [a, b].map((agoMs) => correctedTime(clock.nowMs - agoMs, 3, agreed, serverNowMs))
      expect((second ?? 0) - (first ?? 0)).toBe(a - b)
    }),
  )
})

test('[I-21] [CT3] nothing beyond server time + 60 s is stored, of any epoch and whatever is claimed', () => {
  const any = fc.maxSafeInteger()
  const claim = fc.record({
    nowMs: fc.maxSafeNat(),
    epoch: fc.constant(3),
    offsetMs: any,
    guessedFrom: fc.option(fc.nat(4)),
    earlier: fc.array(fc.tuple(fc.nat(3), any)),
  })
  fc.assert(
    fc.property(any, fc.nat(4), claim, (deviceMs, epoch, clock) => {
      const corrected = correctedTime(deviceMs, epoch, agreedClock(clock, { serverNowMs, bytes: 0 }), serverNowMs)
      expect(corrected).toBeGreaterThanOrEqual(0)
      expect(corrected).toBeLessThanOrEqual(serverNowMs + (epoch === 3 ? driftMsMax : 0))
    }),
  )
})

test.each([
  { name: 'sent after it arrived', wrongMs: -hour, says: 0 },
  { name: 'under way for an hour', wrongMs: hour, says: 0 },
  { name: 'at 2099, and right', wrongMs: 73 * 365 * 24 * hour, says: 0 },
  { name: 'at 1970, and right', wrongMs: -serverNowMs, says: 0 },
  { name: 'an hour of a clock that is right', wrongMs: 0, says: hour },
])('[CT2] a claim that cannot be true is not believed: $name', ({ wrongMs, says }) => {
  const clock = { nowMs: serverNowMs + wrongMs, epoch: 0, offsetMs: says, guessedFrom: null, earlier: [] }
  expect(agreedClock(clock, { serverNowMs, bytes: 300 }).offsetMs).toBe(wrongMs === 0 ? 0 : -wrongMs)
})

test.each([
  { name: 'a small request of a clock 25 s behind', wrongMs: -25_000, bytes: 300, offsetMs: 0 },
  { name: 'a small request of a clock 40 s behind', wrongMs: -40_000, bytes: 300, offsetMs: 40_000 },
  { name: '8 MiB that took seven minutes', wrongMs: -420_000, bytes: 8_388_608, offsetMs: 0 },
  { name: 'never more than ten minutes', wrongMs: -601_000, bytes: 8_388_608, offsetMs: 601_000 },
])('[CT2] without a measurement the time under way goes by the size: $name', ({ wrongMs, bytes, offsetMs }) => {
  const clock = { nowMs: serverNowMs + wrongMs, epoch: 0, offsetMs: 0, guessedFrom: 0, earlier: [] }
  expect(agreedClock(clock, { serverNowMs, bytes }).offsetMs).toBe(offsetMs)
})

test('an earlier epoch has the offset of the last pair that begins no later, and none before the first', () => {
  const earlier = [[3, hour] as const, [5, 0] as const, [7, -hour] as const]
  const agreed = { epoch: 9, offsetMs: 0, guessedFrom: null, missedMs: 0, earlier }
  const at = (clock: AgreedClock) =>
    [2, 3, 4, 5, 6, 7, 8, 9].map((epoch) => correctedTime(10 * hour, epoch, clock, serverNowMs) / hour)
  expect(at(agreed)).toEqual([10, 11, 11, 10, 10, 9, 9, 10])
  // Guesses that hang together with one that was found wrong are wrong by as much.
  expect(at({ ...agreed, guessedFrom: 6, missedMs: 5 * hour })).toEqual([10, 11, 11, 10, 15, 14, 14, 10])
})
