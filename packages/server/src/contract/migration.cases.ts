/** Of the contract: tables that stand at an earlier version of the schema. A part of server-store.contract.ts; the laws are those of store/field-moves.ts. */
import {
  changed,
  collection,
  conflictRow,
  decisionRow,
  defineSchema,
  type JsonObject,
  MigrationFault,
  openCountOf,
  pageBytesMax,
  renamed,
  type Schema,
  type ServerRecord,
  split,
  t,
  UsageError,
  withOpenCount,
} from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FeedEntry, ServerStore, StoreTransaction } from '../ports/server-store.ts'
import { liveRecord, stamp } from './leads.ts'
import { beginning, rowsOf } from './replica.ts'

interface Made {
  readonly store: ServerStore
  reopen(schema?: Schema): Promise<ServerStore>
  dispose(): Promise<void>
}

const first = defineSchema({
  version: 1,
  collections: {
    people: collection({
      fields: {
        name: t.text(),
        phone: t.text({ optional: true }),
        owner: t.text(),
        calls: t.counter(),
        tags: t.set(),
        active: t.boolean(),
        size: t.enum(['s', 'm']),
      },
      indexes: [['phone'], ['name', 'phone']],
      scope: { agent: 'owner' },
    }),
    notes: collection({ fields: { name: t.text() } }),
  },
})

const sizes = changed('size', 'width', {
  was: t.enum(['s', 'm']),
  up: (size) => (size === 's' ? 10 : 20),
  down: (width: number): 's' | 'm' => (width < 15 ? 's' : 'm'),
})
const names = split('name', ['given', 'family'], {
  was: t.text(),
  up: (name): readonly [string, string] => [name.split(' ')[0] ?? '', name.split(' ').slice(1).join(' ')],
  down: ([given, family]) => `${given} ${family}`.trim(),
})
const labels = changed('active', 'state', {
  was: t.boolean(),
  up: (active) => ({ active }),
  down: (state: { readonly active: boolean }) => state.active,
})
/** A version is skipped on the way. */
const third = defineSchema({
  version: 3,
  migrations: {
    2: { people: [renamed('phone', 'phoneNumber'), renamed('calls', 'attempts'), names] },
    3: { people: [renamed('phoneNumber', 'mobile'), renamed('tags', 'labels'), sizes, labels] },
  },
  collections: {
    people: collection({
      fields: {
        given: t.text(),
        family: t.text(),
        mobile: t.text({ optional: true }),
        owner: t.text(),
        attempts: t.counter(),
        labels: t.set(),
        state: t.json<{ active: boolean }>(),
        width: t.integer(),
        city: t.text({ default: 'Cairo' }),
      },
      indexes: [['mobile']],
      scope: { agent: 'owner' },
    }),
    notes: collection({ fields: { name: t.text() } }),
  },
})

const before: JsonObject = {
  name: 'Mona Adel Hassan',
  phone: '1',
  owner: 'ann',
  calls: 3,
  tags: ['a'],
  active: true,
  size: 'm',
}
const after: JsonObject = {
  given: 'Mona',
  family: 'Adel Hassan',
  mobile: '1',
  owner: 'ann',
  attempts: 3,
  labels: ['a'],
  state: { active: true },
  width: 20,
  city: 'Cairo',
}

const by = { user: 'u', device: 'd', at: 5, correctedAt: 1_700_000_000_000 }
const about = { collection: 'people', record: 'p1' }
const asked = (field: string, local: string, remote: string) => ({
  field,
  revision: 2,
  base: 'A B',
  local,
  remote,
  localBy: by,
  remoteBy: by,
})

