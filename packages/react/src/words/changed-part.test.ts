import { expect, test } from 'vitest'
import { changedParts } from './changed-part.ts'

test.each([
  ['wants a garden', 'wants a large garden', 'wants a [large ]garden'],
  ['wants a garden', 'wants a garden, ground floor', 'wants a [garden, ground floor]'],
  ['two rooms with a garden. Call', 'three rooms near a school. Call', '[three] rooms [near] a [school.] Call'],
  ['one two', 'three four', '[three four]'],
  ['wants a garden', 'wants a garden', 'wants a garden'],
  ['a a', 'a a a', 'a a[ a]'],
  ['', 'new', '[new]'],
  ['old words', '', ''],
])('%j → %j', (base, text, marked) => {
  const parts = changedParts(base, text)
  expect(parts.map((part) => (part.isChanged ? `[${part.text}]` : part.text)).join('')).toBe(marked)
  expect(parts.map((part) => part.text).join('')).toBe(text)
})

test('long texts are compared in little time: what lies between their ends counts as changed', () => {
  const words = (name: string) => Array.from({ length: 5_000 }, (_, i) => `${name}${i}`).join(' ')
  const parts = changedParts(`begin ${words('a')} end`, `begin ${words('b')} end`)
  expect(parts.map(({ isChanged }) => isChanged)).toEqual([false, true, false])
})
