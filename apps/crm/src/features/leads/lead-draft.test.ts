import { expect, test } from 'vitest'
import { draftOf, emptyDraft, patchOf, problemsOf, valuesOf } from './lead-draft.ts'

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
