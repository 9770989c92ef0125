import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clockOffset, correctedTime } from './corrected-time.ts'
import { driftMsMax, type Hlc, hlcZero, pulledBack, stampOf, tick } from './hlc.ts'

const hour = 3_600_000

test('[H1] stamps of one device only grow, whatever its wall clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10 ** 13), { minLength: 2 }), (walls) => {
      let last: Hlc = hlcZero
      let lastStamp = ''
      for (const wall of walls) {
        last = tick(last, wall)
        const stamp = stampOf(last.ms, last.counter, 'd')
        expect(stamp > lastStamp).toBe(true)
        lastStamp = stamp
      }
    }),
  )
})

test('[I-21] a day at 2099 does not stamp 2099 for ever', () => {
  const in2099 = tick(hlcZero, Date.UTC(2099, 0, 1))
  const now = Date.UTC(2026, 0, 1)
  expect(tick(pulledBack(in2099, now), now + 1).ms).toBe(now + 1)
  expect(pulledBack({ ms: now + driftMsMax, counter: 3 }, now)).toEqual({ ms: now + driftMsMax, counter: 3 })
})

test.each([
  { name: 'a correct clock is not touched', device: 1_000_000, now: 1_000_500, server: 1_001_000, expected: 1_000_000 },
  { name: 'a clock one hour ahead', device: 10 * hour, now: 10 * hour, server: 9 * hour, expected: 9 * hour },
  {
    name: 'a clock one hour behind, written ten minutes ago',
    device: 10 * hour,
    now: 10 * hour + 600_000,
    server: 11 * hour + 600_000,
    expected: 11 * hour,
  },
])('correctedTime: $name', ({ device, now, server, expected }) => {
  expect(correctedTime(device, 0, { nowMs: now, epoch: 0 }, server)).toBe(expected)
})

test('[I-21] nothing beyond server time + 60 s is stored, of any epoch', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(3), fc.nat(), fc.nat(), (device, epoch, now, server) => {
      const corrected = correctedTime(device, epoch, { nowMs: now, epoch: 1 }, server)
      expect(corrected).toBeGreaterThanOrEqual(0)
      expect(corrected).toBeLessThanOrEqual(server + driftMsMax)
    }),
  )
})

test('latency is not skew', () => {
  expect(clockOffset(10_000, 8_500)).toBe(0)
  expect(clockOffset(10_000, 7_000)).toBe(3_000)
})
