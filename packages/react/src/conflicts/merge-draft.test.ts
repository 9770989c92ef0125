import type { ConflictItem } from '@holdfast/client'
import { collection, type Json, t } from '@holdfast/core'
import { expect, test } from 'vitest'
import { answered, answeredAll, followed, type MergeDraft, openRows, resultsOf, startDraft } from './merge-draft.ts'

const leads = collection({
  fields: { stage: t.text(), budget: t.integer({ min: 0, optional: true }), notes: t.text({ merge: 'manual' }) },
})

const own = { user: 'amal', device: 'd1', at: 1, correctedAt: 1 }
const other = { user: 'mona', device: 'd2', at: 2, correctedAt: 2 }

function item(
  field: string,
  sides: Partial<Pick<ConflictItem, 'id' | 'base' | 'local' | 'remote' | 'isOwn'>> = {},
): ConflictItem {
  return {
    id: `c-${field}`,
    collection: 'leads',
    record: 'r1',
    field,
    revision: 1,
    base: 'base',
    local: 'mine',
    remote: 'theirs',
    localBy: own,
    remoteBy: other,
    isOwn: true,
    openedAt: 3,
    ...sides,
  }
}

const fieldsOf = ({ rows }: MergeDraft) => rows.map(({ question }) => question.field)

test('[MD1] questions come in the order of the schema, the record as a whole first, the own side before others', () => {
  const draft = startDraft(leads, [
    item('notes', { id: 'b', isOwn: false }),
    item('stage'),
    item('notes', { id: 'a' }),
    item(''),
  ])
  expect(fieldsOf(draft)).toEqual(['', 'stage', 'notes'])
  expect(draft.rows[2]?.question.sides.map(({ id }) => id)).toEqual(['a', 'b'])
})

test('[MD1] the answer to a field settles the conflicts of all devices', () => {
  const draft = startDraft(leads, [
    item('notes', { id: 'a' }),
    item('notes', { id: 'b', local: 'third', isOwn: false }),
  ])
  expect(resultsOf(answered(draft, 'notes', { kind: 'local', conflict: 'b' }))).toEqual({ a: 'third', b: 'third' })
})

test('[MD2] nothing is ready before each question has an answer that its field may hold', () => {
  let draft = startDraft(leads, [item('stage'), item('budget', { base: 1, local: 2, remote: 3 })])
  expect(resultsOf(draft)).toBeNull()
  draft = answered(draft, 'stage', { kind: 'remote' })
  expect(resultsOf(draft)).toBeNull()
  for (const wrong of ['many', '-1', '1.5']) {
    expect(resultsOf(answered(draft, 'budget', { kind: 'typed', text: wrong }))).toBeNull()
  }
  expect(resultsOf(answered(draft, 'budget', { kind: 'typed', text: '4' }))).toEqual({
    'c-stage': 'theirs',
    'c-budget': 4,
  })
  expect(resultsOf(answered(draft, 'budget', { kind: 'typed', text: '' }))).toEqual({
    'c-stage': 'theirs',
    'c-budget': null,
  })
})

test.each<['local' | 'remote', string]>([
  ['local', 'mine'],
  ['remote', 'theirs'],
])('[MD2] everything from one hand: %s', (whose, value) => {
  const draft = answeredAll(startDraft(leads, [item('stage'), item('notes')]), whose)
  expect(resultsOf(draft)).toEqual({ 'c-stage': value, 'c-notes': value })
})

test('[MD2] of a record that shall be deleted the fields are no question', () => {
  const whole = item('', { local: null, remote: { stage: 'won' } })
  let draft = answered(startDraft(leads, [whole, item('notes')]), '', { kind: 'local', conflict: 'c-' })
  expect(resultsOf(draft)).toEqual({ 'c-': null })
  draft = answered(draft, '', { kind: 'remote' })
  expect(openRows(draft).map(({ question }) => question.field)).toEqual(['notes'])
  expect(resultsOf(answered(draft, 'notes', { kind: 'remote' }))).toEqual({
    'c-': { stage: 'won' },
    'c-notes': 'theirs',
  })
})

test('[MD3] an answer stands while the sides stay the same, though the conflicts are read anew', () => {
  const draft = answered(startDraft(leads, [item('notes')]), 'notes', { kind: 'remote' })
  expect(resultsOf(followed(draft, [item('notes')]))).toEqual({ 'c-notes': 'theirs' })
})

test.each<[string, Partial<ConflictItem>, ConflictItem['localBy']]>([
  ['theirs', { remote: 'theirs, once more' }, other],
  ['mine, in another tab', { local: 'mine, once more', revision: 2 }, own],
])('[MD3] a side that changes asks again, and says who changed it: %s', (_, change, by) => {
  const chosen = answered(startDraft(leads, [item('notes')]), 'notes', { kind: 'remote' })
  const again = followed(chosen, [{ ...item('notes'), ...change }])
  expect(again.rows[0]).toMatchObject({ answer: { kind: 'none' }, changedBy: by })
  expect(resultsOf(again)).toBeNull()
})

test('[MD3] what was typed is kept when it is asked again, and counts when the person says so', () => {
  const typed = { kind: 'typed', text: 'both' } as const
  const again = followed(answered(startDraft(leads, [item('notes')]), 'notes', typed), [
    item('notes', { remote: 'new' }),
  ])
  expect(again.rows[0]).toMatchObject({ answer: typed, changedBy: other })
  expect(resultsOf(again)).toBeNull()
  expect(resultsOf(answered(again, 'notes', typed))).toEqual({ 'c-notes': 'both' })
})

test('[MD3] a third side of the same field asks again', () => {
  const chosen = answered(startDraft(leads, [item('notes')]), 'notes', { kind: 'remote' })
  const third = item('notes', { id: 'third', local: 'third', isOwn: false })
  expect(followed(chosen, [item('notes'), third]).rows[0]).toMatchObject({ answer: { kind: 'none' }, changedBy: own })
})

test('[MD3] what was settled elsewhere is no question any more, and a new one is asked', () => {
  const draft = answered(startDraft(leads, [item('stage'), item('notes')]), 'notes', { kind: 'remote' })
  const next = followed(draft, [item('notes'), item('budget', { local: 1 as Json, remote: 2 as Json })])
  expect(fieldsOf(next)).toEqual(['budget', 'notes'])
  expect(openRows(next).map(({ question }) => question.field)).toEqual(['budget'])
})
