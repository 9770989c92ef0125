/** What an operation says that its writer had seen. */
import { collection, type Json, t } from '@holdfast/core'
import { expect, test } from 'vitest'
import { createDevice } from '../server.test.kit.ts'
import { checkOperation } from './check-operation.ts'

const jobs = collection({
  fields: {
    name: t.text({ max: 5 }),
    stage: t.enum(['new', 'won']),
    due: t.instant(),
    size: t.integer({ max: 9 }),
    price: t.real(),
    isOpen: t.boolean(),
    info: t.json(),
    visits: t.counter({ grow: true }),
    tags: t.set(),
  },
})
/** The last instant of the year 9999. */
const instantMax = 253_402_300_799_999
const ali = createDevice('ali', 1)

const wasOf = (was: { readonly [name: string]: Json }) => {
  const checked = checkOperation(jobs, ali.update('l1', { name: 'a' }, { was }))
  return checked.kind === 'valid' ? checked.operation.was : checked
}

test.each<[string, { readonly [name: string]: Json }]>([
  ['a text that is longer than it may be now', { name: 'as it was allowed' }],
  ['a choice that is none any more', { stage: 'lost' }],
  ['a number beyond its bounds of now', { size: 10, price: -0.5 }],
  ['an instant at the end of its range', { due: instantMax }],
  ['null, of any field', { name: null, due: null, tags: null }],
  ['the others', { isOpen: true, info: { a: [1] }, visits: -1, tags: ['b', 'a'] }],
])('[I-19] what a field can have held counts as seen: %s', (_, was) => {
  expect(wasOf(was)).toEqual(was)
})

test.each<[string, { readonly [name: string]: Json }]>([
  ['a value of another kind', { name: { a: [1e300] }, stage: 1, isOpen: 'yes', tags: 'a', size: 0.5, price: '1' }],
  ['an instant that no calendar has', { due: instantMax + 1 }],
  ['a field that there is none of', { junk: 'x', toString: 'x', __proto__: 'x' }],
])('what no field of the schema can have held was not seen: %s', (_, was) => {
  expect(wasOf({ ...was, name: was.name ?? 'seen' })).toEqual(was.name === undefined ? { name: 'seen' } : {})
})
