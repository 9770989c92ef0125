/**
 * The contract of the server's store: what every store must keep, whatever database it stands on. The laws SS1 to SS6 are
 * written in ports/server-store.ts. The suite needs real concurrency where the store has it, and holds where transactions run
 * one after the other.
 */
import {
  closedRow,
  collection,
  conflictRow,
  decisionRow,
  defineSchema,
  type Json,
  type JsonObject,
  type OperationId,
  pageBytesMax,
  parseDeviceId,
  parseOperationId,
  parseUserId,
  type RecordId,
  type Schema,
  type ServerRecord,
  subjectOf,
  t,
} from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type Claim,
  type FeedEntry,
  type OfUsers,
  type Page,
  reportAgeMsMax,
  type Scope,
  type SentReport,
  type ServerStore,
  type StoreTransaction,
} from '../ports/server-store.ts'
import { type Lead, leadOf, leadsSchema, liveRecord, type NextLead, rowOf, type SavedLead, saveLeads } from './leads.ts'
import { describeLeaving } from './leaving.cases.ts'
import { describeLocating } from './locate.cases.ts'
import { describeMigrations } from './migration.cases.ts'
import { createRandom, pick } from './random.ts'
import { beginning, createReplica, type Replica, rowsOf, sizeOf } from './replica.ts'
import { describeSnapshotShelf } from './snapshot-shelf.cases.ts'
import { describeTime } from './time.cases.ts'

export interface StoreUnderTest {
  /** Open, and on a database of its own. */
  readonly store: ServerStore
  /** Closes the store and opens its database again, perhaps with a newer schema. */
  reopen(schema?: Schema): Promise<ServerStore>
  /** Closes what is open and removes the database. */
  dispose(): Promise<void>
}

