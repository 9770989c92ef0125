/** What the server cannot take for seen: fields that the writer's app does not know, other users' writes under the same device id, versions that never were. */
import { describe, expect, test } from 'vitest'
import { collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import {
  type ClashStrategy,
  causal,
  type DeleteStrategy,
  type MergeOption,
  wholeRecord,
} from '../schema/merge-strategy.ts'
import type { Disputed } from './apply-operation.ts'
import { device, nowhere, take, takeAll, type Written } from './arbiter.test.kit.ts'

/** The older app does not know the field `b`. */
const jobsOf = (merge: MergeOption, deletes: DeleteStrategy = 'deleteWins') =>
  collection({ fields: { a: t.text({ optional: true }), b: t.text() }, merge, deletes })

const start = (merge: MergeOption, deletes?: DeleteStrategy) =>
  take(jobsOf(merge, deletes), nowhere, { kind: 'create', device: 9, at: 1, fields: { a: 'a0', b: 'b0' } })

const newer: Written = {
  kind: 'update',
  device: 1,
  n: 1,
  version: 1,
  fields: { b: 'written' },
  was: { b: 'b0' },
  at: 101,
}
const valuesOf = ({ record }: Disputed) => record?.values.fields

describe('an older app', () => {
  test.each<{ deletes: DeleteStrategy; expected: object }>([
    { deletes: 'deleteWins', expected: { decisions: [{ field: '', remote: { b: 'written' } }] } },
    { deletes: 'editWins', expected: { record: { state: 'live' }, decisions: [{ strategy: 'editWins' }] } },
    { deletes: 'ask', expected: { conflicts: [{ field: '', local: null, remote: { b: 'written' } }] } },
  ])('[I-19] [C9] its deletion has not seen an edit of a field that it does not know; $deletes', (given) => {
    const of = jobsOf('fields', given.deletes)
    const edited = take(of, start('fields', given.deletes), newer)
    const deletion: Written = { kind: 'delete', device: 2, n: 2, version: 1, was: { a: 'a0' } }
    expect(take(of, edited, deletion)).toMatchObject(given.expected)
    // Once it has the version with that edit, the deletion is one.
    expect(take(of, edited, { ...deletion, version: 2 })).toMatchObject({ record: { state: 'deleted' }, decisions: [] })
  })

  test('[C10] [MF5] its edit is not mixed with a field that it does not know: a person is asked', () => {
    const of = jobsOf(wholeRecord('manual'))
    const edited = take(of, start(wholeRecord('manual')), newer)
    const next = take(of, edited, {
      kind: 'update',
      device: 2,
      n: 2,
      version: 1,
      fields: { a: 'a2' },
      was: { a: 'a0' },
    })
    expect(valuesOf(next)).toEqual({ a: 'a0', b: 'written' })
    expect(next.conflicts).toMatchObject([{ field: '', local: { a: 'a2' }, remote: { a: 'a0', b: 'written' } }])
    expect(next.conflicts[0]?.local).not.toHaveProperty('b')
  })

  test.each<ClashStrategy & string>(['lww', 'serverTime', 'serverWins', 'clientWins'])(
    '[C10] [MF5] nor by %s: its side is not known in full, so the record’s stands, with a decision',
    (clash) => {
      const of = jobsOf(wholeRecord(clash as 'lww'))
      const edited = take(of, start(wholeRecord(clash as 'lww')), newer)
      const edit: Written = {
        kind: 'update',
        device: 2,
        n: 2,
        version: 1,
        fields: { a: 'a2' },
        was: { a: 'a0' },
        at: 900,
      }
      const next = take(of, edited, edit)
      expect(valuesOf(next)).toEqual({ a: 'a0', b: 'written' })
      expect(next.decisions).toMatchObject([{ field: '', local: { a: 'a2' }, winner: 'remote' }])
      // What was there already when it looked, it goes on with.
      expect(valuesOf(take(of, edited, { ...edit, version: 2 }))).toEqual({ a: 'a2', b: 'written' })
    },
  )
})

describe('another user under the same device id', () => {
  const of = jobsOf('manual')
  const asked = takeAll(of, start('manual'), [
    { kind: 'update', device: 1, n: 1, version: 1, fields: { a: 'one' }, was: { a: 'a0' }, at: 101 },
    { kind: 'update', device: 2, n: 2, version: 1, fields: { a: 'long words' }, was: { a: 'a0' }, at: 102 },
  ])
  const eve: Written = {
    kind: 'update',
    user: 'eve',
    device: 2,
    n: 3,
    version: 1,
    fields: { a: 'eve' },
    was: { a: 'a0' },
  }

  test('[CF1] [I-19] is another writer: the own question stays as it is', () => {
    const next = take(of, asked, eve)
    expect(next.conflicts).toMatchObject([
      { local: 'long words', revision: 1, localBy: { user: 'user-2' } },
      { local: 'eve', localBy: { user: 'eve', device: device(2) } },
    ])
  })

  test('[CF3] settles only what was seen', () => {
    const amended = take(of, asked, { ...eve, user: 'user-2', fields: { a: 'long words, more' } })
    const settles = asked.conflicts.map(({ id, revision }) => ({ conflict: id, revision }))
    const next = take(of, amended, { kind: 'update', user: 'eve', device: 2, n: 4, version: 3, settles })
    expect(next.conflicts).toMatchObject([{ local: 'long words, more' }])
  })

  test.each<MergeOption>(['serverWins', causal('ask'), wholeRecord('serverWins')])(
    '[MF2] has not seen its writes',
    (merge) => {
      const first: Written = {
        kind: 'update',
        device: 2,
        n: 1,
        version: 1,
        fields: { a: 'first' },
        was: { a: 'a0', b: 'b0' },
      }
      const written = take(jobsOf(merge), start(merge), first)
      const next = take(jobsOf(merge), written, { ...eve, was: { a: 'a0', b: 'b0' } })
      expect(valuesOf(next)?.a).toBe('first')
      expect(next.decisions.length + next.conflicts.length).toBe(1)
    },
  )

  test('[I-20] has not deleted what it deleted', () => {
    const all = jobsOf('fields', 'ask')
    const gone = take(all, start('fields', 'ask'), {
      kind: 'delete',
      device: 2,
      n: 1,
      version: 1,
      was: { a: 'a0', b: 'b0' },
    })
    expect(take(all, gone, eve).conflicts).toMatchObject([{ field: '', local: { a: 'eve' }, remote: null }])
  })
})

test('[MF1] a version that the record never had was not seen', () => {
  const of = jobsOf('manual')
  const written = take(of, start('manual'), newer)
  const edit: Written = { kind: 'update', device: 2, n: 2, version: 2 ** 53 - 1, fields: { b: 'mine' } }
  expect(take(of, written, edit).conflicts).toMatchObject([{ field: 'b', local: 'mine', remote: 'written' }])
})

test('[I-19] a question whose side is to clear a field is told, like any value, when its record is deleted', () => {
  const of = jobsOf('manual')
  const asked = takeAll(of, start('manual'), [
    { kind: 'update', device: 1, n: 1, version: 1, fields: { a: 'one' }, was: { a: 'a0' } },
    { kind: 'update', device: 2, n: 2, version: 1, fields: { a: null }, was: { a: 'a0' } },
  ])
  const gone = take(of, asked, { kind: 'delete', device: 1, n: 3, version: 3, was: { a: 'one', b: 'b0' } })
  expect(gone).toMatchObject({
    conflicts: [],
    decisions: [{ field: 'a', strategy: 'deleteWins', local: null, base: 'a0' }],
  })
})
