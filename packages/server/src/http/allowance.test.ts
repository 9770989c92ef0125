import { expect, test } from 'vitest'
import { createRates, createShares } from './allowance.ts'

test('[AL1] ten seconds of it at once, then so many a second; others have their own', () => {
  const rates = createRates(5)
  const letThrough = (key: string, nowMs: number, asked: number) =>
    Array.from({ length: asked }, () => rates.take(key, nowMs)).filter(Boolean).length
  expect(letThrough('ali', 0, 100)).toBe(50)
  expect(letThrough('ali', 100, 100)).toBe(0)
  expect(letThrough('sara', 100, 100)).toBe(50)
  expect(letThrough('ali', 1_100, 100)).toBe(5)
  expect(letThrough('ali', 3_600_000, 100)).toBe(50)
  // A clock that is set back gives nothing, and takes nothing.
  expect(letThrough('ali', 0, 100)).toBe(0)
  expect(letThrough('ali', 1_000, 100)).toBe(5)
})

test('[AL2] those who are full again are forgotten, and lose nothing by it', () => {
  const rates = createRates(1)
  for (let number = 0; number < 100_000; number += 1) rates.take(`user ${number}`, number)
  expect(rates.size()).toBeLessThan(5_000)
  // The last one who came is remembered still.
  for (let number = 0; number < 9; number += 1) expect(rates.take('user 99999', 99_999)).toBe(true)
  expect(rates.take('user 99999', 99_999)).toBe(false)
})

test('shares are what each has at a time', () => {
  const shares = createShares(10)
  expect([shares.take('a', 6), shares.take('a', 5), shares.take('a', 4), shares.take('b', 10)]).toEqual([
    true,
    false,
    true,
    true,
  ])
  shares.give('a', 4)
  expect([shares.take('a', 5), shares.take('a', 3)]).toEqual([false, true])
})
