/** Laws of the strategies and of what they are made of. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../json.ts'
import { collection } from '../schema/collection.ts'
import { checkIncrements } from '../schema/complete-fields.ts'
import { t } from '../schema/field.ts'
import { type ClashRule, type MergeOption, wholeRecord } from '../schema/merge-strategy.ts'
import type { SharedTextType } from '../schema/shared-text.ts'
import type { Disputed, Effect } from './apply-operation.ts'
import { apply, nowhere, ordersOf, stampedOf, take, takeAll, type Written } from './arbiter.test.kit.ts'
import { fold, type RecordValues } from './fold.ts'
import { collectionOf, createWorld, type Step, startMs, steps, strategies } from './history.test.kit.ts'
import { lastWriteWins } from './last-write-wins.ts'
import { pick } from './merge-edit.ts'
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

test('[C7] a grow-only counter takes no step down', () => {
  const of = collection({ fields: { opened: t.counter({ grow: true }) } })
  expect(() => checkIncrements('leads', of, { opened: -1 })).toThrow('only grows')
})

test('[I-18] [C7] counters add up in every order of arrival, those that only grow too, whatever was seen and when', () => {
  const of = collection({ fields: { visits: t.counter(), opened: t.counter({ grow: true }) } })
  const start = take(of, nowhere, { kind: 'create', fields: { visits: 0, opened: 0 } })
  const step = fc.record({
    visits: fc.integer({ min: -9, max: 9 }),
    opened: fc.nat(9),
    at: fc.nat(5_000),
    version: fc.option(fc.constant(1)),
  })
  fc.assert(
    fc.property(fc.tuple(...devices.map(() => fc.array(step, { minLength: 1, maxLength: 2 }))), (all) => {
      const queues = all.map((steps, index) =>
        steps.map(
          ({ visits, opened, at, version }): Written => ({
            kind: 'increment',
            device: index + 1,
            version,
            fields: { visits, opened },
            at,
          }),
        ),
      )
      const sum = (name: 'visits' | 'opened') => all.flat().reduce((total, one) => total + one[name], 0)
      for (const order of arrivals(queues)) {
        const end = takeAll(of, start, order)
        expect(valuesOf(end)).toEqual({ visits: sum('visits'), opened: sum('opened') })
      }
    }),
    { numRuns: 50 },
  )
})

test('[I-18] [C8] a commutative function, the maximum, ends alike in every order of arrival', () => {
  const bids = collection({
    fields: { offer: t.integer({ merge: ({ local, remote }) => Math.max(Number(local), Number(remote)) }) },
  })
  const start = take(bids, nowhere, { kind: 'create', device: 9, at: 1, fields: { offer: 0 } })
  // Each device raises its own offer: one that it lowers, having seen it, is no clash, and depends on what it had seen.
  const raises = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 2 })
  fc.assert(
    fc.property(fc.tuple(raises, raises, raises), fc.infiniteStream(fc.nat(1_000)), (all, times) => {
      const queues = all.map((offers, index) => {
        const grown = offers.toSorted((a, b) => a - b)
        return grown.map((offer, n): Written => {
          const was = { offer: grown[n - 1] ?? 0 }
          return { kind: 'update', device: index + 1, version: 1, fields: { offer }, was, at: times.next().value ?? 0 }
        })
      })
      for (const order of arrivals(queues)) {
        expect(valuesOf(takeAll(bids, start, order))).toEqual({ offer: Math.max(...all.flat()) })
      }
    }),
    { numRuns: 100 },
  )
})

const tenYearsMs = 10 * 365.25 * 24 * 60 * 60 * 1_000
const byTime = ['fields', 'lww', 'fields with one manual', 'causal', 'causal with one manual', "wholeRecord('lww')"]

describe.each(strategies.filter(({ name }) => !byTime.includes(name)))('$name is not by time', ({ merge, a }) => {
  test.each(['deleteWins', 'editWins', 'ask'] as const)(
    '[I-21] whatever clocks are moved by ten years, values, questions and decisions are the same; %s',
    (deletes) => {
      const of = collectionOf(merge, a, deletes)
      const moves = fc.array(fc.constantFrom(-tenYearsMs, 0, tenYearsMs), { minLength: 1, maxLength: 40 })
      const endOf = (history: readonly Step[]) => {
        const world = createWorld(of)
        for (const step of history) world.act(step)
        for (const _ of history) for (const device of devices) world.act({ device, act: 'push', pick: 0, skew: 0 })
        return world.effects.map(resultOf)
      }
      fc.assert(
        fc.property(steps, moves, (history, moved) => {
          const wrong = history.map((step, n) => ({ ...step, skew: moved[n % moved.length] ?? 0 }))
          expect(endOf(wrong)).toEqual(endOf(history))
        }),
        { numRuns: 100 },
      )
    },
  )
})

/**
 * What an effect comes to. Not who wrote last and when: where two have written the same, and of a record as a whole, that is told by
 * time, and with it whether the record gets another version.
 */
