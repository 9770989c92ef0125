import { type Field, type Json, t } from '@holdfast/core'
import { expect, test } from 'vitest'
import { parseTyped, textToType } from './typed-value.ts'

const cases: readonly (readonly [string, Field, Json, string])[] = [
  ['text', t.text(), 'two words ', 'two words '],
  ['a whole number', t.integer(), -7, '-7'],
  ['a number', t.real(), 1.25, '1.25'],
  ['yes', t.boolean(), true, 'true'],
  ['no', t.boolean(), false, 'false'],
  ['one of some', t.enum(['a', 'b']), 'b', 'b'],
  ['nothing', t.integer({ optional: true }), null, ''],
  ['no date', t.instant({ optional: true }), null, ''],
]

test.each(cases)('%s is typed as it is shown', (_, field, value, text) => {
  expect(textToType(field, value)).toBe(text)
  expect(parseTyped(field, text)).toEqual({ kind: 'value', value })
})

test('a moment is typed by the minute in the time of the device', () => {
  const at = new Date(2026, 2, 5, 9, 7).getTime()
  expect(textToType(t.instant(), at)).toBe('2026-03-05T09:07')
  expect(parseTyped(t.instant(), '2026-03-05T09:07')).toEqual({ kind: 'value', value: at })
})

test('JSON is typed as JSON', () => {
  const field = t.json<Json>()
  expect(parseTyped(field, textToType(field, { a: [1] }))).toEqual({ kind: 'value', value: { a: [1] } })
})

test.each<[Field, string, string]>([
  [t.integer(), '', 'a whole number'],
  [t.integer(), 'x', 'a whole number'],
  [t.integer({ min: 0 }), '-1', 'at least 0'],
  [t.real(), 'x', 'a number'],
  [t.boolean(), '', 'chosen'],
  [t.enum(['a']), '', 'one of a'],
  [t.instant(), '', 'a date and a time'],
  [t.json<Json>(), '{', 'JSON'],
  [t.text({ min: 1 }), '', 'filled in'],
])('what a field may not hold is said', (field, text, rule) => {
  expect(parseTyped(field, text)).toEqual({ kind: 'wrong', rule })
})
