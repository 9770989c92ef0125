import { expect, test } from 'vitest'
import { foldText, searchQuery, searchText } from './search-text.ts'

test.each([
  ['letter case', 'Mona HASSAN', 'mona hassan'],
  ['diacritics', 'Élodie Müller', 'elodie muller'],
  ['alef forms', 'أحمد إبراهيم آية', 'احمد ابراهيم ايه'],
  ['teh marbuta and alef maqsura', 'فاطمة مصطفى', 'فاطمه مصطفي'],
  ['short vowels and tatweel', 'مُحَمَّـــد', 'محمد'],
  ['Arabic-Indic and Persian digits', '٠١٢٣ ۴۵۶', '0123 456'],
])('folds %s', (_, written, folded) => {
  expect(foldText(written)).toBe(folded)
})

test('a phone number is entered as digits, forwards and backwards', () => {
  expect(searchText(['Mona', '+20 10-1234 5678', null]).split(/\s+/)).toEqual([
    'mona',
    '201012345678',
    'r876543210102',
    '',
  ])
})

test.each([
  ['words begin words', 'mona has', '"mona"* AND "has"*'],
  ['last digits of a phone', '5678', '("5678"* OR "r8765"*)'],
  ['a number as it is written', '+20 10 1234', '("20101234"* OR "r43210102"*)'],
  ['Arabic letters', 'أحمد', '"احمد"*'],
  ['quotes and operators are only text', 'a" OR b*', '"a"* AND "or"* AND "b"*'],
])('searchQuery: %s', (_, typed, query) => {
  expect(searchQuery(typed)).toBe(query)
})

test('nothing to search for', () => {
  expect(searchQuery('  .- ')).toBeNull()
})