export function describeServerStore(name: string, makeStore: (schema: Schema) => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let made: StoreUnderTest
    let store: ServerStore

    beforeEach(async () => {
      made = await makeStore(leadsSchema)
      store = made.store
    })
    afterEach(() => made.dispose())

    const save = (changes: ReadonlyMap<RecordId, NextLead>) => store.transact((tx) => saveLeads(tx, changes))
    const saveOne = (id: RecordId, next: NextLead) => save(new Map([[id, next]]))
    const load = (ids: readonly RecordId[], name = 'leads') => store.transact((tx) => tx.load(name, ids))
    const firstPage = (scopes: readonly Scope[], rowsMax = 5_000) =>
      store.readPage({ positions: scopes.map(beginning), leaving: [], seen: null, rowsMax, bytesMax: pageBytesMax })

    describe('values', () => {
      test.each(things)('[SS1] $name come back as they were written, from load and in a page', async ({ fields }) => {
        const record = liveRecord(1, { ...plainThing, ...fields })
        await store.transact(async (tx) => {
          await tx.write('things', new Map([['t1', record]]))
          await tx.feed([{ ...inAll('t1', 1), collection: 'things' }])
        })
        expect((await load(['t1'], 'things')).get('t1')).toEqual(record)
        const { changes } = await firstPage(['all'])
        expect(changes.map(({ collection }) => collection)).toEqual(['things'])
        expect(changes[0]?.columns).toEqual(['id', '$version', 'createdAt', 'updatedAt', ...thingFields])
        // Parsed and written again: the text of numbers may differ, the order of keys may not.
        const expected = rowOf(
          't1',
          { ...record, values: { ...record.values, fields: sortedThing(record) } },
          thingFields,
        )
        expect(JSON.stringify(rowsOf(changes[0]?.rows ?? ''))).toBe(JSON.stringify([expected]))
      })

      test('[SS1] ids, times before 1970 and a version of 2^53 − 1 come back as they were written', async () => {
        const id = 'é-\u{1F98A}-"\'\\-مرحبا'
        const record: ServerRecord = {
          ...liveRecord(Number.MAX_SAFE_INTEGER, { owner: '', name: "Robert'); drop table leads;--", visits: 0 }),
          values: {
            createdAt: -62_135_596_800_000,
            updatedAt: 253_402_300_799_999,
            fields: { owner: '', name: "Robert'); drop table leads;--", visits: Number.MIN_SAFE_INTEGER },
          },
        }
        await store.transact(async (tx) => {
          await tx.write('leads', new Map([[id, record]]))
          await tx.feed([{ ...inAll(id, Number.MAX_SAFE_INTEGER), scope: 'agent:"\'\\é' }])
        })
        expect((await load([id])).get(id)).toEqual(record)
        const page = await firstPage(['agent:"\'\\é'])
        expect(rowsOf(page.changes[0]?.rows ?? '')).toEqual([rowOf(id, record, leadFields)])
      })

      test('[SS1] a collection may be named like a table of the store', async () => {
        const names = ['feed', 'meta', 'operations']
        const record = liveRecord(1, { title: 'a' })
        for (const name of names) await store.transact((tx) => tx.write(name, new Map([['x', record]])))
        for (const name of names) expect(await load(['x'], name)).toEqual(new Map([['x', record]]))
      })
    })

    describe('transactions', () => {
      test('[SS1] records, versions and stamps are there afterwards; absent ones are absent', async () => {
        const record: ServerRecord = {
          ...liveRecord(3, { owner: 'a', name: 'n', visits: 2 }),
          stamps: {
            '': { version: 1, device: 'd1', user: 'u1', stamp: '1', at: 1 },
            name: { version: 3, device: 'd2', user: 'u2', stamp: '3.d2', at: -7 },
          },
        }
        await store.transact((tx) => tx.write('leads', new Map([['a', record]])))
        expect(await load(['a', 'b'])).toEqual(new Map([['a', record]]))
        expect(await load([])).toEqual(new Map())
      })

      test('[AP3] the weight of records is about what loading them takes, of deleted ones too; absent ones weigh nothing', async () => {
        const name = 'n'.repeat(5_000)
        await saveOne('a', () => ({ ...lead('x'), name }))
        await saveOne('b', () => ({ ...lead('x'), name }))
        const weigh = (ids: readonly RecordId[]) => store.transact((tx) => tx.weigh('leads', ids))
        const isAbout = async (ids: readonly RecordId[], bytes: number) => Math.abs((await weigh(ids)) - bytes) < 1_000
        expect(await isAbout(['a', 'b', 'c'], 10_000)).toBe(true)
        await saveOne('b', () => null)
        expect(await isAbout(['b', 'a'], 10_000)).toBe(true)
        expect(await weigh(['c'])).toBe(0)
      })

      test('[SS1] what merging needs beside the values comes back, of deleted records too, and goes when it is empty', async () => {
        const states = { name: { red: { d1: 1, d2: 2 }, '"\'': { d1: 3 } }, visits: 'AAE"=', '': { d1: 3 } }
        const record: ServerRecord = { ...liveRecord(3, { ...lead('x') }), states }
        const written = async (next: ServerRecord) => {
          await store.transact((tx) => tx.write('leads', new Map([['a', next]])))
          return (await load(['a'])).get('a')
        }
        expect(await written(record)).toEqual(record)
        const deleted: ServerRecord = { ...record, version: 4, state: 'deleted' }
        expect(await written(deleted)).toEqual(deleted)
        const bare: ServerRecord = { ...record, version: 5, states: {} }
        expect(await written(bare)).toEqual(bare)
      })

      test('[SS1] a transaction sees what it wrote', async () => {
        await store.transact(async (tx) => {
          await saveLeads(tx, new Map([['a', () => lead('x')]]))
          expect([...(await tx.load('leads', ['a'])).keys()]).toEqual(['a'])
          await saveLeads(tx, new Map([['a', () => lead('y')]]))
          expect((await tx.present('leads', ['a'])).get('a')?.toSorted()).toEqual(['agent:y', 'all'])
        })
        expect((await load(['a'])).get('a')?.version).toBe(2)
      })

      test('[SS1] work that throws leaves nothing behind, and its error comes out as it is', async () => {
        const problem = new Error('no')
        const [id] = operationIds(1)
        const failing = store.transact(async (tx) => {
          await tx.claim([claimOf(id)])
          await saveLeads(tx, new Map([['a', () => lead('x')]]))
          await tx.settle(ofUser([[id, '"done"']]))
          throw problem
        })
        await expect(failing).rejects.toBe(problem)
        await store.transact(async (tx) => {
          expect((await tx.claim([claimOf(id)])).size).toBe(0)
          expect((await tx.load('leads', ['a'])).size).toBe(0)
        })
        expect((await firstPage(['all'])).changes).toEqual([])
      })

      test('[SS6] a broken value throws and leaves nothing behind, and the store goes on', async () => {
        const broken = liveRecord(1, { owner: 'x', name: 'n', visits: 'many' })
        const failing = store.transact(async (tx) => {
          await saveLeads(tx, new Map([['a', () => lead('x')]]))
          await tx.write('leads', new Map([['b', broken]]))
        })
        await expect(failing).rejects.toThrow()
        expect((await load(['a', 'b'])).size).toBe(0)
        await saveOne('a', () => lead('x'))
        expect((await load(['a'])).size).toBe(1)
      })

      test('[SS1] 5,000 records of one write are one transaction', async () => {
        const many = new Map(ids(5_000).map((id): [RecordId, NextLead] => [id, () => lead('x')]))
        const saved = await save(many)
        expect(new Set(saved.map(({ place }) => place)).size).toBe(1)
        const loaded = await load([...many.keys()])
        expect(loaded.size).toBe(5_000)
        expect([...loaded.values()].every(({ version }) => version === 1)).toBe(true)
      })

      test('[SS1] a deleted record keeps its version and last values, and can be restored', async () => {
        await saveOne('a', () => ({ owner: 'x', name: 'last', visits: 7 }))
        await saveOne('a', () => null)
        const deleted = (await load(['a'])).get('a')
        expect(deleted).toMatchObject({ version: 2, state: 'deleted', values: { createdAt: 1_700_000_000_000 } })
        expect(deleted?.values.fields).toEqual({ owner: 'x', name: 'last', visits: 7 })
        await store.transact(async (tx) => {
          expect((await tx.present('leads', ['a'])).size).toBe(0)
        })
        await saveOne('a', () => lead('x'))
        expect((await load(['a'])).get('a')).toMatchObject({ version: 3, state: 'live' })
      })

      test('[SS1] places grow with the order of commits', async () => {
        const places: number[] = []
        for (const id of ids(3)) places.push(...(await saveOne(id, () => lead('x'))).map(({ place }) => place))
        expect(places).toEqual([...places].sort((a, b) => a - b))
        expect(new Set(places).size).toBe(3)
        expect(places[0]).toBeGreaterThan(0)
      })

      test('present tells which scopes hold a live record', async () => {
        await save(
          new Map<RecordId, NextLead>([
            ['a', () => lead('x')],
            ['b', () => lead('y')],
            ['c', () => lead('x')],
            ['e', () => lead('x')],
          ]),
        )
        await saveOne('c', () => lead('y'))
        await saveOne('e', () => null)
        await store.transact(async (tx) => {
          const holders = [...(await tx.present('leads', ['a', 'c', 'd', 'e']))]
          expect(holders.map(([id, scopes]) => [id, scopes.toSorted()]).toSorted()).toEqual([
            ['a', ['agent:x', 'all']],
            ['c', ['agent:y', 'all']],
          ])
          expect(await tx.present('things', ['a'])).toEqual(new Map())
        })
      })
    })

    describe('what is about a record', () => {
      const subjectsOf = (ids: readonly string[]) => ids.map((id) => subjectOf('leads', id))
      const find = async (tx: StoreTransaction, ids: readonly string[]) => {
        const found = await tx.about('_conflicts', subjectsOf(ids))
        return new Map([...found].map(([subject, rows]) => [subject, rows.map(({ id }) => id)]))
      }
      const note = (tx: StoreTransaction, id: RecordId, record: RecordId) =>
        tx.write('_conflicts', new Map([[id, conflictRecord(id, record)]]))

      test('[SS1] is found by it, of one collection, as long as it lives', async () => {
        await store.transact(async (tx) => {
          await note(tx, 'c1', 'a')
          await note(tx, 'c2', 'a')
          await note(tx, 'c3', 'b')
          // In the transaction that wrote it too.
          expect(await find(tx, ['b'])).toEqual(new Map([['leads b', ['c3']]]))
        })
        const [one] = await store.transact(async (tx) => {
          const loaded = await tx.load('_conflicts', ['c1'])
          await tx.write('_conflicts', new Map([...loaded].map(([id, record]) => [id, closedRow(record)])))
          return [...loaded.values()]
        })
        expect(one).toEqual(conflictRecord('c1', 'a'))
        await store.transact(async (tx) => {
          expect(await find(tx, ['a', 'b', 'none'])).toEqual(
            new Map([
              ['leads a', ['c2']],
              ['leads b', ['c3']],
            ]),
          )
          expect(await tx.about('_decisions', subjectsOf(['a', 'b']))).toEqual(new Map())
          expect(await find(tx, [])).toEqual(new Map())
        })
      })

      test('[SS3] who has the record locked sees all of it: ten at once find what those before them noted', async () => {
        await saveOne('a', () => lead('x'))
        const found = await Promise.all(
          ids(10).map((id) =>
            store.transact(async (tx) => {
              await tx.load('leads', ['a'])
              const known = (await find(tx, ['a'])).get('leads a') ?? []
              await note(tx, id, 'a')
              return known.length
            }),
          ),
        )
        expect([...found].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      })
    })

    describe('claims', () => {
      test('[SS2] an operation that was settled is answered with what was stored, for its user alone', async () => {
        const [one, two] = operationIds(2)
        const other = parseUserId('other')
        await store.transact(async (tx) => {
          expect(await tx.claim([claimOf(one), claimOf(two)])).toEqual(new Map())
          await tx.settle(
            ofUser([
              [one, '{"kind":"applied","text":"é"}'],
              [two, '"2"'],
            ]),
          )
        })
        await store.transact(async (tx) => {
          const claims = [claimOf(one, 'another'), { ...claimOf(one), user: other }, claimOf(two)]
          expect(await tx.claim(claims)).toEqual(
            new Map([
              [
                user,
                new Map([
                  [one, { hash: 'hash', outcome: '{"kind":"applied","text":"é"}' }],
                  [two, { hash: 'hash', outcome: '"2"' }],
                ]),
              ],
            ]),
          )
          await tx.settle(new Map([[other, new Map([[one, '"theirs"']])]]))
        })
        await store.transact(async (tx) => {
          const known = await tx.claim([claimOf(one), { ...claimOf(one), user: other }])
          expect(known.get(other)?.get(one)?.outcome).toBe('"theirs"')
          expect(known.get(user)?.get(one)?.outcome).toBe('{"kind":"applied","text":"é"}')
        })
      })

      test('[SS2] claims without an outcome are given back', async () => {
        const [one, two] = operationIds(2)
        await store.transact(async (tx) => {
          await tx.claim([claimOf(one), claimOf(two)])
          await tx.settle(ofUser([[one, '"1"']]))
        })
        await store.transact(async (tx) => {
          const known = await tx.claim([claimOf(one), claimOf(two)])
          expect([...(known.get(user)?.keys() ?? [])]).toEqual([one])
          await tx.settle(ofUser([[two, '"2"']]))
        })
        const known = await store.transact((tx) => tx.claim([claimOf(two)]))
        expect(known.get(user)?.get(two)?.outcome).toBe('"2"')
      })

      test('[SS2] of ten transactions that claim one operation at once, one has its effect and nine see the outcome', async () => {
        const [id] = operationIds(1)
        const outcomes = await Promise.all(
          ids(10).map((text) =>
            store.transact(async (tx) => {
              const known = await tx.claim([claimOf(id)])
              const stored = known.get(user)?.get(id)
              if (stored !== undefined) return stored.outcome
              await saveLeads(tx, new Map([['a', visited]]))
              await pause(2)
              await tx.settle(ofUser([[id, `"${text}"`]]))
              return `"${text}"`
            }),
          ),
        )
        expect(new Set(outcomes).size).toBe(1)
        expect(leadIn(await load(['a']), 'a').visits).toBe(1)
      })

      test('[SS2] a claim whose transaction fails is free for the one that waits for it', async () => {
        const [id] = operationIds(1)
        const failing = store.transact(async (tx) => {
          await tx.claim([claimOf(id)])
          await pause(5)
          throw new Error('no')
        })
        const waiting = store.transact((tx) => tx.claim([claimOf(id)]))
        await expect(failing).rejects.toThrow('no')
        expect((await waiting).size).toBe(0)
      })
    })

    describe('locks', () => {
      test('[SS3] concurrent read-modify-write transactions on one record all count, from its creation on', async () => {
        await Promise.all(
          ids(20).map(() =>
            store.transact(async (tx) => {
              await saveLeads(tx, new Map([['hot', visited]]))
              await pause(1)
            }),
          ),
        )
        expect(leadIn(await load(['hot']), 'hot').visits).toBe(20)
        expect((await load(['hot'])).get('hot')?.version).toBe(20)
      })

      test('[SS3] loads of the same records in opposite order do not deadlock', async () => {
        const all = ids(50)
        await save(new Map(all.map((id): [RecordId, NextLead] => [id, () => lead('x')])))
        let runs = 0
        await Promise.all(
          ids(12).map((_, index) =>
            store.transact(async (tx) => {
              runs += 1
              const order = index % 2 === 0 ? all : [...all].reverse()
              await saveLeads(tx, new Map(order.map((id): [RecordId, NextLead] => [id, visited])))
            }),
          ),
        )
        expect(runs).toBe(12) // None was retried.
        expect([...(await load(all)).values()].map((record) => leadOf(record).visits)).toEqual(all.map(() => 12))
      })

      test('[SS3] transactions that lock one record after the other, in opposite order, both count', async () => {
        await save(
          new Map<RecordId, NextLead>([
            ['a', () => lead('x')],
            ['b', () => lead('x')],
          ]),
        )
        const bothHaveOne = createBarrier(2)
        const visit = (first: RecordId, second: RecordId) =>
          store.transact(async (tx) => {
            await saveLeads(tx, new Map([[first, visited]]))
            await bothHaveOne()
            await saveLeads(tx, new Map([[second, visited]]))
          })
        await Promise.all([visit('a', 'b'), visit('b', 'a')])
        const after = await load(['a', 'b'])
        expect([leadIn(after, 'a').visits, leadIn(after, 'b').visits]).toEqual([2, 2])
      })
    })

    describe('the feed', () => {
      test('[SS4] an empty store and an empty pull answer no changes and the same positions', async () => {
        const empty = await firstPage(['all', 'agent:x'])
        expect(empty).toMatchObject({ changes: [], more: false, remaining: null })
        expect(empty.positions).toEqual([beginning('all'), beginning('agent:x')])
        await saveOne('a', () => lead('x'))
        const page = await firstPage(['all', 'agent:x'])
        const again = await store.readPage({ ...page, rowsMax: 5_000, bytesMax: pageBytesMax })
        expect(again).toMatchObject({ changes: [], more: false, remaining: null, positions: page.positions })
      })

      test('[SS4] a page tells records, columns and positions of the scopes that were asked for, and no others', async () => {
        await save(
          new Map<RecordId, NextLead>([
            ['a', () => lead('x')],
            ['b', () => lead('y')],
          ]),
        )
        const page = await firstPage(['agent:y'])
        expect(page.changes.map(({ collection, columns, gone }) => ({ collection, columns, gone }))).toEqual([
          { collection: 'leads', columns: ['id', '$version', 'createdAt', 'updatedAt', ...leadFields], gone: [] },
        ])
        expect(rowsOf(page.changes[0]?.rows ?? '').map(([id]) => id)).toEqual(['b'])
      })

      test('[SS4] a record that is in two scopes of a request comes once', async () => {
        await saveOne('a', () => lead('x'))
        expect(sizeOf(await firstPage(['all', 'agent:x', 'agent:y']))).toBe(1)
        await saveOne('a', () => null)
        expect(sizeOf(await firstPage(['all', 'agent:x', 'agent:y']))).toBe(1)
      })

      test('[SS4] 1,000 scopes of one device come page after page, each record once', async () => {
        const ids = Array.from({ length: 2_000 }, (_, index) => `r${index}`)
        await save(new Map(ids.map((id, index) => [id, () => lead(`owner-${index % 1_000}`)])))
        const replica = createReplica(Array.from({ length: 1_000 }, (_, index) => `agent:owner-${index}`))
        const pages = await replica.pull(store, 600)
        expect(pages.map(sizeOf)).toEqual([600, 600, 600, 200])
        expect(replica.present()).toEqual([...ids].sort())
        await saveOne('r999', () => lead('owner-0'))
        expect((await replica.pull(store, 600)).map(sizeOf)).toEqual([1])
      })

      test('[SS4] a deleted record is told as deleted, with its version', async () => {
        await save(
          new Map<RecordId, NextLead>([
            ['a', () => lead('x')],
            ['b', () => lead('x')],
          ]),
        )
        const replica = createReplica(['agent:x'])
        await replica.pull(store, 100)
        await saveOne('a', () => null)
        const [page] = await replica.pull(store, 100)
        expect(goneIn(page)).toEqual([{ record: 'a', version: 2, why: 'deleted' }])
        expect(replica.present()).toEqual(['b'])
      })

      test('[SS4] a record that moves to another scope leaves the one and appears in the other', async () => {
        await saveOne('a', () => lead('x'))
        const [from, to, both] = [
          createReplica(['agent:x']),
          createReplica(['agent:y']),
          createReplica(['agent:x', 'agent:y']),
        ]
        for (const replica of [from, to, both]) await replica.pull(store, 100)
        await saveOne('a', () => lead('y'))
        const [left] = await from.pull(store, 100)
        expect(goneIn(left)).toEqual([{ record: 'a', version: 2, why: 'left' }])
        const [came] = await to.pull(store, 100)
        expect(goneIn(came)).toEqual([])
        const [kept] = await both.pull(store, 100)
        expect(goneIn(kept)).toEqual([]) // Another scope of this device holds it.
        expect([from.present(), to.present(), both.present()]).toEqual([[], ['a'], ['a']])
        expect(both.held.get('a')).toEqual({ version: 2, row: ['y', 'n', 0] })
      })

      test('[SS4] a record that left all scopes of a request, one after the other, is told as left', async () => {
        await saveOne('a', () => lead('x'))
        const replica = createReplica(['agent:x', 'agent:y'])
        await replica.pull(store, 100)
        for (const owner of ['y', 'z']) {
          await saveOne('a', () => lead(owner))
          await replica.pull(store, 100)
        }
        expect(replica.held.get('a')).toEqual({ version: 3, row: null })
        const page = await firstPage(['agent:x', 'agent:y'])
        expect(goneIn(page)).toContainEqual({ record: 'a', version: 3, why: 'left' })
      })

      test('[SS4] a record that went and came back is there', async () => {
        await saveOne('a', () => lead('x'))
        const replica = createReplica(['agent:x'])
        await replica.pull(store, 100)
        for (const owner of ['y', 'x']) await saveOne('a', () => lead(owner))
        await replica.pull(store, 100)
        expect(replica.held.get('a')).toEqual({ version: 3, row: ['x', 'n', 0] })
      })

      test('[SS4] a scope that is added later is filled by itself: the others bring nothing again', async () => {
        const all = ids(30)
        await save(new Map(all.map((id, index): [RecordId, NextLead] => [id, () => lead(index < 10 ? 'x' : 'y')])))
        const replica = createReplica(['agent:x'])
        await replica.pull(store, 100)
        replica.join('agent:y')
        const pages = await replica.pull(store, 7)
        expect(pages.reduce((sum, page) => sum + sizeOf(page), 0)).toBe(20)
        expect(replica.present()).toEqual(all)
      })

      test('[SS5] what a scope does not hold does not leave it', async () => {
        const left = (scope: Scope): FeedEntry => ({
          scope,
          collection: 'leads',
          record: 'a',
          version: 9,
          state: 'left',
          bytes: 0,
        })
        await saveOne('a', () => lead('x'))
        await store.transact((tx) => tx.feed([left('agent:never'), left('agent:x')]))
        expect(goneIn(await firstPage(['agent:never']))).toEqual([])
        const first = await firstPage(['agent:x'])
        expect(goneIn(first)).toEqual([{ record: 'a', version: 9, why: 'left' }])
        await store.transact((tx) => tx.feed([left('agent:x')]))
        const { positions, seen } = first
        expect(
          (await store.readPage({ positions, leaving: [], seen, rowsMax: 100, bytesMax: pageBytesMax })).changes,
        ).toEqual([])
      })

      test('[SS5] the feed is state: a record that changed 1,000 times is one entry', async () => {
        await saveOne('other', () => lead('x'))
        for (let round = 0; round < 10; round += 1) {
          await store.transact(async (tx) => {
            for (let step = 0; step < 100; step += 1) await saveLeads(tx, new Map([['hot', visited]]))
          })
        }
        const page = await firstPage(['all'], 2)
        expect(page.more).toBe(false)
        const versions = new Map(rowsOf(page.changes[0]?.rows ?? '').map(([id, version]) => [id, version]))
        expect(versions).toEqual(
          new Map([
            ['hot', 1_000],
            ['other', 1],
          ]),
        )
      })

      test('[SS4] pages are at most as large as asked, and say how much is left', async () => {
        await save(new Map(ids(25).map((id): [RecordId, NextLead] => [id, () => lead('x')])))
        const pages = await createReplica(['all']).pull(store, 10)
        expect(pages.map(sizeOf)).toEqual([10, 10, 5])
        expect(pages.map(({ more, remaining }) => [more, remaining])).toEqual([
          [true, 25],
          [true, 15],
          [false, null],
        ])
      })

      test('[SS4] a page ends with its bytes: within a scope and across scopes, and a row that is longer comes alone', async () => {
        const long = (owner: string, length: number) => () => ({ ...lead(owner), name: 'é"'.repeat(length / 4) })
        const lengths = [50_000, 50_000, 50_000, 400_000, 50_000, 50_000, 400_000]
        for (const owner of ['x', 'y', 'z']) {
          await save(new Map(lengths.map((length, n): [RecordId, NextLead] => [`${owner}${n}`, long(owner, length)])))
        }
        const one = await createReplica(['agent:x']).pull(store, { bytes: 120_000 })
        expect(one.map(sizeOf)).toEqual([2, 1, 1, 2, 1])
        expect(one.map(({ more, remaining }) => [more, remaining])).toEqual([
          [true, 7],
          [true, 5],
          [true, 4],
          [true, 3],
          [false, null],
        ])
        const three = createReplica(['agent:x', 'agent:y', 'agent:z'])
        const pages = await three.pull(store, { bytes: 560_000 })
        expect(pages.map(sizeOf)).toEqual([4, 4, 4, 4, 4, 1])
        expect(three.present()).toHaveLength(21)
        expectHolds(three, await load(three.present()), ['x', 'y', 'z'])
        expect((await three.pull(store, { bytes: 1 })).map(sizeOf)).toEqual([0])
        // What is gone takes nothing.
        await save(new Map(lengths.map((_, n): [RecordId, NextLead] => [`y${n}`, () => null])))
        expect((await three.pull(store, { bytes: 1 })).map(sizeOf)).toEqual([7])
      })

      test('[SS4] long rows in pages of few bytes while others write: in the end the device has the table', async () => {
        const random = createRandom(23)
        const all = ids(60)
        const long = (owner: string) => ({ ...lead(owner), name: 'n'.repeat(Math.floor(random() * 40_000)) })
        await save(new Map(all.map((id): [RecordId, NextLead] => [id, () => long(pick(random, owners))])))
        const replicas = [['all'], ['agent:a', 'agent:b'], ['agent:c', 'all', 'agent:a']].map(createReplica)
        const disturb = async () => {
          const some = new Set([...Array(4)].map(() => pick(random, all)))
          await save(new Map([...some].map((id): [RecordId, NextLead] => [id, () => long(pick(random, owners))])))
        }
        let turns = 0
        for (const replica of replicas) {
          await replica.pull(store, { bytes: 100_000 }, async () => {
            turns += 1
            if (turns % 8 < 4) await disturb()
          })
        }
        expect(turns).toBeGreaterThan(15)
        const truth = await load(all)
        for (const [index, replica] of replicas.entries()) {
          const pages = await replica.pull(store, { bytes: 100_000 })
          for (const page of pages) expect(textLength(page)).toBeLessThan(110_000)
          expectHolds(replica, truth, index === 1 ? ['a', 'b'] : owners)
        }
      }, 60_000)

      test('[SS4] decisions with long values come page after page, with those that travel later too', async () => {
        const all = ids(12)
        const dropped = { text: 'x'.repeat(99_000) }
        const written = await store.transact(async (tx) => {
          await tx.write('_decisions', new Map(all.map((id) => [id, decisionRecord('a', dropped)])))
          const about = (await tx.about('_decisions', [subjectOf('leads', 'a')])).get('leads a') ?? []
          const entry = { collection: '_decisions', version: 1, state: 'present' } as const
          await tx.feed(about.map(({ id, bytes }) => ({ ...entry, scope: 'all', record: id, bytes })))
          return about
        })
        expect(written.map(({ id }) => id).sort()).toEqual(all)
        for (const { bytes } of written) expect(bytes).toBeGreaterThan(99_000)
        for (const { bytes } of written) expect(bytes).toBeLessThan(101_000)
        expect((await createReplica(['all']).pull(store, { bytes: 410_000 })).map(sizeOf)).toEqual([4, 4, 4])
      })

      test('[SS4] 12,000 records in pages of 1,000 while others write: in the end the device has the table', async () => {
        const random = createRandom(7)
        const all = ids(12_000)
        for (const part of chunks(all, 4_000)) {
          await save(new Map(part.map((id): [RecordId, NextLead] => [id, () => lead(pick(random, owners))])))
        }
        const replicas = [['all'], ['agent:a', 'agent:b'], ['agent:c', 'all', 'agent:a']].map(createReplica)
        const writing: Promise<unknown>[] = []
        const disturb = async () => {
          for (let writer = 0; writer < 3; writer += 1) {
            const some = [...Array(20)].map(() => pick(random, all))
            writing.push(save(new Map([...new Set(some)].map((id): [RecordId, NextLead] => [id, disturbed(random)]))))
          }
        }
        for (const replica of replicas) await replica.pull(store, 1_000, disturb)
        await Promise.all(writing)
        const truth = await load(all)
        for (const [index, replica] of replicas.entries()) {
          await replica.pull(store, 1_000)
          expectHolds(replica, truth, index === 1 ? ['a', 'b'] : owners)
        }
      }, 60_000)

      test('[SS4] [I-16] no commit is skipped, whatever the order in which concurrent writers commit', async () => {
        const random = createRandom(11)
        const log: SavedLead[] = []
        let writers = 8
        const write = async (writer: number) => {
          for (let round = 0; round < 40; round += 1) {
            const fresh = `w${writer}-${round}`
            const changes = new Map<RecordId, NextLead>([
              [fresh, () => lead(pick(random, owners))],
              [`shared-${Math.floor(random() * 5)}`, (before) => ({ ...(before ?? lead('a')), name: fresh })],
            ])
            const saved = await store.transact(async (tx) => {
              await pause(random() * 4)
              const done = await saveLeads(tx, changes)
              await pause(random() * 4)
              return done
            })
            log.push(...saved)
          }
          writers -= 1
        }
        const replica = createReplica(['all'])
        const check = async () => {
          const horizon = await store.horizon()
          const pages = await replica.pull(store, 50)
          const through = pages.at(-1)?.through ?? 0
          expect(through).toBeGreaterThanOrEqual(horizon)
          for (const { id, version, place } of log) {
            if (place <= through && (replica.held.get(id)?.version ?? 0) < version) {
              throw new Error(`${id} at version ${version} (commit ${place}) was skipped: through is ${through}.`)
            }
          }
        }
        const pull = async () => {
          while (writers > 0) {
            await check()
            await pause(random() * 3)
          }
        }
        await Promise.all([...ids(8).map((_, writer) => write(writer)), pull()])
        await check()
        const last = Math.max(...log.map(({ place }) => place))
        expect(await store.horizon()).toBeGreaterThanOrEqual(last)
        for (const { id, version } of log) expect(replica.held.get(id)?.version).toBeGreaterThanOrEqual(version)
        expect(replica.present().length).toBe(8 * 40 + 5)
      }, 60_000)

      test('[SS4] through and horizon reach a commit that has resolved when nothing else is under way', async () => {
        const [saved] = await saveOne('a', () => lead('x'))
        const page = await firstPage(['all'])
        expect(page.through).toBeGreaterThanOrEqual(saved?.place ?? 0)
        expect(await store.horizon()).toBeGreaterThanOrEqual(saved?.place ?? 0)
        expect(page.positions[0]?.place).toBe(saved?.place)
      })
    })

    describeLeaving(() => store)

    describeSnapshotShelf(() => store)
    const opened = {
      store: () => store,
      reopen: async (schema?: Schema) => {
        store = await made.reopen(schema)
        return store
      },
    }
    describeLocating(opened)
    describeTime(opened)

    describe('what devices tell', () => {
      const [ada, eve] = [parseUserId('ada'), parseUserId('eve')]
      const device = parseDeviceId('01890a5d-ac96-774b-bcce-b302099a8057')
      const another = parseDeviceId('01890a5d-ac96-774b-bcce-b302099a8058')
      const report = (...reports: readonly SentReport[]) => store.transact((tx) => tx.report(reports))

      test('[SS7] the last report of a device is known, to its own user only, also after a restart', async () => {
        expect(await store.deviceReport(ada, device)).toBe(null)
        await report({ user: ada, device, pending: 7, atMs: 1_000 })
        expect(await store.deviceReport(ada, device)).toEqual({ pending: 7, atMs: 1_000 })
        expect(await store.deviceReport(eve, device)).toBe(null)
        await report(
          { user: eve, device, pending: 1, atMs: 1_001 },
          { user: ada, device: another, pending: 2, atMs: 1_001 },
        )
        expect(await store.deviceReport(ada, another)).toEqual({ pending: 2, atMs: 1_001 })
        const reopened = await made.reopen()
        expect(await reopened.deviceReport(ada, device)).toEqual({ pending: 7, atMs: 1_000 })
      })

      test('[SS7] a report is written when its count has changed, or after an hour; an old one never over a newer', async () => {
        const told = async (pending: number, atMs: number) => {
          await report({ user: ada, device, pending, atMs })
          return store.deviceReport(ada, device)
        }
        const first = { pending: 0, atMs: 1_000 }
        expect(await told(0, 1_000)).toEqual(first)
        expect(await told(0, 1_000 + reportAgeMsMax - 1)).toEqual(first)
        expect(await told(0, 1_000 + reportAgeMsMax)).toEqual({ pending: 0, atMs: 1_000 + reportAgeMsMax })
        const changed = { pending: 3, atMs: 1_001 + reportAgeMsMax }
        expect(await told(3, changed.atMs)).toEqual(changed)
        expect(await told(9, 5)).toEqual(changed)
      })
    })

    describe('its life', () => {
      test('[SS1] everything is there after it was closed and opened again', async () => {
        const [id] = operationIds(1)
        await store.transact(async (tx) => {
          await tx.claim([claimOf(id)])
          await saveLeads(
            tx,
            new Map<RecordId, NextLead>([
              ['a', () => lead('x')],
              ['b', () => lead('x')],
            ]),
          )
          await tx.settle(ofUser([[id, '"1"']]))
        })
        const replica = createReplica(['all'])
        const [first] = await replica.pull(store, 100)
        await saveOne('b', () => null)
        const [generation, secret] = [store.generation(), store.secret()]
        expect(generation).toMatch(/^[0-9a-z]{4,32}$/)
        expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/)

        store = await made.reopen()
        expect([store.generation(), store.secret()]).toEqual([generation, secret])
        expect((await load(['a'])).get('a')).toMatchObject({ version: 1, state: 'live' })
        expect((await load(['b'])).get('b')).toMatchObject({ version: 2, state: 'deleted' })
        expect((await store.transact((tx) => tx.claim([claimOf(id)]))).size).toBe(1)
        const [second] = await replica.pull(store, 100)
        expect(goneIn(second)).toEqual([{ record: 'b', version: 2, why: 'deleted' }])
        expect(replica.present()).toEqual(['a'])
        const [saved] = await saveOne('c', () => lead('x'))
        expect(saved?.place).toBeGreaterThan(first?.positions[0]?.place ?? 0)
        await replica.pull(store, 100)
        expect(replica.present()).toEqual(['a', 'c'])
      })

      test('a schema that has grown opens the same data; new fields have their defaults', async () => {
        await saveOne('a', () => lead('x'))
        store = await made.reopen(grownSchema)
        const fields = {
          owner: 'x',
          name: 'n',
          visits: 0,
          stage: "it's new",
          score: 0,
          done: false,
          tags: ['a'],
          due: null,
          labels: [],
        }
        expect((await load(['a'])).get('a')?.values.fields).toEqual(fields)
        const page = await firstPage(['all'])
        expect(rowsOf(page.changes[0]?.rows ?? '')[0]?.slice(4)).toEqual(Object.values(fields))
        await store.transact((tx) => tx.write('visits', new Map([['v', liveRecord(1, { lead: 'a' })]])))
        expect((await load(['v'], 'visits')).size).toBe(1)
        // A server of the release before may still run beside it, or be put back.
        store = await made.reopen(leadsSchema)
        await saveOne('a', (before) => ({ ...(before ?? lead('x')), name: 'm' }))
        store = await made.reopen(grownSchema)
        expect((await load(['a'])).get('a')?.values.fields).toEqual({ ...fields, name: 'm' })
      })

      test('a record that was deleted before a field came has its default when it is restored', async () => {
        await saveOne('a', () => lead('x'))
        await saveOne('a', () => null)
        store = await made.reopen(grownSchema)
        const deleted = (await load(['a'])).get('a')
        const added = { stage: "it's new", score: 0, done: false, tags: ['a'], due: null }
        expect(deleted).toMatchObject({ state: 'deleted', values: { fields: { ...lead('x'), ...added } } })
      })

      test('a field that changes its kind is refused', async () => {
        const changed = defineSchema({
          version: 2,
          collections: { leads: collection({ fields: { owner: t.integer(), name: t.text(), visits: t.counter() } }) },
        })
        await expect(made.reopen(changed)).rejects.toThrow('leads.owner')
      })

      test('calls after close throw CLOSED', async () => {
        await store.close()
        const calls = [() => load(['a']), () => firstPage(['all']), () => store.horizon()]
        for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'CLOSED' })
      })
    })
  })
  describeMigrations(name, makeStore)
}

