import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stampOf } from '../clock/hlc.ts'
import { parseDeviceId, parseGeneration, parseOperationId, parseTransactionId, parseUserId } from '../ids.ts'
import type { JsonObject } from '../json.ts'
import type { Operation, OperationKind } from '../protocol/operation.ts'
import { collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import { applyOperation, type Effect, type ServerRecord } from './apply-operation.ts'

const generation = parseGeneration('abcd1234')
const leads = collection({ fields: { stage: t.text(), budget: t.integer(), visits: t.counter() } })
const device = (n: number) => parseDeviceId(`0190aaaa-bbbb-7ccc-8ddd-00000000000${n}`)

interface Given {
  readonly kind: OperationKind
  readonly fields?: JsonObject
  readonly was?: JsonObject
  readonly version?: number
  readonly device?: number
  readonly at?: number
}

function apply(before: ServerRecord | null, given: Given): Effect {
  const at = given.at ?? 1_000
  const writer = device(given.device ?? 1)
  const operation: Operation = {
    id: parseOperationId('0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000'),
    user: parseUserId('u'),
    device: writer,
    seq: 1,
    tx: { id: parseTransactionId('0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000'), index: 0, count: 1 },
    collection: 'leads',
    record: 'r',
    kind: given.kind,
    fields: given.fields ?? {},
    was: given.was ?? {},
    base: { generation, version: given.version ?? 0 },
    time: { at, epoch: 0, hlc: { ms: at, counter: 0 } },
    schemaVersion: 1,
    replaces: null,
  }
  return applyOperation(leads, before, { operation, correctedMs: at, stamp: stampOf(at, 0, writer) }, generation)
}

function recordOf(effect: Effect): ServerRecord {
  if (effect.kind === 'refused') throw new Error(`refused: ${effect.code}`)
  return effect.record
}

const created = recordOf(apply(null, { kind: 'create', fields: { stage: 'new', budget: 5, visits: 0 } }))
const deleted = recordOf(apply(created, { kind: 'delete', device: 2, version: 1, at: 2_000 }))

test('a create starts at version 1 with the writer’s time', () => {
  expect(created).toMatchObject({ version: 1, state: 'live', values: { createdAt: 1_000, updatedAt: 1_000 } })
})

test('[C9] a deleted record id is never created again', () => {
  expect(apply(deleted, { kind: 'create', fields: {} })).toMatchObject({ kind: 'refused', code: 'RECORD_DELETED' })
})

test('[I-20] an edit that meets a tombstone is refused; the tombstone stays', () => {
  expect(apply(deleted, { kind: 'update', fields: { stage: 'won' }, version: 1 })).toMatchObject({
    kind: 'refused',
    code: 'RECORD_DELETED',
  })
})

test('a second delete has nothing to do', () => {
  expect(apply(deleted, { kind: 'delete', version: 1 })).toMatchObject({ kind: 'unchanged', record: { version: 2 } })
})

test('[I-20] a restore based on the tombstone brings the record back, and an older edit then meets newer versions', () => {
  const restored = recordOf(apply(deleted, { kind: 'restore', version: deleted.version, device: 3, at: 3_000 }))
  expect(restored).toMatchObject({ version: 3, state: 'live', values: { fields: { stage: 'new' } } })
  const late = apply(restored, {
    kind: 'update',
    fields: { stage: 'won' },
    was: { stage: 'visit' },
    version: 1,
    at: 1_500,
  })
  expect(late).toMatchObject({ kind: 'unchanged', merged: true, dropped: ['stage'] })
})

test('[C9] a device restores what it deleted itself without having seen the tombstone; nobody else does', () => {
  expect(apply(deleted, { kind: 'restore', version: 1, device: 2 })).toMatchObject({ kind: 'changed' })
  expect(apply(deleted, { kind: 'restore', version: 1, device: 3 })).toMatchObject({
    kind: 'refused',
    code: 'RECORD_DELETED',
  })
})

test('updatedAt is the time of the newest kept field and never goes back', () => {
  const later = recordOf(apply(created, { kind: 'update', fields: { stage: 'won' }, version: 1, at: 9_000 }))
  const other = recordOf(
    apply(later, { kind: 'update', fields: { budget: 7 }, was: { budget: 5 }, version: 1, device: 2, at: 4_000 }),
  )
  expect(other.values).toEqual({ createdAt: 1_000, updatedAt: 9_000, fields: { stage: 'won', budget: 7, visits: 0 } })
})

test('[I-18] increments add up in every order and never clash', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 8 }), (added) => {
      const sum = (order: readonly number[]) =>
        order.reduce<ServerRecord>(
          (record, by, n) => recordOf(apply(record, { kind: 'increment', fields: { visits: by }, device: n % 9 })),
          created,
        ).values.fields.visits
      expect(sum(added)).toBe(sum([...added].reverse()))
      expect(sum(added)).toBe(added.reduce((a, b) => a + b, 0))
    }),
  )
})

test('[I-19] concurrent edits of different fields are both kept, in both orders of arrival', () => {
  const edits: readonly Given[] = [
    { kind: 'update', fields: { stage: 'won' }, was: { stage: 'new' }, version: 1, device: 1, at: 5_000 },
    { kind: 'update', fields: { budget: 9 }, was: { budget: 5 }, version: 1, device: 2, at: 4_000 },
  ]
  for (const order of [edits, [...edits].reverse()]) {
    const end = order.reduce<ServerRecord>((record, edit) => recordOf(apply(record, edit)), created)
    expect(end.values).toEqual({ createdAt: 1_000, updatedAt: 5_000, fields: { stage: 'won', budget: 9, visits: 0 } })
  }
})

test('[I-18] concurrent edits of one field end alike in both orders of arrival', () => {
  fc.assert(
    fc.property(fc.nat(10), fc.nat(10), (atA, atB) => {
      const edits: readonly Given[] = [
        { kind: 'update', fields: { stage: 'a' }, was: { stage: 'new' }, version: 1, device: 1, at: 2_000 + atA },
        { kind: 'update', fields: { stage: 'b' }, was: { stage: 'new' }, version: 1, device: 2, at: 2_000 + atB },
      ]
      const foreign = { ...created, stamps: { '': { version: 1, device: 'other', user: 'u', stamp: '0' } } }
      const ends = [edits, [...edits].reverse()].map((order) =>
        order.reduce<ServerRecord>((record, edit) => recordOf(apply(record, edit)), foreign),
      )
      expect(ends[0]?.values).toEqual(ends[1]?.values)
    }),
  )
})

test('a device that was set back writes over itself and keeps the stamp that it had reached', () => {
  const ahead = recordOf(apply(created, { kind: 'update', fields: { stage: 'a' }, version: 1, at: 9_000 }))
  const back = recordOf(apply(ahead, { kind: 'update', fields: { stage: 'b' }, version: 1, at: 3_000 }))
  expect(back.values.fields.stage).toBe('b')
  expect(back.stamps.stage).toEqual({ ...ahead.stamps.stage, version: 3 })
})
