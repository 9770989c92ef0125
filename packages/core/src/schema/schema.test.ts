import { describe, expect, expectTypeOf, test } from 'vitest'
import { EngineError, UsageError } from '../errors.ts'
import type { Json } from '../json.ts'
import { brokenRule } from './check-value.ts'
import { collection } from './collection.ts'
import { checkPatch, completeNewFields } from './complete-fields.ts'
import { t } from './field.ts'
import { causal, type MergeOption, type MergeStrategy, wholeRecord } from './merge-strategy.ts'
import type { NewRow, RowOf, RowPatch } from './rows.ts'
import { defineSchema } from './schema.ts'
import { withSystemCollections } from './system-collections.ts'

const leads = collection({
  fields: {
    owner: t.text(),
    name: t.text({ min: 1, max: 5 }),
    stage: t.enum(['new', 'won'], { default: 'new' }),
    budget: t.integer({ min: 0, optional: true }),
    share: t.real({ min: 0, max: 1, default: 0.5 }),
    vip: t.boolean({ default: false }),
    due: t.instant({ optional: true }),
    extra: t.json<{ a: number }>({ optional: true }),
    visits: t.counter(),
  },
})
const valid = { owner: 'o', name: 'Mona' }

test('types follow from the schema alone', () => {
  expectTypeOf<RowOf<typeof leads>['stage']>().toEqualTypeOf<'new' | 'won'>()
  expectTypeOf<RowOf<typeof leads>['budget']>().toEqualTypeOf<number | null>()
  expectTypeOf<RowOf<typeof leads>['visits']>().toEqualTypeOf<number>()
  expectTypeOf<RowPatch<typeof leads>>().not.toHaveProperty('visits')
  const given: NewRow<typeof leads> = { owner: 'o', name: 'Mona' }
  expectTypeOf<RowOf<typeof leads>['extra']>().toEqualTypeOf<{ a: number } | null>()
  // @ts-expect-error a stage that the enum does not have is rejected
  const wrong: NewRow<typeof leads> = { ...valid, stage: 'sold' }
  expect([given, wrong]).toBeDefined()
})

test('a create fills in defaults, nulls and zero counters', () => {
  expect(completeNewFields('leads', leads, valid)).toEqual({
    owner: 'o',
    name: 'Mona',
    stage: 'new',
    budget: null,
    share: 0.5,
    vip: false,
    due: null,
    extra: null,
    visits: 0,
  })
})

test.each([
  ['required field left out', { owner: 'o' }, 'leads.name is missing, but must be'],
  ['text too short', { ...valid, name: '' }, 'leads.name is "", but must be filled in'],
  ['text too long', { ...valid, name: 'abcdef' }, 'leads.name is "abcdef", but must be at most 5 characters long'],
  ['not one of the enum', { ...valid, stage: 'sold' }, 'leads.stage is "sold", but must be one of new, won'],
  ['integer below min', { ...valid, budget: -1 }, 'leads.budget is -1, but must be at least 0'],
  ['integer beyond 2^53', { ...valid, budget: 2 ** 53 }, 'leads.budget'],
  ['a fraction for an integer', { ...valid, budget: 1.5 }, 'leads.budget is 1.5, but must be a whole number'],
  ['NaN for a real', { ...valid, share: Number.NaN }, 'leads.share'],
  ['text for a boolean', { ...valid, vip: 'yes' }, 'leads.vip is "yes", but must be true or false'],
  ['NUL in text', { ...valid, name: 'a\u0000' }, 'leads.name'],
  ['lone surrogate', { ...valid, name: '\ud800' }, 'leads.name'],
  ['null for a required field', { ...valid, name: null }, 'leads.name'],
  ['a function inside json', { ...valid, extra: { a: () => 1 } }, 'leads.extra'],
  ['a counter given', { ...valid, visits: 3 }, 'leads.visits is a counter'],
])('a create is refused by name, value and rule: %s', (_, given, message) => {
  const attempt = () => completeNewFields('leads', leads, given)
  expect(attempt).toThrow(EngineError)
  expect(attempt).toThrow(message)
})

test('a null that is given is not replaced by the default', () => {
  const tags = collection({
    fields: { color: t.text({ optional: true, default: 'grey' }), done: t.boolean({ default: false }) },
  })
  expect(completeNewFields('tags', tags, { color: null })).toEqual({ color: null, done: false })
  expect(() => completeNewFields('tags', tags, { done: null })).toThrow(/tags\.done is null/)
})

test('an unknown field is named together with those that exist', () => {
  expect(() => checkPatch('leads', leads, { colour: 1 })).toThrow(
    'UNKNOWN_FIELD: leads has no field "colour"; it has owner, name',
  )
})