const user = parseUserId('user-1')
const owners = ['a', 'b', 'c']
const leadFields = ['owner', 'name', 'visits']

const plainThing: JsonObject = {
  text: 'a',
  integer: 1,
  real: 1.5,
  boolean: true,
  instant: 1,
  enum: 'one',
  json: null,
  ref: 'l1',
  counter: 0,
  note: null,
  extra: null,
  set: [],
}
const thingFields = Object.keys(plainThing)

const things: readonly { readonly name: string; readonly fields: JsonObject }[] = [
  { name: 'the ends of whole numbers', fields: { integer: Number.MAX_SAFE_INTEGER, counter: Number.MIN_SAFE_INTEGER } },
  { name: 'the ends of instants', fields: { instant: -62_135_596_800_000, integer: 253_402_300_799_999 } },
  { name: 'zero and false', fields: { integer: 0, real: 0, boolean: false, counter: 0, instant: 0 } },
  ...[0.1, -2.5, 1e21, 1e-7, 123456789.125, Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53, -1e300, 100].map((real) => ({
    name: `the real ${real}`,
    fields: { real },
  })),
  { name: 'empty text and absent values', fields: { text: '', ref: '', note: null, extra: null } },
  { name: 'text that is not null', fields: { text: 'null', note: '', enum: 'two' } },
  {
    name: 'emoji, Arabic and combining marks',
    fields: { text: '\u{1F468}\u200d\u{1F33E} مرحبًا e\u0301 é', note: 'ﷺ' },
  },
  {
    name: 'quotes, backslashes and control characters',
    fields: { text: '"\'\\ \n\r\t\u0001\u007f\u2028', note: '{"a":[1,}' },
  },
  { name: 'a set', fields: { set: ['', '"', '[1]', 'a,b', 'null', 'é\u{1F98A}'] } },
  { name: 'a long text', fields: { text: 'ab"\n'.repeat(50_000) } },
  {
    name: 'nested JSON with unsorted keys',
    fields: { json: { b: 1, aa: { z: [1, { y: null, x: true }], a: 'é' }, a: [] } },
  },
  {
    name: 'JSON numbers',
    fields: { json: [0, 1.5, 1e21, 1e-7, 9007199254740991, -1, 5e-324, 1.7976931348623157e308] },
  },
  { name: 'JSON text', fields: { json: 'text', extra: '' } },
  { name: 'a JSON boolean and number', fields: { json: false, extra: 0 } },
  { name: 'JSON with odd texts', fields: { json: { '': '', 'a b"\\\n\u{1F98A}': ['\u0001', "'"] }, extra: [] } },
  { name: 'empty JSON', fields: { json: {}, extra: [[], {}] } },
]

