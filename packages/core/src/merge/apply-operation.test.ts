import fc from 'fast-check'
import { expect, test } from 'vitest'
import { collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import type { Disputed } from './apply-operation.ts'
import { apply, nowhere, ordersOf, take, takeAll, type Written } from './arbiter.test.kit.ts'

const leads = collection({ fields: { stage: t.text(), budget: t.integer(), visits: t.counter() } })

const created = take(leads, nowhere, { kind: 'create', fields: { stage: 'new', budget: 5, visits: 0 } })
const deleted = take(leads, created, { kind: 'delete', device: 2, version: 1, at: 2_000 })

const valuesOf = ({ record }: Disputed) => record?.values

test('a create starts at version 1 with the writer’s time', () => {
  expect(created.record).toMatchObject({ version: 1, state: 'live', values: { createdAt: 1_000, updatedAt: 1_000 } })
})

test('[C9] a deleted record id is never created again', () => {
  expect(apply(leads, deleted, { kind: 'create', fields: {} })).toMatchObject({ code: 'RECORD_DELETED' })
})

test('[I-20] an edit that meets a tombstone is refused; the tombstone stays', () => {
  const effect = apply(leads, deleted, { kind: 'update', fields: { stage: 'won' }, version: 1 })
  expect(effect).toMatchObject({ kind: 'refused', code: 'RECORD_DELETED' })
})

test('a second delete has nothing to do', () => {
  expect(apply(leads, deleted, { kind: 'delete', version: 1 })).toMatchObject({
    kind: 'unchanged',
    record: { version: 2 },
  })
})

test('what is written to a record that is not there is refused', () => {
  for (const kind of ['update', 'increment', 'add', 'remove', 'edit', 'delete', 'restore'] as const) {
    expect(apply(leads, nowhere, { kind })).toMatchObject({ kind: 'refused', code: 'NOT_FOUND' })
  }
})

test('[I-20] a restore based on the tombstone brings the record back, and an older edit then meets newer versions', () => {
  const restored = take(leads, deleted, { kind: 'restore', version: 2, device: 3, at: 3_000 })
  expect(restored.record).toMatchObject({ version: 3, state: 'live', values: { fields: { stage: 'new' } } })
  const late: Written = { kind: 'update', fields: { stage: 'won' }, was: { stage: 'visit' }, version: 1, at: 1_500 }
  expect(apply(leads, restored, late)).toMatchObject({
    kind: 'unchanged',
    decisions: [{ field: 'stage', winner: 'remote', base: 'visit', local: 'won', remote: 'new', result: 'new' }],
  })
})

test('[C9] a device restores what it deleted itself without having seen the tombstone; nobody else does', () => {
  expect(apply(leads, deleted, { kind: 'restore', version: 1, device: 2 })).toMatchObject({ kind: 'changed' })
  expect(apply(leads, deleted, { kind: 'restore', version: 1, device: 3 })).toMatchObject({ code: 'RECORD_DELETED' })
})

test('updatedAt is the time of the newest kept field and never goes back', () => {
  const ends = takeAll(leads, created, [
    { kind: 'update', fields: { stage: 'won' }, version: 1, at: 9_000 },
    { kind: 'update', fields: { budget: 7 }, was: { budget: 5 }, version: 1, device: 2, at: 4_000 },
  ])
  expect(valuesOf(ends)).toEqual({
    createdAt: 1_000,
    updatedAt: 9_000,
    fields: { stage: 'won', budget: 7, visits: 0 },
  })
})

test('[I-18] [C7] increments add up in every order and never clash', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 8 }), (added) => {
      const sum = (order: readonly number[]) => {
        const writes = order.map((by, n): Written => ({ kind: 'increment', fields: { visits: by }, device: n % 9 }))
        return valuesOf(takeAll(leads, created, writes))?.fields.visits
      }
      expect(sum(added)).toBe(sum([...added].reverse()))
      expect(sum(added)).toBe(added.reduce((a, b) => a + b, 0))
    }),
  )
})

test('[I-19] concurrent edits of different fields are both kept, in both orders of arrival', () => {
  const edits: readonly Written[] = [
    { kind: 'update', fields: { stage: 'won' }, was: { stage: 'new' }, version: 1, device: 1, at: 5_000 },
    { kind: 'update', fields: { budget: 9 }, was: { budget: 5 }, version: 1, device: 2, at: 4_000 },
  ]
  for (const order of ordersOf(edits)) {
    expect(valuesOf(takeAll(leads, created, order))).toEqual({
      createdAt: 1_000,
      updatedAt: 5_000,
      fields: { stage: 'won', budget: 9, visits: 0 },
    })
  }
})

test('a device that was set back writes over itself and keeps the stamp that it had reached', () => {
  const ahead = take(leads, created, { kind: 'update', fields: { stage: 'a' }, version: 1, at: 9_000 })
  const back = take(leads, ahead, { kind: 'update', fields: { stage: 'b' }, version: 1, at: 3_000 })
  expect(back.record.values.fields.stage).toBe('b')
  expect(back.record.stamps.stage).toMatchObject({ stamp: ahead.record.stamps.stage?.stamp, version: 3 })
})
