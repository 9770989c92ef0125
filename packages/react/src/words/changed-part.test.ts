import { expect, test } from 'vitest'
import { changedPart } from './changed-part.ts'

test.each([
  ['wants a garden', 'wants a large garden', 'wants a ', 'large ', 'garden'],
  ['wants a garden', 'wants a garden, ground floor', 'wants a ', 'garden, ground floor', ''],
  ['wants a garden', 'wants a garden', 'wants a garden', '', ''],
  ['a a', 'a a a', 'a a', ' a', ''],
  ['', 'new', '', 'new', ''],
  ['old words', '', '', '', ''],
])('%j → %j', (base, text, before, changed, after) => {
  expect(changedPart(base, text)).toEqual({ before, changed, after })
  expect(before + changed + after).toBe(text)
})