const grownSchema = defineSchema({
  version: 2,
  collections: {
    ...leadsSchema.collections,
    leads: collection({
      fields: {
        ...leadsSchema.collections.leads.fields,
        stage: t.text({ default: "it's new" }),
        score: t.counter(),
        done: t.boolean({ default: false }),
        tags: t.json({ default: ['a'] }),
        due: t.instant({ optional: true }),
        labels: t.set(),
      },
      indexes: [['owner', 'stage'], ['due']],
      scope: { agent: 'owner' },
    }),
    visits: collection({ fields: { lead: t.ref('leads') } }),
  },
})

function lead(owner: string): Lead {
  return { owner, name: 'n', visits: 0 }
}

function visited(before: Lead | null): Lead {
  return before === null ? { ...lead('x'), visits: 1 } : { ...before, visits: before.visits + 1 }
}

/** An edit, a move, a deletion, or a restore. */
function disturbed(random: () => number): NextLead {
  const [kind, owner] = [random(), pick(random, owners)]
  return (before) => {
    if (before === null) return lead(owner)
    if (kind < 0.2) return null
    return kind < 0.6 ? { ...before, owner } : visited(before)
  }
}

function leadIn(records: ReadonlyMap<RecordId, ServerRecord>, id: RecordId): Lead {
  const record = records.get(id)
  if (record === undefined) throw new Error(`${id} is absent.`)
  return leadOf(record)
}

