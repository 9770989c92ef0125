/** One edit onto what a record holds: a table of cases for each strategy. */
import { expect, test } from 'vitest'
import { stampOf } from '../clock/hlc.ts'
import { parseOperationId } from '../ids.ts'
import type { Json, JsonObject } from '../json.ts'
import { collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import { type ClashStrategy, causal, type MergeOption, wholeRecord } from '../schema/merge-strategy.ts'
import type { Decision } from './decision.ts'
import type { FieldStamp } from './field-stamp.ts'
import { MergeFault, mergeEdit } from './merge-edit.ts'

const by = (device: string, version: number, at: number): FieldStamp => ({
  device,
  version,
  user: `user of ${device}`,
  stamp: stampOf(at, 0, device),
  at,
})
const created = by('a', 1, 1)

interface Given {
  readonly merge?: MergeOption
  /** Of the field `stage`. */
  readonly field?: ClashStrategy
  readonly current: JsonObject
  readonly stamps: { readonly [field: string]: FieldStamp }
  readonly vector?: { readonly [device: string]: number }
  readonly edit: JsonObject
  readonly was?: JsonObject
  readonly baseVersion?: number | null
  readonly device?: string
  readonly at?: number
  /** Whether it is sent again in place of one that was refused. */
  readonly isAgain?: boolean
  /** Fields of a settlement whose question somebody has closed since. */
  readonly overtaken?: readonly string[]
}

const refused = parseOperationId('0190aaaa-bbbb-7ccc-8ddd-000000000001')

function merge(given: Given) {
  const leads = collection({
    fields: {
      stage: given.field === undefined ? t.text({ max: 10 }) : t.text({ max: 10, merge: given.field }),
      budget: t.integer(),
      visits: t.counter(),
    },
    merge: given.merge ?? 'fields',
  })
  const {
    current,
    stamps,
    edit,
    was = {},
    baseVersion = 1,
    device = 'b',
    at = 5,
    isAgain = false,
    overtaken = [],
  } = given
  const stampFor = (field: string) => stamps[field] ?? stamps[''] ?? created
  return mergeEdit(
    leads,
    { fields: current, stampOf: stampFor, vectorOf: () => given.vector ?? {} },
    {
      fields: edit,
      was,
      baseVersion,
      author: { user: `user of ${device}`, device, at, correctedAt: at },
      stamp: stampOf(at, 0, device),
      replaces: isAgain ? [refused] : [],
      overtaken: new Set(overtaken),
    },
  )
}

interface MergeCase extends Given {
  readonly name: string
  readonly taken: JsonObject
  readonly decisions?: readonly (Partial<Omit<Decision, 'localBy' | 'remoteBy'>> & {
    readonly localBy?: { readonly at: number }
    readonly remoteBy?: { readonly at: number }
  })[]
  readonly asks?: readonly {
    readonly field: string
    readonly base: Json
    readonly local: Json
    readonly remote: Json
  }[]
}

/** Device a wrote 'lost' into a stage that b had seen as 'new'; b writes 'won', later than a unless the case says otherwise. */
const clash = {
  current: { stage: 'lost', budget: 5 },
  stamps: { '': created, stage: by('a', 2, 4) },
  edit: { stage: 'won' },
  was: { stage: 'new' },
}
const sides = { field: 'stage', base: 'new', local: 'won', remote: 'lost' }

const recordClash = {
  current: { stage: 'lost', budget: 5, visits: 2 },
  stamps: { '': created, stage: by('a', 2, 4), visits: by('c', 3, 9) },
  edit: { budget: 7 },
  was: { stage: 'new', budget: 5 },
}
const recordSides = {
  field: '',
  base: { stage: 'new', budget: 5 },
  local: { stage: 'new', budget: 7 },
  remote: { stage: 'lost', budget: 5 },
}

test.each<MergeCase>([
  {
    name: '[MF1] a field that nobody wrote since the base takes the incoming value',
    current: { stage: 'new' },
    stamps: { '': created },
    edit: { stage: 'won' },
    taken: { stage: 'won' },
  },
  ...(['manual', 'lww', 'serverWins'] as const).map(
    (field): MergeCase => ({
      name: `[MF1] [I-19] a form that was older than the record: its device had the value, its writer had not (${field})`,
      ...clash,
      field,
      baseVersion: 2,
      taken: field === 'lww' ? { stage: 'won' } : {},
      asks: field === 'manual' ? [sides] : [],
      decisions:
        field === 'manual'
          ? []
          : [
              {
                ...sides,
                strategy: field,
                winner: field === 'lww' ? 'local' : 'remote',
                result: field === 'lww' ? 'won' : 'lost',
              },
            ],
    }),
  ),
  {
    name: '[C1] different fields of one record: both stand',
    current: { stage: 'won', budget: 5 },
    stamps: { '': created, stage: by('a', 2, 9) },
    edit: { budget: 7 },
    was: { budget: 5 },
    taken: { budget: 7 },
  },
  {
    name: '[MF2] a device never conflicts with itself',
    ...clash,
    stamps: { '': created, stage: by('b', 2, 9) },
    taken: { stage: 'won' },
  },
  {
    name: '[MF2] what it has written since is not seen by what it sends again: the later one stands, and both are told',
    ...clash,
    stamps: { '': created, stage: by('b', 2, 9) },
    isAgain: true,
    taken: {},
    decisions: [{ ...sides, winner: 'remote', strategy: 'lww', localBy: { at: 5 }, remoteBy: { at: 9 } }],
  },
  {
    name: '[MF2] so it is asked where people are',
    ...clash,
    merge: 'manual',
    stamps: { '': created, stage: by('b', 2, 9) },
    isAgain: true,
    taken: {},
    asks: [sides],
  },
  {
    name: '[MF2] what it had written before, it had seen: sent before, or with a stamp that has outrun that of another one',
    ...clash,
    merge: 'manual',
    stamps: { '': created, stage: by('b', 2, 4) },
    isAgain: true,
    taken: { stage: 'won' },
  },
  {
    name: '[MF2] and so it had what was confirmed when it wrote',
    ...clash,
    merge: 'manual',
    stamps: { '': created, stage: by('b', 2, 9) },
    baseVersion: 2,
    isAgain: true,
    taken: { stage: 'won' },
  },
  {
    name: '[MF2] a record as a whole that its device has written since is a clash of two wholes',
    ...recordClash,
    merge: wholeRecord('lww'),
    stamps: { '': created, stage: by('b', 2, 9) },
    isAgain: true,
    taken: {},
    decisions: [{ ...recordSides, winner: 'remote', strategy: 'lww', localBy: { at: 5 }, remoteBy: { at: 9 } }],
  },
  {
    name: '[MF1] a value that the device had, and showed its own instead, was not seen',
    ...clash,
    was: { stage: 'call' },
    baseVersion: 2,
    at: 3,
    taken: {},
    decisions: [{ ...sides, base: 'call', winner: 'remote' }],
  },
  {
    name: '[MF3] the same value on both sides is no clash',
    ...clash,
    current: { stage: 'won' },
    taken: { stage: 'won' },
  },
  {
    name: '[MF3] a value that went away and came back to what the writer saw is no clash',
    merge: 'manual',
    ...clash,
    current: { stage: 'new' },
    taken: { stage: 'won' },
  },
  {
    name: '[MF4] fields: the later write of a field stands, and the other value is told',
    ...clash,
    taken: { stage: 'won' },
    decisions: [{ ...sides, strategy: 'lww', winner: 'local', result: 'won' }],
  },
  {
    name: '[MF4] fields: the earlier write of a field is dropped and told, its other fields stand',
    ...clash,
    edit: { stage: 'won', budget: 7 },
    was: { stage: 'new', budget: 5 },
    at: 3,
    taken: { budget: 7 },
    decisions: [{ ...sides, strategy: 'lww', winner: 'remote', result: 'lost' }],
  },
  {
    name: '[I-9] a base of another generation counts as unknown',
    ...clash,
    stamps: { '': by('a', 1, 9) },
    baseVersion: null,
    taken: {},
    decisions: [{ ...sides, winner: 'remote' }],
  },
  {
    name: '[C2] lww: the later write stands',
    merge: 'lww',
    ...clash,
    taken: { stage: 'won' },
    decisions: [{ ...sides, strategy: 'lww', winner: 'local', result: 'won' }],
  },
  {
    name: '[C2] lww: what its writer had seen is written over, whatever the clocks say',
    merge: 'lww',
    ...clash,
    was: { stage: 'lost' },
    baseVersion: 2,
    at: 3,
    taken: { stage: 'won' },
  },
  {
    name: '[C2] lww: a device never loses to itself, though its clock was set back in between',
    merge: 'lww',
    ...clash,
    stamps: { '': created, stage: by('b', 2, 9) },
    at: 3,
    taken: { stage: 'won' },
  },
  {
    name: '[C2] serverTime: the later arrival stands, though it was written earlier',
    merge: 'serverTime',
    ...clash,
    at: 3,
    taken: { stage: 'won' },
    decisions: [{ ...sides, strategy: 'serverTime', winner: 'local', result: 'won' }],
  },
  {
    name: '[C3] serverWins: what the server has stands, though it was written earlier',
    merge: 'serverWins',
    ...clash,
    taken: {},
    decisions: [{ ...sides, strategy: 'serverWins', winner: 'remote', result: 'lost' }],
  },
  {
    name: '[I-21] an equal value becomes its writer’s whatever the clocks say, where time does not decide',
    merge: 'serverWins',
    ...clash,
    edit: { stage: 'lost' },
    at: 1,
    taken: { stage: 'lost' },
  },
  {
    name: '[C2] an equal value that was written earlier stays its writer’s, where time decides',
    merge: 'lww',
    ...clash,
    edit: { stage: 'lost' },
    at: 1,
    taken: {},
  },
  {
    name: '[C3] serverWins: without a clash the edit stands',
    merge: 'serverWins',
    ...clash,
    was: { stage: 'lost' },
    baseVersion: 2,
    taken: { stage: 'won' },
  },
  {
    name: '[C4] clientWins: what comes in stands, though it was written earlier',
    merge: 'clientWins',
    ...clash,
    at: 3,
    taken: { stage: 'won' },
    decisions: [{ ...sides, strategy: 'clientWins', winner: 'local', result: 'won' }],
  },
  {
    name: '[C5] manual: a person is asked, and the record keeps what it has; other fields stand',
    merge: 'manual',
    ...clash,
    edit: { stage: 'won', budget: 7 },
    was: { stage: 'new', budget: 5 },
    taken: { budget: 7 },
    asks: [sides],
  },
  {
    name: '[C5] a field has its own strategy; the others have that of the collection',
    field: 'manual',
    current: { stage: 'lost', budget: 6 },
    stamps: { '': by('a', 2, 4) },
    edit: { stage: 'won', budget: 7 },
    was: { stage: 'new', budget: 5 },
    taken: { budget: 7 },
    decisions: [{ field: 'budget', base: 5, local: 7, remote: 6, result: 7, winner: 'local', strategy: 'lww' }],
    asks: [sides],
  },
  {
    name: '[C8] a custom function decides',
    field: ({ base, local, remote }) => `${base}${local}${remote}`,
    ...clash,
    taken: { stage: 'newwonlost' },
    decisions: [{ ...sides, strategy: 'custom', winner: 'merged', result: 'newwonlost' }],
  },
  {
    name: '[C8] a custom function that answers what is there changes nothing',
    field: ({ remote }) => remote,
    ...clash,
    taken: {},
    decisions: [{ ...sides, strategy: 'custom', winner: 'remote', result: 'lost' }],
  },
  {
    name: '[C8] a custom function is not asked where there is no clash',
    field: () => 'never',
    ...clash,
    was: { stage: 'lost' },
    baseVersion: 2,
    taken: { stage: 'won' },
  },
  {
    name: '[C6] causal: an edit whose writer had seen every write takes effect, whatever the clocks say',
    merge: 'causal',
    ...clash,
    vector: { a: 2 },
    was: { stage: 'lost' },
    baseVersion: 2,
    at: 1,
    taken: { stage: 'won' },
  },
  {
    name: '[C6] causal: a concurrent edit of another field is kept',
    merge: 'causal',
    ...clash,
    vector: { a: 2 },
    edit: { budget: 7 },
    was: { budget: 5 },
    taken: { budget: 7 },
  },
  {
    name: '[C6] causal: a concurrent edit of the same field merges like fields',
    merge: 'causal',
    ...clash,
    vector: { a: 2 },
    taken: { stage: 'won' },
    decisions: [{ ...sides, strategy: 'lww', winner: 'local', result: 'won' }],
  },
  {
    name: "[C6] causal('ask'): any concurrent edit is a question, one per field",
    merge: causal('ask'),
    ...clash,
    vector: { a: 2 },
    edit: { stage: 'won', budget: 7 },
    was: { stage: 'new', budget: 5 },
    taken: {},
    asks: [sides, { field: 'budget', base: 5, local: 7, remote: 5 }],
  },
  {
    name: "[C6] causal('ask'): a device's own writes are seen",
    merge: causal('ask'),
    ...clash,
    stamps: { '': created, stage: by('b', 2, 4) },
    vector: { a: 1, b: 2 },
    taken: { stage: 'won' },
  },
  {
    name: '[C10] wholeRecord: an edit of another field clashes with the whole; the later write stands as a whole',
    merge: wholeRecord('lww'),
    ...recordClash,
    taken: { stage: 'new', budget: 7 },
    decisions: [{ ...recordSides, strategy: 'lww', winner: 'local', result: { stage: 'new', budget: 7 } }],
  },
  {
    name: '[C10] wholeRecord: the earlier write is dropped as a whole',
    merge: wholeRecord('lww'),
    ...recordClash,
    at: 3,
    taken: {},
    decisions: [{ ...recordSides, strategy: 'lww', winner: 'remote', result: { stage: 'lost', budget: 5 } }],
  },
  {
    name: '[C10] wholeRecord: serverWins keeps the record',
    merge: wholeRecord('serverWins'),
    ...recordClash,
    taken: {},
    decisions: [{ ...recordSides, strategy: 'serverWins', winner: 'remote' }],
  },
  {
    name: '[C10] wholeRecord: manual asks about the whole',
    merge: wholeRecord('manual'),
    ...recordClash,
    taken: {},
    asks: [recordSides],
  },
  {
    name: '[C10] wholeRecord: a custom function is given whole records',
    merge: wholeRecord(({ local, remote }) => ({ ...remote, budget: local.budget ?? 0 })),
    ...recordClash,
    taken: { stage: 'lost', budget: 7 },
    decisions: [{ ...recordSides, strategy: 'custom', winner: 'merged', result: { stage: 'lost', budget: 7 } }],
  },
  {
    name: '[C10] wholeRecord: counters do not count as an unseen write',
    merge: wholeRecord('serverWins'),
    ...recordClash,
    was: { stage: 'lost', budget: 5 },
    stamps: { '': created, visits: by('c', 3, 9) },
    taken: { budget: 7 },
  },
])('$name', ({ taken, decisions = [], asks = [], ...given }) => {
  const merged = merge(given)
  expect(merged.taken).toEqual(taken)
  expect(merged.decisions).toHaveLength(decisions.length)
  expect(merged.decisions).toMatchObject(decisions)
  expect(merged.asks).toHaveLength(asks.length)
  expect(merged.asks).toMatchObject(asks)
})

test('a decision says who wrote each side, on which device and when, by both clocks', () => {
  expect(merge(clash).decisions[0]).toMatchObject({
    localBy: { user: 'user of b', device: 'b', at: 5, correctedAt: 5 },
    remoteBy: { user: 'user of a', device: 'a', at: 4, correctedAt: 4 },
    settledBy: null,
  })
})

test.each<{ name: string; field?: ClashStrategy; merge?: MergeOption }>([
  {
    name: 'throws',
    field: () => {
      throw new Error('of the app')
    },
  },
  { name: 'answers what the field may not hold', field: () => 'longer than ten' },
  { name: 'answers another type', field: () => 7 },
  { name: 'answers nothing', field: () => null },
  { name: 'answers half a record', merge: wholeRecord(() => ({ stage: 'won' })) },
])('[C8] a custom function that $name is a fault of the app, not an outcome', ({ field, merge: option }) => {
  const given = { ...clash, was: { stage: 'new', budget: 5 }, merge: option ?? 'fields' }
  expect(() => merge(field === undefined ? given : { ...given, field })).toThrow(MergeFault)
})
