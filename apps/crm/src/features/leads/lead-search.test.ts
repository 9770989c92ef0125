import { expect, test } from 'vitest'
import { filterCount, parseLeadSearch } from './lead-search.ts'

test.each<{ readonly name: string; readonly url: { readonly [key: string]: unknown }; readonly search: object }>([
  { name: 'nothing given: the plain list', url: {}, search: {} },
  { name: 'what is known is taken', url: { stage: 'visit', sort: 'name' }, search: { stage: 'visit', sort: 'name' } },
  { name: 'what is unknown is dropped', url: { stage: 'x', source: 1, sort: 'x', owner: 'x', more: 1 }, search: {} },
  { name: 'the default sort is left out', url: { sort: 'updated' }, search: {} },
  { name: 'digits, which the router reads as a number, are text', url: { q: 217 }, search: { q: '217' } },
  { name: 'an empty search is none', url: { q: '', district: '' }, search: {} },
  { name: 'a search is bounded', url: { q: 'a'.repeat(500) }, search: { q: 'a'.repeat(200) } },
])('$name', ({ url, search }) => {
  expect(parseLeadSearch(url)).toEqual(search)
})

test('search and sort are no filters', () => {
  expect(filterCount({ q: 'mona', sort: 'name' })).toBe(0)
  expect(filterCount({ stage: 'new', owner: 'mine', district: 'Maadi' })).toBe(3)
})
