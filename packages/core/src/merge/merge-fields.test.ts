import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JsonObject } from '../json.ts'
import type { MergeStrategy } from '../schema/collection.ts'
import { lastWriteWins } from './last-write-wins.ts'
import { type FieldMerge, type FieldStamp, mergeFields } from './merge-fields.ts'

const by = (device: string, version: number, stamp: string): FieldStamp => ({ device, version, stamp, user: 'u' })

interface MergeCase {
  readonly name: string
  readonly strategy?: MergeStrategy
  readonly current: JsonObject
  readonly stamps: { readonly [field: string]: FieldStamp }
  readonly edit: { fields: JsonObject; was?: JsonObject; baseVersion: number | null; device?: string; stamp?: string }
  readonly expected: FieldMerge
}

const created = by('a', 1, '1')

test.each<MergeCase>([
  {
    name: '[MF1] a field that nobody wrote since the base takes the incoming value',
    current: { stage: 'new' },
    stamps: { '': created },
    edit: { fields: { stage: 'won' }, baseVersion: 1 },
    expected: { taken: { stage: 'won' }, dropped: [], clashed: false },
  },
  {
    name: '[C1] different fields of one record: both stand',
    current: { stage: 'won', budget: 5 },
    stamps: { '': created, stage: by('a', 2, '9') },
    edit: { fields: { budget: 7 }, was: { budget: 5 }, baseVersion: 1 },
    expected: { taken: { budget: 7 }, dropped: [], clashed: false },
  },
  {
    name: '[MF2] a device never conflicts with itself',
    current: { stage: 'visit' },
    stamps: { '': created, stage: by('b', 2, '9') },
    edit: { fields: { stage: 'won' }, was: { stage: 'new' }, baseVersion: 1, device: 'b' },
    expected: { taken: { stage: 'won' }, dropped: [], clashed: false },
  },
  {
    name: '[MF3] the same value on both sides is no clash',
    current: { stage: 'won' },
    stamps: { '': created, stage: by('a', 2, '9') },
    edit: { fields: { stage: 'won' }, was: { stage: 'new' }, baseVersion: 1 },
    expected: { taken: { stage: 'won' }, dropped: [], clashed: false },
  },
  {
    name: '[MF3] a value that went away and came back to what the writer saw is no clash',
    current: { stage: 'new' },
    stamps: { '': created, stage: by('a', 3, '9') },
    edit: { fields: { stage: 'won' }, was: { stage: 'new' }, baseVersion: 1 },
    expected: { taken: { stage: 'won' }, dropped: [], clashed: false },
  },
  {
    name: '[MF4] a clash: the later write stands',
    current: { stage: 'lost' },
    stamps: { '': created, stage: by('a', 2, '4') },
    edit: { fields: { stage: 'won' }, was: { stage: 'new' }, baseVersion: 1, stamp: '5' },
    expected: { taken: { stage: 'won' }, dropped: [], clashed: true },
  },
  {
    name: '[MF4] a clash: the earlier write is dropped and named, its other fields stand',
    current: { stage: 'lost', budget: 5 },
    stamps: { '': created, stage: by('a', 2, '9') },
    edit: { fields: { stage: 'won', budget: 7 }, was: { stage: 'new', budget: 5 }, baseVersion: 1, stamp: '5' },
    expected: { taken: { budget: 7 }, dropped: ['stage'], clashed: true },
  },
  {
    name: '[I-9] a base of another generation counts as unknown',
    current: { stage: 'lost' },
    stamps: { '': by('a', 1, '9') },
    edit: { fields: { stage: 'won' }, was: { stage: 'new' }, baseVersion: null, stamp: '5' },
    expected: { taken: {}, dropped: ['stage'], clashed: true },
  },
  {
    name: '[C2] lww: the later write stands, though its writer had seen less',
    strategy: 'lww',
    current: { stage: 'lost' },
    stamps: { '': created, stage: by('a', 7, '4') },
    edit: { fields: { stage: 'won' }, baseVersion: 1, stamp: '5' },
    expected: { taken: { stage: 'won' }, dropped: [], clashed: false },
  },
  {
    name: '[C2] lww: the earlier write is dropped',
    strategy: 'lww',
    current: { stage: 'lost' },
    stamps: { '': created, stage: by('a', 2, '9') },
    edit: { fields: { stage: 'won' }, baseVersion: 2, device: 'b', stamp: '5' },
    expected: { taken: {}, dropped: ['stage'], clashed: true },
  },
  {
    name: '[C1] lww: a device never loses to itself, though its clock was set back in between',
    strategy: 'lww',
    current: { stage: 'lost' },
    stamps: { '': created, stage: by('b', 2, '9') },
    edit: { fields: { stage: 'won' }, baseVersion: 2, device: 'b', stamp: '5' },
    expected: { taken: { stage: 'won' }, dropped: [], clashed: false },
  },
])('$name', ({ strategy, current, stamps, edit, expected }) => {
  const merge = mergeFields(
    strategy ?? 'fields',
    { fields: current, stampOf: (field) => stamps[field] ?? stamps[''] ?? created },
    { was: {}, device: 'b', stamp: '5', ...edit },
  )
  expect(merge).toEqual(expected)
})

test('[I-18] last write wins is commutative, associative and idempotent', () => {
  const stamp = fc.record({ stamp: fc.string({ minLength: 1 }) })
  const winner = (a: { stamp: string }, b: { stamp: string }) => (lastWriteWins(a, b) === 'incoming' ? b : a).stamp
  fc.assert(
    fc.property(stamp, stamp, stamp, (a, b, c) => {
      expect(winner(a, b)).toBe(winner(b, a))
      expect(winner({ stamp: winner(a, b) }, c)).toBe(winner(a, { stamp: winner(b, c) }))
      expect(winner(a, a)).toBe(a.stamp)
    }),
  )
})