export function describeMigrations(name: string, makeStore: (schema: Schema) => Promise<Made>): void {
  describe(`${name}: migrations`, () => {
    let made: Made
    beforeEach(async () => {
      made = await makeStore(first)
      await made.store.transact(fill)
    })
    afterEach(() => made.dispose())

    const load = (store: ServerStore, name: string, ids: readonly string[]) =>
      store.transact((tx) => tx.load(name, ids))
    const pageOf = (store: ServerStore, positions = [beginning('all')]) =>
      store.readPage({ positions, leaving: [], seen: null, rowsMax: 5_000, bytesMax: pageBytesMax })

    test('[FM2] records, deleted ones included, have the new form, and their versions; the feed does not move', async () => {
      const old = await load(made.store, 'people', ['p1', 'p2'])
      const pulled = await pageOf(made.store)
      const store = await made.reopen(third)
      const moved = await load(store, 'people', ['p1', 'p2'])
      const p1 = moved.get('p1')
      expect(p1?.values).toEqual({ ...old.get('p1')?.values, fields: after })
      expect(p1?.version).toBe(4)
      expect(Object.keys(p1?.stamps ?? {}).sort()).toEqual(['', 'attempts', 'family', 'given', 'mobile'])
      expect(p1?.stamps.given).toEqual(old.get('p1')?.stamps.name)
      expect(p1?.states.labels).toEqual(old.get('p1')?.states.tags)
      expect(moved.get('p2')).toMatchObject({ state: 'deleted', version: 2, values: { fields: after } })
      const { changes } = await pageOf(store)
      const people = changes.find(({ collection: name }) => name === 'people')
      expect(people?.columns.slice(4)).toEqual(Object.keys(after))
      expect(rowsOf(people?.rows ?? '[]').map((row) => row.slice(4))).toEqual([Object.values(after)])
      // But for the questions that a split made more.
      const later = await pageOf(store, [...pulled.positions])
      expect(later.changes.flatMap(({ rows, gone }) => [...rowsOf(rows).map(([id]) => id), ...gone])).toEqual(['c2.1'])
    })

    test('[FM2] what other collections hold stays', async () => {
      const store = await made.reopen(third)
      expect((await load(store, 'notes', ['n1'])).get('n1')?.values.fields).toEqual({ name: 'A B' })
    })

    test('open conflicts and decisions go with their fields; one about a split field is one for each part that differs', async () => {
      const store = await made.reopen(third)
      const conflicts = await load(store, '_conflicts', ['c1', 'c2', 'c2.1', 'c3', 'd1', 'd1.1'])
      const told = [...conflicts].map(
        ([
          id,
          {
            version,
            values: { fields },
          },
        ]) => [id, version, fields.field, fields.base, fields.local, fields.remote],
      )
      expect(told).toEqual([
        ['c1', 1, 'mobile', 'A B', '1', '2'],
        ['c2', 1, 'given', 'A', 'X', 'Y'],
        ['c2.1', 1, 'family', 'B', 'C', 'D'],
        ['c3', 1, 'name', 'A B', 'A C', 'A D'],
      ])
      const decisions = await load(store, '_decisions', ['d1', 'd1.1'])
      expect([...decisions.values()].map(({ values: { fields } }) => [fields.field, fields.local])).toEqual([
        ['family', 'C'],
      ])
      expect(openCountOf((await load(store, 'people', ['p1'])).get('p1') as ServerRecord)).toBe(3)
      const subjects = await store.transact((tx) => tx.about('_conflicts', ['people p1']))
      expect(subjects.get('people p1')?.map(({ id }) => id)).toEqual(['c1', 'c2', 'c2.1'])
    })

    test('[FM1] a migration that fails leaves everything as it was', async () => {
      const broken = changed('size', 'width', {
        was: t.enum(['s', 'm']),
        up: (): number => {
          throw new Error('no')
        },
        down: (): 's' | 'm' => 's',
      })
      const failing = {
        ...third,
        migrations: {
          ...third.migrations,
          3: { people: [renamed('phoneNumber', 'mobile'), renamed('tags', 'labels'), broken, labels] },
        },
      }
      await expect(made.reopen(failing)).rejects.toThrow(MigrationFault)
      const store = await made.reopen(first)
      expect((await load(store, 'people', ['p1'])).get('p1')?.values.fields).toEqual(before)
    })

    test('[FM3] an older server does not open what a newer one has migrated, and the newer one goes on', async () => {
      await made.reopen(third)
      await expect(made.reopen(first)).rejects.toThrow(UsageError)
      const store = await made.reopen(third)
      expect((await load(store, 'people', ['p1'])).get('p1')?.values.fields).toEqual(after)
    })

    test('an older server opens what a newer one has only added to', async () => {
      const added = {
        ...first,
        version: 2,
        collections: { ...first.collections, more: collection({ fields: { name: t.text() } }) },
      }
      await made.reopen(added)
      const store = await made.reopen(first)
      expect((await load(store, 'people', ['p1'])).get('p1')?.values.fields).toEqual(before)
    })
  })
}

/** A person, one that was deleted, and what is open and decided about the first. */
async function fill(tx: StoreTransaction): Promise<void> {
  const live: ServerRecord = {
    ...liveRecord(4, before),
    stamps: { '': stamp(1), name: stamp(2), phone: stamp(3), calls: stamp(4) },
    states: { tags: { a: [1, 'd'] } },
  }
  const gone: ServerRecord = { ...liveRecord(2, before), state: 'deleted', stamps: { '': stamp(2) } }
  await tx.write(
    'people',
    new Map([
      ['p1', withOpenCount(live, 2)],
      ['p2', gone],
    ]),
  )
  await tx.write('notes', new Map([['n1', liveRecord(1, { name: 'A B' })]]))
  const conflicts = new Map([
    ['c1', conflictRow(about, { id: 'c1', ...asked('phone', '1', '2') }, null, 3)],
    ['c2', conflictRow(about, { id: 'c2', ...asked('name', 'X C', 'Y D') }, null, 3)],
    ['c3', conflictRow({ collection: 'notes', record: 'n1' }, { id: 'c3', ...asked('name', 'A C', 'A D') }, null, 3)],
  ])
  const decision = { field: 'name', strategy: 'lww', winner: 'remote', result: 'A D', settledBy: null } as const
  const sides = { base: 'A B', local: 'A C', remote: 'A D', localBy: by, remoteBy: by }
  const decisions = new Map([
    ['d1', decisionRow(about, { ...decision, ...sides }, { operation: 'o', version: 1, by, nowMs: 1 })],
  ])
  await tx.write('_conflicts', conflicts)
  await tx.write('_decisions', decisions)
  const entry = (name: string, record: string, version: number, state: FeedEntry['state'] = 'present'): FeedEntry[] =>
    ['all', 'agent:ann'].map((scope) => ({
      scope,
      collection: name,
      record,
      version,
      state,
      bytes: state === 'present' ? 50 : 0,
    }))
  await tx.feed([
    ...entry('people', 'p1', 4),
    ...entry('people', 'p2', 2, 'deleted'),
    ...entry('notes', 'n1', 1),
    ...[...conflicts.keys()].flatMap((id) => entry('_conflicts', id, 1)),
    ...[...decisions.keys()].flatMap((id) => entry('_decisions', id, 1)),
  ])
}
