/** Of the contract: where records lie that have a parent, and who waits for whom. A part of server-store.contract.ts. */
import {
  collection,
  conflictRow,
  defineSchema,
  type JsonObject,
  pageBytesMax,
  type RecordId,
  type Schema,
  type ServerRecord,
  t,
} from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import type { FeedEntry, Scope, ScopePosition, ServerStore, StoreTransaction } from '../ports/server-store.ts'
import { leadsSchema, liveRecord, type NextLead, saveLeads } from './leads.ts'
import { beginning, rowsOf } from './replica.ts'

interface Opened {
  readonly store: () => ServerStore
  readonly reopen: (schema: Schema) => Promise<ServerStore>
}

export function describeLocating({ store, reopen }: Opened): void {
  const write = async (tx: StoreTransaction, collection: string, given: Saved) => {
    const { id, version = 1, state = 'live', fields, scopes } = given
    await tx.load(collection, [id])
    const record: ServerRecord = { ...liveRecord(version, fields), state }
    await tx.write(collection, new Map([[id, record]]))
    await tx.feed(
      scopes.map((scope): FeedEntry => {
        return { scope, collection, record: id, version, state: state === 'live' ? 'present' : 'deleted', bytes: 7 }
      }),
    )
  }
  const saveLead = (id: RecordId, next: NextLead) => store().transact((tx) => saveLeads(tx, new Map([[id, next]])))
  const save = (collection: string, given: Saved) => store().transact((tx) => write(tx, collection, given))
  const call = (id: RecordId, lead: RecordId | null, scopes: readonly Scope[]) =>
    save('calls', { id, fields: { lead }, scopes })
  const locate = async (collection: string, ids: readonly RecordId[]) =>
    store().transact(async (tx) => plain(await tx.locate(new Map([[collection, ids]]))))

  const readPage = (position: ScopePosition) =>
    store().readPage({ positions: [position], leaving: [], seen: null, rowsMax: 100, bytesMax: pageBytesMax })
  const placeOf = async (scope: Scope) => (await readPage(beginning(scope))).positions[0] ?? beginning(scope)
  const pageOf = async (position: ScopePosition) =>
    (await readPage(position)).changes
      .flatMap(({ collection: name, rows, gone }) => [
        ...rowsOf(rows).map(([id]) => `${name} ${id}`),
        ...gone.map(({ record, why }) => `${name} ${record} ${why}`),
      ])
      .sort()

  describe('where records lie', () => {
    test('[SS10] of each: its state, its scopes, its parent, and the same of all above it; nothing of what is not there', async () => {
      await saveLead('l', () => ({ owner: 'x', name: 'n', visits: 0 }))
      await call('c', 'l', ['agent:x', 'all'])
      await call('free', null, ['all'])
      await save('marks', { id: 'm', fields: { call: 'c' }, scopes: ['agent:x', 'all'] })
      const lead = { l: { state: 'live', scopes: ['agent:x', 'all'], parent: null } }
      const c = { state: 'live', scopes: ['agent:x', 'all'], parent: 'l' }
      const free = { state: 'live', scopes: ['all'], parent: null }
      expect(await locate('calls', ['c', 'free', 'none'])).toEqual({ calls: { c, free }, leads: lead })
      expect(await locate('marks', ['m'])).toEqual({
        marks: { m: { state: 'live', scopes: ['agent:x', 'all'], parent: 'c' } },
        calls: { c },
        leads: lead,
      })
      expect(await locate('leads', ['l', 'none'])).toEqual({ leads: lead })
    })

    test('[SS10] a deleted record lies where its last deletion found it, below the parent that it had', async () => {
      await saveLead('l', () => ({ owner: 'x', name: 'n', visits: 0 }))
      await call('c', 'l', ['agent:x', 'all'])
      await save('calls', { id: 'c', version: 2, state: 'deleted', fields: { lead: 'l' }, scopes: ['agent:x', 'all'] })
      expect((await locate('calls', ['c'])).calls).toEqual({
        c: { state: 'deleted', scopes: ['agent:x', 'all'], parent: 'l' },
      })
      await save('calls', { id: 'c', version: 3, fields: { lead: null }, scopes: ['agent:y', 'all'] })
      expect((await locate('calls', ['c'])).calls).toEqual({
        c: { state: 'live', scopes: ['agent:y', 'all'], parent: null },
      })
      await save('calls', { id: 'c', version: 4, state: 'deleted', fields: { lead: null }, scopes: ['agent:y', 'all'] })
      expect((await locate('calls', ['c'])).calls).toEqual({
        c: { state: 'deleted', scopes: ['agent:y', 'all'], parent: null },
      })
    })

    test('parents are found, each once, of deleted records the last; of what has none, or is not there, nothing', async () => {
      await call('c1', 'l', ['all'])
      await call('c2', 'l', ['all'])
      await call('free', null, ['all'])
      await call('c3', 'other', ['all'])
      await save('calls', { id: 'c3', version: 2, state: 'deleted', fields: { lead: 'other' }, scopes: ['all'] })
      const parents = (...ids: readonly RecordId[]) => store().transact((tx) => tx.parents('calls', ids))
      expect(await parents('c1', 'c2', 'free', 'never')).toEqual(['l'])
      expect(await parents('c3')).toEqual(['other'])
    })

    test('children are found by their parents: live ones, with what the feed says of them', async () => {
      await saveLead('l', () => ({ owner: 'x', name: 'n', visits: 0 }))
      await call('c1', 'l', ['all'])
      await call('c2', 'l', ['all'])
      await call('c3', 'other', ['all'])
      await call('c4', null, ['all'])
      await save('calls', { id: 'c2', version: 2, state: 'deleted', fields: { lead: 'l' }, scopes: ['all'] })
      const found = await store().transact((tx) => tx.children('calls', ['l', 'none', 'other'], ''))
      expect([...found].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
        { id: 'c1', parent: 'l', version: 1, bytes: 7 },
        { id: 'c3', parent: 'other', version: 1, bytes: 7 },
      ])
      expect(await store().transact((tx) => tx.children('calls', [], ''))).toEqual([])
      // Or a piece that is full would look like the last one.
      await save('calls', { id: 'c5', fields: { lead: 'other' }, scopes: [] })
      expect(await store().transact((tx) => tx.children('calls', ['other'], ''))).toEqual([
        { id: 'c3', parent: 'other', version: 1, bytes: 7 },
        { id: 'c5', parent: 'other', version: 0, bytes: 0 },
      ])
      expect(await store().transact((tx) => tx.children('calls', ['l', 'other'], 'c1'))).toMatchObject([
        { id: 'c3' },
        { id: 'c5' },
      ])
    })

    test('[RS1] [I-28] a release that declares scopes in another way puts every record, and all below it, where it belongs', async () => {
      await saveLead('l', () => ({ owner: 'x', name: 'n', visits: 0 }))
      await saveLead('l2', () => ({ owner: 'x', name: '', visits: 0 }))
      await call('c', 'l', ['agent:x', 'all'])
      await save('marks', { id: 'm', fields: { call: 'c' }, scopes: ['agent:x', 'all'] })
      await store().transact(async (tx) => {
        const by = { user: 'u', device: 'd', at: 5, correctedAt: 1_700_000_000_000 }
        const sides = { field: 'lead', base: null, local: 'l2', remote: 'l', localBy: by, remoteBy: by }
        const question = conflictRow({ collection: 'calls', record: 'c' }, { id: 'q', revision: 1, ...sides }, null, 1)
        await tx.write('_conflicts', new Map([['q', question]]))
        await tx.feed(
          ['agent:x', 'all'].map((scope) => ({
            scope,
            collection: '_conflicts',
            record: 'q',
            version: 1,
            state: 'present' as const,
            bytes: 7,
          })),
        )
      })
      const before = await placeOf('agent:x')
      const { collections } = leadsSchema
      const schema = defineSchema({
        ...leadsSchema,
        collections: { ...collections, leads: collection({ ...leads, scope: { name: 'name' } }) },
      })
      await reopen(schema)
      expect(await pageOf(beginning('name:n'))).toEqual(['_conflicts q', 'calls c', 'leads l', 'marks m'])
      expect(await pageOf(before)).toEqual([
        '_conflicts q left',
        'calls c left',
        'leads l left',
        'leads l2 left',
        'marks m left',
      ])
      const all = await placeOf('all')
      expect(await pageOf(all)).toEqual([])
      // Nothing is to be done again.
      const after = await placeOf('name:n')
      await reopen(schema)
      expect(await pageOf(after)).toEqual([])
      // From a parent to a field of its own, and the other way.
      await reopen(
        defineSchema({
          ...schema,
          collections: {
            ...schema.collections,
            calls: collection({ fields: { lead: t.ref('leads', { optional: true }) }, scope: { of: 'lead' } }),
          },
        }),
      )
      expect(await pageOf(beginning('of:l'))).toEqual(['_conflicts q', 'calls c', 'marks m'])
      expect(await pageOf(after)).toEqual(['_conflicts q left', 'calls c left', 'marks m left'])
      await reopen(leadsSchema)
      expect(await pageOf(beginning('agent:x'))).toEqual(['_conflicts q', 'calls c', 'leads l', 'leads l2', 'marks m'])
      expect(await locate('marks', ['m'])).toMatchObject({ marks: { m: { scopes: ['agent:x', 'all'] } } })
    })

    test('[SS10] who loads what is above a located record waits for all that have located it', async () => {
      await saveLead('l', () => ({ owner: 'x', name: 'n', visits: 0 }))
      await call('c', 'l', ['agent:x', 'all'])
      const order: string[] = []
      const both = Promise.withResolvers<void>()
      // Where transactions run one after the other the second does not come while the first is there.
      const located = Promise.race([both.promise, pause(300)])
      let count = 0
      const locating = () =>
        store().transact(async (tx) => {
          await tx.locate(new Map([['calls', ['c']]]))
          count += 1
          if (count === 2) both.resolve()
          await located
          await pause(100)
          order.push('locate')
        })
      const moving = async () => {
        await located
        await store().transact(async (tx) => {
          await tx.load('leads', ['l'])
          order.push('move')
        })
      }
      await Promise.all([locating(), locating(), moving()])
      expect(order).toEqual(['locate', 'locate', 'move'])
    })
  })
}

const leads = {
  fields: { owner: t.text(), name: t.text(), visits: t.counter() },
  indexes: [['owner', 'updatedAt']],
} as const

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Saved {
  readonly id: RecordId
  readonly version?: number
  readonly state?: ServerRecord['state']
  readonly fields: JsonObject
  readonly scopes: readonly Scope[]
}

function plain(maps: ReadonlyMap<string, ReadonlyMap<RecordId, unknown>>) {
  return Object.fromEntries([...maps].map(([name, own]) => [name, Object.fromEntries(own)]))
}