/** The replica has the live leads of these owners, as the table has them, and no others. */
function expectHolds(replica: Replica, truth: ReadonlyMap<RecordId, ServerRecord>, ofOwners: readonly string[]): void {
  const expected = [...truth].filter(([, r]) => r.state === 'live' && ofOwners.includes(leadOf(r).owner))
  expect(replica.present()).toEqual(expected.map(([id]) => id).sort())
  for (const [id, record] of expected) {
    expect(replica.held.get(id)).toEqual({ version: record.version, row: Object.values(leadOf(record)) })
  }
}

function textLength({ changes }: Page): number {
  return changes.reduce((sum, { rows }) => sum + rows.length, 0)
}

function goneIn(page: Page | undefined) {
  return page?.changes.flatMap(({ gone }) => gone)
}

/** An open conflict of a lead; device and user say which. */
function conflictRecord(id: RecordId, record: RecordId): ServerRecord {
  const by = { user: 'u', device: `device of ${id}`, at: 5, correctedAt: 1_700_000_000_000 }
  const sides = { base: 'was', local: { any: ['json'] }, remote: null, localBy: by, remoteBy: by }
  return conflictRow({ collection: 'leads', record }, { id, field: 'name', revision: 1, ...sides }, null, 3)
}

/** A decision about a lead that dropped a long value. */
function decisionRecord(record: RecordId, local: Json): ServerRecord {
  const by = { user: 'u', device: 'd', at: 5, correctedAt: 1_700_000_000_000 }
  const sides = { base: null, local, remote: 'r', result: 'r', winner: 'remote', localBy: by, remoteBy: by } as const
  return decisionRow(
    { collection: 'leads', record },
    { field: 'name', strategy: 'lww', settledBy: null, ...sides },
    { operation: 'o', version: 1, by, nowMs: 1_700_000_000_000 },
  )
}

