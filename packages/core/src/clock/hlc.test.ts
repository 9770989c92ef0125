import fc from 'fast-check'
import { expect, test } from 'vitest'
import { driftMsMax, type Hlc, hlcZero, pulledBack, stampOf, tick } from './hlc.ts'

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
