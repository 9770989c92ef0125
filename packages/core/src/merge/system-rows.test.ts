import { expect, test } from 'vitest'
import { checkPatch } from '../schema/complete-fields.ts'
import { systemCollections } from '../schema/system-collections.ts'
import type { Author } from './author.ts'
import type { Conflict } from './conflict.ts'
import type { Decision } from './decision.ts'
import { closedRow, conflictOf, conflictRow, decisionRow, isSameConflict, resultOf } from './system-rows.ts'

const ann: Author = { user: 'ann', device: 'd1', at: 10, correctedAt: 20 }
const bob: Author = { user: 'bob', device: 'd2', at: -5, correctedAt: 30 }
const subject = { collection: 'leads', record: 'r' }

const conflict: Conflict = {
  id: 'c',
  field: 'notes',
  revision: 2,
  base: null,
  local: { a: [1] },
  remote: 'x',
  localBy: ann,
  remoteBy: bob,
}

test('a conflict survives its row, which keeps the rules of its collection', () => {
  const row = conflictRow(subject, conflict, null, 7)
  expect(conflictOf('c', row)).toEqual(conflict)
  expect(row).toMatchObject({ version: 1, state: 'live', values: { fields: { subject: 'leads r', version: 7 } } })
  const { fields } = row.values
  expect(checkPatch('_conflicts', systemCollections._conflicts, fields)).toEqual(fields)
})

test('a conflict that changes moves its row on, and keeps when it was opened', () => {
  const first = conflictRow(subject, conflict, null, 7)
  const next = conflictRow(subject, { ...conflict, localBy: { ...ann, correctedAt: 90 } }, first, 8)
  expect(next).toMatchObject({ version: 2, values: { createdAt: 20, updatedAt: 90 } })
  expect(closedRow(next)).toMatchObject({ version: 3, state: 'deleted' })
})

test.each<[string, Partial<Conflict>, boolean]>([
  ['nothing', {}, true],
  ['the device’s side', { local: 'y' }, false],
  ['the record’s side', { remote: 'y' }, false],
  ['the count of changes', { revision: 3 }, false],
])('a row is written when %s has changed', (_, change, isSame) => {
  expect(isSameConflict(conflict, { ...conflict, ...change })).toBe(isSame)
})

test('a decision’s row says all of it, at the time of the server, and keeps the rules of its collection', () => {
  const decision: Decision = {
    field: '',
    strategy: 'deleteWins',
    winner: 'local',
    base: { a: 1 },
    local: null,
    remote: { a: 2 },
    result: null,
    localBy: ann,
    remoteBy: bob,
    settledBy: null,
  }
  const row = decisionRow(subject, decision, { operation: 'o', version: 7, by: ann, nowMs: 99 })
  expect(row.values).toMatchObject({
    createdAt: 99,
    fields: {
      ...{
        field: '',
        strategy: 'deleteWins',
        winner: 'local',
        base: { a: 1 },
        local: null,
        remote: { a: 2 },
        result: null,
      },
      ...{ localUser: 'ann', localDevice: 'd1', localAt: 10, localCorrectedAt: 20, remoteUser: 'bob', remoteAt: -5 },
      ...{ operation: 'o', version: 7, subject: 'leads r', settledUser: null },
    },
  })
  const { fields } = row.values
  expect(checkPatch('_decisions', systemCollections._decisions, fields)).toEqual(fields)
  const settled = decisionRow(
    subject,
    { ...decision, settledBy: bob },
    { operation: 'o', version: 7, by: bob, nowMs: 99 },
  )
  expect(settled.values.fields).toMatchObject({
    settledUser: 'bob',
    settledDevice: 'd2',
    settledAt: -5,
    settledCorrectedAt: 30,
  })
})

test('[I-19] what a decision says that stands is kept once, and read from its winner', () => {
  const sides = { field: 'name', strategy: 'lww', base: 'was', local: 'mine', remote: 'theirs' } as const
  const by = { localBy: ann, remoteBy: bob, settledBy: null }
  const met = { operation: 'o', version: 7, by: ann, nowMs: 99 }
  const stored = (winner: Decision['winner'], result: string) => {
    const { fields } = decisionRow(subject, { ...sides, ...by, winner, result }, met).values
    return [fields.result, resultOf(fields)]
  }
  expect(stored('local', 'mine')).toEqual([null, 'mine'])
  expect(stored('remote', 'theirs')).toEqual([null, 'theirs'])
  expect(stored('merged', 'both')).toEqual(['both', 'both'])
})