function inAll(record: RecordId, version: number): FeedEntry {
  return { scope: 'all', collection: 'leads', record, version, state: 'present', bytes: 100 }
}

function ids(count: number): readonly RecordId[] {
  return [...Array(count).keys()].map((index) => `r${String(index).padStart(5, '0')}`)
}

let operationCount = 0

function operationIds(count: 1): [OperationId]
function operationIds(count: 2): [OperationId, OperationId]
function operationIds(count: number): OperationId[] {
  return [...Array(count)].map(() => {
    operationCount += 1
    return parseOperationId(`01890a5d-ac96-774b-bcce-${operationCount.toString(16).padStart(12, '0')}`)
  })
}

function claimOf(id: OperationId, hash = 'hash'): Claim {
  return { user, id, hash, device: '01890a5d-ac96-774b-bcce-b302099a8057', seq: 1 }
}

function ofUser(outcomes: readonly (readonly [OperationId, string])[]): OfUsers<string> {
  return new Map([[user, new Map(outcomes)]])
}

/** The JSON fields with sorted keys: the one form in which they travel. */
function sortedThing(record: ServerRecord): JsonObject {
  const { json = null, extra = null } = record.values.fields
  return { ...record.values.fields, json: sortKeys(json), extra: sortKeys(extra) }
}

function sortKeys(value: JsonObject[string]): JsonObject[string] {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sortKeys)
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sortKeys(v)]),
  )
}

function chunks<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return [...Array(Math.ceil(all.length / size)).keys()].map((index) => all.slice(index * size, (index + 1) * size))
}

/** Gives other transactions the time to come between. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until `count` have come; not for long, as a store may run its transactions one after the other. */
function createBarrier(count: number): () => Promise<void> {
  let come = 0
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return () => {
    come += 1
    if (come >= count) open()
    return Promise.race([opened, pause(500)])
  }
}
