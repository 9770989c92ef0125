/** Laws of the strategies and of what they are made of. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../json.ts'
import { collection } from '../schema/collection.ts'
import { checkIncrements } from '../schema/complete-fields.ts'
import { t } from '../schema/field.ts'
import { type ClashRule, type MergeOption, wholeRecord } from '../schema/merge-strategy.ts'
import type { Disputed } from './apply-operation.ts'
import { apply, nowhere, ordersOf, stampedOf, take, takeAll, type Written } from './arbiter.test.kit.ts'
import { lastWriteWins } from './last-write-wins.ts'
import { addTexts, removeTexts, type SetMarks, textSet } from './text-set.ts'
import { type Causality, compareVectors, joinVectors, seenOf, type VersionVector } from './version-vector.ts'

const devices = [1, 2, 3] as const

const leadsOf = (merge: MergeOption) =>
  collection({ fields: { a: t.text(), b: t.text(), visits: t.counter(), tags: t.set() }, merge })

const seed = (merge: MergeOption) =>
  take(leadsOf(merge), nowhere, { kind: 'create', device: 9, at: 1, fields: { a: 'a0', b: 'b0', visits: 0, tags: [] } })

const valuesOf = ({ record }: Disputed) => record?.values.fields

/** For each of three devices, its edits in the order in which it made them, at times that only it uses; nobody saw the others'. */
const histories = fc
  .tuple(
    ...devices.map(() =>
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'ab'), fc.nat(9)), { minLength: 1, maxLength: 2 }),
    ),
  )
  .map((all) =>
    all.map((edits, index) => {
      let shown: JsonObject = { a: 'a0', b: 'b0' }
      return edits.map(([names, at], n): Written => {
        const fields = Object.fromEntries([...names].map((name) => [name, `${name}${index + 1}.${n}`]))
        const was = shown
        shown = { ...shown, ...fields }
        return { kind: 'update', device: index + 1, version: 1, fields, was, at: 100 + n * 10 + at }
      })
    }),
  )

/** Every order of arrival in which no device's edits overtake one another. */
function arrivals(queues: readonly (readonly Written[])[]): readonly (readonly Written[])[] {
  const open = queues.filter((queue) => queue.length > 0)
  if (open.length === 0) return [[]]
  return open.flatMap(([first, ...rest]) => {
    const others = open.filter(([head]) => head !== first)
    return first === undefined ? [] : arrivals([rest, ...others]).map((order) => [first, ...order])
  })
}

test.each<{ merge: MergeOption; name: string }>([
  { name: 'fields', merge: 'fields' },
  { name: 'lww', merge: 'lww' },
  { name: 'causal', merge: 'causal' },
  { name: "wholeRecord('lww')", merge: wholeRecord('lww') },
])('[I-18] [C2] concurrent edits of three devices end alike in every order of arrival: $name', ({ merge }) => {
  const of = leadsOf(merge)
  fc.assert(
    fc.property(histories, (queues) => {
      const ends = arrivals(queues).map((order) => valuesOf(takeAll(of, seed(merge), order)))
      for (const end of ends) expect(end).toEqual(ends[0])
    }),
    { numRuns: 100 },
  )
})

test('[I-18] [C2] of concurrent edits of one field the latest stands', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1_000), { minLength: 3, maxLength: 3 }), (times) => {
      const edits = times.map(
        (at, n): Written => ({
          kind: 'update',
          device: n + 1,
          version: 1,
          fields: { a: `${at}` },
          was: { a: 'a0' },
          at: 10 + at,
        }),
      )
      for (const order of ordersOf(edits)) {
        expect(valuesOf(takeAll(leadsOf('lww'), seed('lww'), order))?.a).toBe(`${Math.max(...times)}`)
      }
    }),
  )
})

test.each<[ClashRule, (order: readonly string[]) => string | undefined]>([
  ['serverTime', (order) => order.at(-1)],
  ['clientWins', (order) => order.at(-1)],
  ['serverWins', (order) => order[0]],
])('[I-18] [C2] [C3] [C4] %s is that function of the order of arrival, and of nothing else', (merge, expected) => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000), { minLength: 3, maxLength: 3 }), (times) => {
      const edits = times.map(
        (at, n): Written => ({
          kind: 'update',
          device: n + 1,
          version: 1,
          fields: { a: `w${n}` },
          was: { a: 'a0' },
          at: 10 + at,
        }),
      )
      for (const order of ordersOf(edits)) {
        const values = order.map(({ fields }) => String(fields?.a))
        expect(valuesOf(takeAll(leadsOf(merge), seed(merge), order))?.a).toBe(expected(values))
      }
    }),
  )
})

