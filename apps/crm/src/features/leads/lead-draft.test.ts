import { expect, test } from 'vitest'
import { draftOf, emptyDraft, newsOf, patchOf, problemsOf, seenOf, valuesOf } from './lead-draft.ts'

test('the rules are those of the schema, said at the field', () => {
  expect(problemsOf(emptyDraft)).toEqual({ name: 'Must be filled in.' })
  expect(problemsOf({ ...emptyDraft, name: ' \n', budget: '-1' })).toEqual({
    name: 'Must be filled in.',
    budget: 'Must be at least 0.',
  })
  expect(problemsOf({ ...emptyDraft, name: 'Mona', budget: '1.5' })).toHaveProperty('budget')
  expect(problemsOf({ ...emptyDraft, name: 'Mona', budget: 'much' })).toHaveProperty('budget')
  expect(problemsOf({ ...emptyDraft, name: 'Mona' })).toEqual({})
})

test('an edit carries only what was changed in the form', () => {
  const lead = {
    ...valuesOf({ ...emptyDraft, name: 'Mona', budget: '100' }),
    id: '1',
    owner: 'agent-1',
    visits: 2,
    createdAt: 1,
    updatedAt: 1,
  }
  const before = draftOf(lead)
  expect(patchOf(before, before)).toEqual({})
  expect(patchOf(before, { ...before, name: ' Mona ' })).toEqual({})
  expect(patchOf(before, { ...before, budget: '', stage: 'visit' })).toEqual({ budget: 0, stage: 'visit' })
})

test('what a form has seen is what it showed, letter by letter', () => {
  const shown = { ...emptyDraft, name: ' Mona ', phone: '1 ', budget: '', notes: ' x ' }
  expect(seenOf(shown)).toMatchObject({ name: ' Mona ', phone: '1 ', budget: 0, notes: ' x ', stage: 'new' })
})

test('what somebody else changed meanwhile is told, field by field', () => {
  const from = { ...emptyDraft, name: 'Mona', notes: 'first' }
  const now = { ...from, name: 'Mona S.', notes: 'theirs', email: 'm@example.com' }
  expect(newsOf(from, from, from)).toEqual({})
  expect(newsOf(from, { ...from, notes: 'mine', email: 'm@example.com' }, now)).toEqual({
    name: 'left',
    notes: 'typed',
  })
  expect(newsOf(from, { ...from, notes: 'mine' }, from)).toEqual({})
})