describe('defineSchema refuses', () => {
  const of =
    (name: string, fields: Parameters<typeof collection>[0]['fields'], extra: object = {}) =>
    () =>
      defineSchema({ version: 1, collections: { [name]: { ...collection({ fields }), ...extra } } })
  test.each([
    ['a member of the client as a name', of('sync', { a: t.text() }), 'member of the client'],
    ['a system column', of('leads', { createdAt: t.instant() }), 'is taken'],
    ['names that differ by case only', of('leads', { name: t.text(), Name: t.text() }), 'is taken'],
    ['a name that every object has', of('leads', { toString: t.text() }), 'nothing that every object has'],
    ['a name with a quote', of('lea"ds', { a: t.text() }), 'lower-case letter'],
    ['a reference to nowhere', of('calls', { lead: t.ref('leads') }), 'not a collection'],
    ['min above max', of('leads', { n: t.integer({ min: 2, max: 1 }) }), 'above max'],
    ['an index over a set', of('leads', { tags: t.set() }, { indexes: [['tags']] }), 'plain values'],
    [
      'a scope of a set',
      of('leads', { tags: t.set() }, { scope: { kind: 'own', fields: { tag: 'tags' } } }),
      'plain values',
    ],
    ['an index over a missing column', of('leads', { n: t.integer() }, { indexes: [['m']] }), 'names the column "m"'],
    ['a version of 0', () => defineSchema({ version: 0, collections: {} }), 'whole number from 1'],
  ])('%s', (_, define, message) => {
    expect(define).toThrow(UsageError)
    expect(define).toThrow(message)
  })
})

describe('scopes via a parent', () => {
  const fields = { owner: t.text(), up: t.ref('b') }
  const above = (parent: string) => collection({ fields: { up: t.ref(parent) }, scope: { via: 'up' } })

  test('a collection names the field, and defineSchema knows the parent', () => {
    const { a, b } = defineSchema({
      version: 1,
      collections: { a: above('b'), b: collection({ fields: { owner: t.text() }, scope: { agent: 'owner' } }) },
    }).collections
    expect(a.scope).toEqual({ kind: 'via', field: 'up', parent: 'b' })
    expect(b.scope).toEqual({ kind: 'own', fields: { agent: 'owner' } })
    expect(collection({ fields: {} }).scope).toEqual({ kind: 'own', fields: {} })
  })

  test.each([
    ['a field that is no reference', () => collection({ fields, scope: { via: 'owner' } }), 'names a t.ref field'],
    ['a scope beside it', () => collection({ fields, scope: { via: 'up', agent: 'owner' } }), 'stands alone'],
    ['itself', () => defineSchema({ version: 1, collections: { b: above('b') } }), 'via b → b, in a circle'],
    [
      'a circle',
      () => defineSchema({ version: 1, collections: { a: above('b'), b: above('c'), c: above('b') } }),
      'via a → b → c → b, in a circle',
    ],
    [
      'a fifth parent',
      () =>
        defineSchema({
          version: 1,
          collections: {
            a: above('b'),
            b: above('c'),
            c: above('d'),
            d: above('e'),
            e: above('f'),
            f: collection({ fields: {} }),
          },
        }),
      'at most 4 parents',
    ],
  ])('refuses %s', (_, define, message) => {
    expect(define).toThrow(UsageError)
    expect(define).toThrow(message)
  })
})

test.each<[MergeOption, MergeStrategy]>([
  ['fields', { kind: 'fields', clash: 'lww' }],
  ['manual', { kind: 'fields', clash: 'manual' }],
  ['causal', { kind: 'causal', concurrent: 'fields' }],
  [causal('ask'), { kind: 'causal', concurrent: 'ask' }],
  [wholeRecord('serverWins'), { kind: 'record', clash: 'serverWins' }],
])('what a schema writes as merge strategy: %j', (merge, expected) => {
  expect(collection({ fields: { name: t.text() }, merge }).merge).toEqual(expected)
})

test('a collection merges field by field, deletions win, and old decisions stay behind, unless it says otherwise', () => {
  expect(leads).toMatchObject({ merge: { kind: 'fields', clash: 'lww' }, deletes: 'deleteWins', history: 'scope' })
  expect(leads.fields.name.merge).toBeNull()
})

test('the engine’s own collections are beside the app’s, and no app can name them', () => {
  const schema = defineSchema({ version: 1, collections: { leads } })
  expect(Object.keys(withSystemCollections(schema).collections)).toEqual(['leads', '_conflicts', '_decisions'])
  expect(() => defineSchema({ version: 1, collections: { _conflicts: leads } })).toThrow('lower-case letter')
})

test('sets and shared texts have defaults, and an update does not write them', () => {
  const tagged = collection({ fields: { tags: t.set<'a' | 'b'>(), visits: t.counter() } })
  expectTypeOf<RowOf<typeof tagged>['tags']>().toEqualTypeOf<readonly ('a' | 'b')[]>()
  expectTypeOf<RowPatch<typeof tagged>>().not.toHaveProperty('tags')
  expect(completeNewFields('tagged', tagged, {})).toEqual({ tags: [], visits: 0 })
  expect(completeNewFields('tagged', tagged, { tags: ['b', 'a', 'b'] })).toMatchObject({ tags: ['a', 'b'] })
  expect(() => checkPatch('tagged', tagged, { tags: ['a'] })).toThrow('changed by add and remove')
})

test('JSON is as deep as a message can carry it, and no deeper', () => {
  const nested = (levels: number): Json => (levels === 0 ? 1 : [nested(levels - 1)])
  expect(brokenRule(t.json(), nested(31))).toBeNull()
  expect(brokenRule(t.json(), nested(32))).toContain('31 levels')
})