test('[C2] serverTime dates a record by the arrival, whatever the clock of the device says', () => {
  const edit: Written = { kind: 'update', version: 1, fields: { a: 'x' }, was: { a: 'a0' }, at: 50, arrived: 9_000 }
  expect(take(leadsOf('serverTime'), seed('serverTime'), edit).record.values.updatedAt).toBe(9_000)
  expect(take(leadsOf('fields'), seed('fields'), edit).record.values.updatedAt).toBe(50)
})

test('[I-18] a write that is judged twice changes no value the second time', () => {
  const kinds: readonly Written[] = [
    { kind: 'update', fields: { a: 'x' }, was: { a: 'a0' }, version: 1 },
    { kind: 'add', fields: { tags: ['x'] }, version: 1 },
    { kind: 'remove', fields: { tags: ['x'] }, version: 1 },
    { kind: 'delete', was: { a: 'a0' }, version: 1 },
  ]
  for (const merge of ['fields', 'serverWins', 'manual', 'causal', wholeRecord('lww')] as const) {
    for (const write of kinds) {
      const once = take(leadsOf(merge), seed(merge), write)
      const twice = take(leadsOf(merge), once, write)
      expect(valuesOf(twice)).toEqual(valuesOf(once))
      expect(twice).toMatchObject({ conflicts: [], decisions: [], record: { state: once.record.state } })
    }
  }
})

test('[I-18] judging leaves what it was given as it was, and answers the same again', () => {
  const of = leadsOf('fields')
  const before = take(of, seed('fields'), {
    kind: 'update',
    device: 2,
    version: 1,
    fields: { a: 'x' },
    was: { a: 'a0' },
  })
  const writes: readonly Written[] = [
    { kind: 'update', version: 1, fields: { a: 'y', b: 'z' }, was: { a: 'a0', b: 'b0' }, at: 5_000 },
    { kind: 'increment', fields: { visits: 1 } },
    { kind: 'add', fields: { tags: ['x'] } },
    { kind: 'delete', version: 1, was: { a: 'a0' } },
  ]
  for (const write of writes) {
    const text = JSON.stringify([before, stampedOf(write)])
    const first = apply(of, before, write)
    expect(apply(of, before, write)).toEqual(first)
    expect(JSON.stringify([before, stampedOf(write)])).toBe(text)
  }
})

