import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Difference, differences } from './differences.ts'

const words = fc
  .array(fc.constantFrom('one', 'two', 'three', 'a', ' ', '\n', ', ', '\u{1F98A}', '\u{1F98B}', 'é'), { maxLength: 30 })
  .map((all) => all.join(''))

function applied(before: string, stretches: readonly Difference[]): string {
  let [text, from] = ['', 0]
  for (const { at, removed, inserted } of stretches) {
    text += before.slice(from, at) + inserted
    from = at + removed
  }
  return text + before.slice(from)
}

describe('the stretches in which texts differ', () => {
  test('[DF1] make of the one the other', () => {
    fc.assert(
      fc.property(words, words, (before, after) => {
        expect(applied(before, differences(before, after))).toBe(after)
      }),
    )
  })

  test('[DF1] of texts with nothing in common, however long', () => {
    const before = Array.from({ length: 5_000 }, (_, index) => `a${index}`).join(' ')
    const after = Array.from({ length: 5_000 }, (_, index) => `b${index}`).join('-')
    expect(applied(before, differences(before, after))).toBe(after)
  })

  test('[DF2] never cut a character in two', () => {
    fc.assert(
      fc.property(words, words, (before, after) => {
        for (const { at, removed, inserted } of differences(before, after)) {
          expect(
            [before.slice(0, at), before.slice(at, at + removed), inserted].every((part) => part.isWellFormed()),
          ).toBe(true)
        }
      }),
    )
  })

  test('are as small as they are', () => {
    expect(differences('the quick brown fox', 'Look: the quicker brown fox jumps')).toEqual([
      { at: 0, removed: 0, inserted: 'Look: ' },
      { at: 9, removed: 0, inserted: 'er' },
      { at: 19, removed: 0, inserted: ' jumps' },
    ])
    expect(differences('Go at nine.', 'Please go at nine. Bring keys.').at(-1)).toEqual({
      at: 11,
      removed: 0,
      inserted: ' Bring keys.',
    })
    expect(differences('same', 'same')).toEqual([])
  })
})