function resultOf(effect: Effect) {
  if (effect.kind === 'broken') throw effect.fault
  if (effect.kind === 'refused') return effect
  const { record, conflicts, decisions } = effect
  return {
    state: record.state,
    fields: record.values.fields,
    conflicts: conflicts.map(({ remoteBy: _, localBy, ...rest }) => ({ ...rest, localBy: localBy.device })),
    decisions: decisions.map(({ remoteBy: _, settledBy, localBy, ...rest }) => ({
      ...rest,
      localBy: localBy.device,
      settledBy: settledBy?.device,
    })),
  }
}

describe('one device alone', () => {
  /** Text that is only ever appended to: the smallest type that keeps the laws of shared texts. */
  const appended: SharedTextType = {
    documentOf: (text) => text,
    change: (document, text) => text.slice(document.length),
    merge: (document, change) => ({ document: document + change, text: document + change }),
    written: (was, change) => was + change,
    without: (document) => document,
  }
  const plain: { readonly [name: string]: readonly [Json, Json] } = {
    text: ['p', 'q'],
    integer: [1, 2],
    real: [0.5, 1.5],
    boolean: [true, false],
    instant: [1, 2],
    choice: ['x', 'y'],
    json: [{ k: 1 }, [2]],
    ref: ['r1', 'r2'],
    maybe: [null, 'p'],
  }
  const others: readonly Pick<Written, 'kind' | 'fields'>[] = [
    { kind: 'increment', fields: { visits: -1 } },
    { kind: 'increment', fields: { visits: 2, opened: 3 } },
    { kind: 'add', fields: { tags: ['a', 'b'] } },
    { kind: 'remove', fields: { tags: ['a'] } },
    { kind: 'edit', fields: { plan: '+' } },
  ]
  const act = fc.oneof(
    fc.constantFrom('push', 'pull'),
    fc.constantFrom(...others),
    fc.subarray(Object.keys(plain), { minLength: 1 }).chain((names) =>
      fc.tuple(...names.map((name) => fc.constantFrom(...(plain[name] ?? [])))).map(
        (values): Pick<Written, 'kind' | 'fields'> => ({
          kind: 'update',
          fields: Object.fromEntries(names.map((name, n) => [name, values[n] ?? null])),
        }),
      ),
    ),
  )
  const history = fc.array(fc.tuple(act, fc.integer({ min: -tenYearsMs, max: tenYearsMs })), { maxLength: 20 })

  test.each(strategies)(
    '[C1] [MF2] has no decision and no conflict, with fields of every kind and any clock: $name',
    ({ merge }) => {
      const of = collection({
        fields: {
          text: t.text(),
          integer: t.integer(),
          real: t.real(),
          boolean: t.boolean(),
          instant: t.instant(),
          choice: t.enum(['x', 'y']),
          json: t.json(),
          ref: t.ref('leads'),
          maybe: t.text({ optional: true }),
          visits: t.counter(),
          opened: t.counter({ grow: true }),
          tags: t.set(),
          plan: t.shared(appended),
        },
        merge,
      })
      const first = Object.fromEntries(Object.entries(plain).map(([name, [value]]) => [name, value]))
      const fields = { ...first, visits: 0, opened: 0, tags: [], plan: '' }
      fc.assert(
        fc.property(history, (acts) => {
          let server: Disputed = take(of, nowhere, { kind: 'create', fields })
          let shown: RecordValues = { createdAt: 0, updatedAt: 0, fields }
          let version = 1
          const outbox: Written[] = []
          const push = () => {
            const next = outbox.shift()
            if (next === undefined) return
            const effect = take(of, server, next)
            expect(effect).toMatchObject({ conflicts: [], decisions: [] })
            server = effect
          }
          for (const [what, skew] of acts) {
            if (what === 'push') push()
            else if (what === 'pull') version = server.record?.version ?? 0
            else if (typeof what === 'object') {
              const was = of.merge.kind === 'record' ? shown.fields : pick(shown.fields, Object.keys(what.fields ?? {}))
              outbox.push({ ...what, was, version, at: startMs + skew })
              shown = fold(of, shown, { kind: what.kind, fields: what.fields ?? {} }, 0) ?? shown
            }
          }
          while (outbox.length > 0) push()
          expect(valuesOf(server)).toEqual(shown.fields)
        }),
        { numRuns: 100 },
      )
    },
  )
})