describe('last write wins', () => {
  test('[I-18] is commutative, associative and idempotent', () => {
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
})

describe('version vectors', () => {
  const vector: fc.Arbitrary<VersionVector> = fc.dictionary(
    fc.constantFrom('x', 'y', 'z', 'toString'),
    fc.integer({ min: 1, max: 3 }),
  )
  const isAtMost = (a: VersionVector, b: VersionVector) => ['before', 'equal'].includes(compareVectors(a, b))

  test('[VV1] [C6] join is commutative, associative and idempotent, and is the least that is at least both', () => {
    fc.assert(
      fc.property(vector, vector, vector, (a, b, c) => {
        expect(joinVectors(a, b)).toEqual(joinVectors(b, a))
        expect(joinVectors(joinVectors(a, b), c)).toEqual(joinVectors(a, joinVectors(b, c)))
        expect(joinVectors(a, a)).toEqual(a)
        expect(isAtMost(a, joinVectors(a, b))).toBe(true)
        if (isAtMost(a, c) && isAtMost(b, c)) expect(isAtMost(joinVectors(a, b), c)).toBe(true)
      }),
    )
  })

  test('[VV2] [C6] compare is a partial order', () => {
    const opposite: Record<Causality, Causality> = {
      before: 'after',
      after: 'before',
      equal: 'equal',
      concurrent: 'concurrent',
    }
    fc.assert(
      fc.property(vector, vector, vector, (a, b, c) => {
        expect(compareVectors(b, a)).toBe(opposite[compareVectors(a, b)])
        expect(compareVectors(a, a)).toBe('equal')
        if (isAtMost(a, b) && isAtMost(b, c)) expect(isAtMost(a, c)).toBe(true)
        if (compareVectors(a, b) === 'equal') expect(joinVectors(a, b)).toEqual(joinVectors(a, a))
      }),
    )
  })

  test('[C6] what a writer saw is never ahead of what was written, and is all of it at the newest base', () => {
    fc.assert(
      fc.property(vector, fc.constantFrom('x', 'y', 'w'), fc.option(fc.nat(3)), (written, device, baseVersion) => {
        expect(isAtMost(seenOf(written, { device, baseVersion }), written)).toBe(true)
        expect(compareVectors(seenOf(written, { device, baseVersion: 3 }), written)).toBe('equal')
      }),
    )
  })
})

describe('add-wins sets', () => {
  /** The textbook: an addition is a unique mark, and a removal takes the marks that its writer knew. */
  interface Replica {
    readonly marks: ReadonlyMap<string, string>
    readonly removed: ReadonlySet<string>
  }
  const edits = fc.array(
    fc.record({
      device: fc.integer({ min: 1, max: 3 }),
      isAdd: fc.boolean(),
      text: fc.constantFrom('p', 'q'),
      pulls: fc.boolean(),
    }),
    { maxLength: 12 },
  )

  test('[TS1] [C7] an addition stands that a removal had not seen: equal to the observed-remove set', () => {
    fc.assert(
      fc.property(edits, (history) => {
        let marks: SetMarks = {}
        let model: Replica = { marks: new Map(), removed: new Set() }
        const seen = new Map(devices.map((device) => [device as number, { base: 0, known: new Set<string>() }]))
        for (const [index, { device, isAdd, text, pulls }] of history.entries()) {
          const at = seen.get(device)
          if (at === undefined) throw new Error('There are three devices.')
          if (pulls) {
            at.base = index
            at.known = new Set([...at.known, ...model.marks.keys()])
          }
          const edit = { texts: [text], device: `d${device}`, baseVersion: at.base, version: index + 1 }
          if (isAdd) {
            marks = addTexts(marks, edit)
            at.known.add(`m${index}`)
            model = { ...model, marks: new Map([...model.marks, [`m${index}`, text]]) }
          } else {
            marks = removeTexts(marks, edit)
            const gone = [...at.known].filter((mark) => model.marks.get(mark) === text)
            model = { ...model, removed: new Set([...model.removed, ...gone]) }
          }
          const expected = [...model.marks].flatMap(([mark, one]) => (model.removed.has(mark) ? [] : [one]))
          expect(textSet(Object.keys(marks))).toEqual(textSet(expected))
        }
      }),
    )
  })

  test('[TS2] [C7] to add what is there or to remove what is not changes no text; a concurrent pair ends alike in both orders', () => {
    const start = addTexts({}, { texts: ['p'], device: 'd0', baseVersion: 0, version: 1 })
    const add = { texts: ['p'], device: 'd1', baseVersion: 1 }
    const remove = { texts: ['p'], device: 'd2', baseVersion: 1 }
    const addFirst = removeTexts(addTexts(start, { ...add, version: 2 }), { ...remove, version: 3 })
    const removeFirst = addTexts(removeTexts(start, { ...remove, version: 2 }), { ...add, version: 3 })
    expect(Object.keys(addFirst)).toEqual(['p'])
    expect(Object.keys(removeFirst)).toEqual(['p'])
    expect(Object.keys(addTexts(start, { ...add, version: 2 }))).toEqual(['p'])
    expect(removeTexts({}, { ...remove, version: 2 })).toEqual({})
  })
})

test('[C7] a grow-only counter takes no step down, and counts every step up', () => {
  const of = collection({ fields: { opened: t.counter({ grow: true }) } })
  const start = take(of, nowhere, { kind: 'create', fields: { opened: 0 } })
  expect(() => checkIncrements('leads', of, { opened: -1 })).toThrow('only grows')
  const steps = [1, 2, 3].map((by): Written => ({ kind: 'increment', device: by, fields: { opened: by } }))
  for (const order of ordersOf(steps)) expect(valuesOf(takeAll(of, start, order))).toEqual({ opened: 6 })
})
