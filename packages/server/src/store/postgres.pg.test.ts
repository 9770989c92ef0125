import { inspect } from 'node:util'
import { collection, defineSchema, type RecordId, type Schema, t, UsageError } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { type Lead, leadsSchema, liveRecord, type NextLead, type SavedLead, saveLeads } from '../contract/leads.ts'
import { beginning, createReplica, sizeOf } from '../contract/replica.ts'
import { describeServerStore } from '../contract/server-store.contract.ts'
import type { ServerStore, StoreTransaction } from '../ports/server-store.ts'
import { administer, createSchema, type Place } from './postgres.test.kit.ts'
import { type PostgresOptions, postgres } from './postgres.ts'
import { StatementRefused } from './postgres-error.ts'

describeServerStore('postgres', async (schema) => {
  const database = await createSchema(inject('postgresUrl'))
  const opened = async (newer: Schema) => {
    const store = postgres(database.url)(newer)
    await store.open()
    return store
  }
  let store = await opened(schema)
  const close = () => store.close().catch(() => {}) // The test may have closed it.
  return {
    store,
    reopen: async (newer = schema) => {
      await close()
      store = await opened(newer)
      return store
    },
    dispose: async () => {
      await close()
      await database.drop()
    },
  }
})

describe('postgres', () => {
  let place: Place
  let store: ServerStore
  const others: ServerStore[] = []

  const another = async (options: PostgresOptions = {}, schema: Schema = leadsSchema): Promise<ServerStore> => {
    const made = postgres(place.url, options)(schema)
    others.push(made)
    await made.open()
    return made
  }
  const save = (changes: ReadonlyMap<RecordId, NextLead>) => store.transact((tx) => saveLeads(tx, changes))
  const saveOne = async (id: RecordId, name = 'n'): Promise<SavedLead> => {
    const [saved] = await save(new Map([[id, () => lead(name)]]))
    if (saved === undefined) throw new Error('Nothing was saved.')
    return saved
  }

  beforeEach(async () => {
    place = await createSchema(inject('postgresUrl'))
    store = await another()
  })
  afterEach(async () => {
    for (const made of others.splice(0)) await made.close().catch(() => {})
    await place.drop()
  })

  test.each([
    ['_feed', 'bytes'],
    ['_sidecar_leads', 'states'],
    ['leads', 'updatedAt'],
  ])('a database whose table %s lacks %s is refused at the start, with what to do', async (table, column) => {
    await store.close()
    // Triggers stand on it.
    await administer(place.url, `alter table "${table}" drop column "${column}" cascade`)
    const opening = another()
    await expect(opening).rejects.toThrow(UsageError)
    await expect(opening).rejects.toThrow(`no column ${table}.${column}`)
    await expect(opening).rejects.toThrow('Start over with an empty database')
  })

  describe('with an older transaction open', () => {
    test('[SS4] a commit comes at once, does not move the positions, and is not skipped when the older one commits', async () => {
      const older = await hold(store, (tx) => saveLeads(tx, new Map([['older', () => lead('n')]])))
      const newer = await saveOne('newer')
      const replica = createReplica(['all'])
      const [page] = await replica.pull(store, 100)
      expect(replica.present()).toEqual(['newer'])
      expect(page?.positions).toEqual([beginning('all')])
      expect(page?.through).toBeLessThan(newer.place)
      expect(await store.horizon()).toBeLessThan(newer.place)
      await older.end()
      const [next] = await replica.pull(store, 100)
      expect(replica.present()).toEqual(['newer', 'older'])
      expect(next?.through).toBeGreaterThanOrEqual(newer.place)
    })

    test('[SS4] [I-14] a record that was changed again above the horizon does not tear its first transaction', async () => {
      await save(
        new Map<RecordId, NextLead>([
          ['r', () => lead('first')],
          ['s', () => lead('first')],
        ]),
      )
      const older = await hold(store, async () => {})
      await saveOne('r', 'second')
      const replica = createReplica(['all'])
      await replica.pull(store, 100)
      expect([replica.held.get('r')?.version, replica.held.get('s')?.version]).toEqual([2, 1])
      await older.end()
    })

    test('[SS4] entries above the horizon get a page of their own when they do not fit into the last one', async () => {
      for (const id of ['a', 'b']) await saveOne(id)
      const older = await hold(store, async () => {})
      for (const id of ['c', 'd']) await saveOne(id)
      const replica = createReplica(['all'])
      expect((await replica.pull(store, 3)).map((page) => [sizeOf(page), page.more, page.remaining])).toEqual([
        [2, true, 2],
        [2, false, null],
      ])
      await older.end()
    })

    test('[SS4] more entries above the horizon than a page holds wait for the horizon', async () => {
      await saveOne('a')
      const older = await hold(store, async () => {})
      for (const id of ['b', 'c', 'd']) await saveOne(id)
      const replica = createReplica(['all'])
      expect((await replica.pull(store, 2)).map(sizeOf)).toEqual([1])
      await older.end()
      expect((await replica.pull(store, 2)).map(sizeOf)).toEqual([2, 1])
    })

    test('[PV1] what came from above the horizon leaves with its scope, also before the older one ends', async () => {
      const older = await hold(store, async () => {})
      for (const id of ['a', 'b', 'c']) await saveOne(id)
      const replica = createReplica(['all'])
      await replica.pull(store, 100)
      expect(replica.present()).toEqual(['a', 'b', 'c'])
      replica.lose('all')
      const [page] = await replica.pull(store, 100)
      expect([page?.leaving, replica.present()]).toEqual([[], []])
      await older.end()
    })

    test('[PV1] more of it than a page holds leave when the older one has ended, and hold nothing up meanwhile', async () => {
      const older = await hold(store, async () => {})
      for (const id of ['a', 'b', 'c']) await saveOne(id)
      const replica = createReplica(['all'])
      await replica.pull(store, 100)
      replica.lose('all')
      expect((await replica.pull(store, 2)).map((page) => [sizeOf(page), page.leaving.length])).toEqual([[0, 1]])
      await older.end()
      expect((await replica.pull(store, 2)).map((page) => [sizeOf(page), page.leaving.length])).toEqual([
        [2, 1],
        [1, 0],
        [0, 0],
      ])
      expect(replica.present()).toEqual([])
    })

    test('[SS4] [I-16] what came from above the horizon does not come again; what is changed since does', async () => {
      const older = await hold(store, (tx) => saveLeads(tx, new Map([['older', () => lead('n')]])))
      for (const id of ['a', 'b', 'c']) await saveOne(id)
      const replica = createReplica(['all'])
      const pull = async () => (await replica.pull(store, 100)).map(sizeOf)
      expect(await pull()).toEqual([3])
      expect(await pull()).toEqual([0])
      const second = await hold(store, (tx) => saveLeads(tx, new Map([['a', () => lead('second')]])))
      await saveOne('b', 'second')
      expect(await pull()).toEqual([1])
      await second.end()
      expect(await pull()).toEqual([1])
      expect(await pull()).toEqual([0])
      replica.join('agent:x')
      expect(await pull()).toEqual([3])
      await older.end()
      expect(await pull()).toEqual([1])
      expect([...replica.held].map(([id, { version }]) => `${id} ${version}`).sort()).toEqual([
        'a 2',
        'b 2',
        'c 1',
        'older 1',
      ])
      const [last] = await replica.pull(store, 100)
      expect([last && sizeOf(last), last?.seen]).toEqual([0, null])
    })

    test('[SS4] what came from above the horizon is passed in pages when the older one has ended', async () => {
      const older = await hold(store, (tx) => saveLeads(tx, new Map([['older', () => lead('n')]])))
      for (let n = 0; n < 10; n += 1) await saveOne(`r${n}`)
      const replica = createReplica(['all'])
      expect((await replica.pull(store, 20)).map(sizeOf)).toEqual([10])
      await older.end()
      for (let n = 0; n < 3; n += 1) await saveOne(`r${n}`, 'second')
      const pages = await replica.pull(store, 4)
      expect(pages.map(sizeOf).reduce((a, b) => a + b)).toBe(4)
      expect(replica.present()).toHaveLength(11)
    })

    test('a server starts without waiting for it', async () => {
      const older = await hold(store, (tx) => saveLeads(tx, new Map([['a', () => lead('n')]])))
      const second = await another()
      expect(second.generation()).toBe(store.generation())
      await older.end()
    })
  })

  test('several servers that start at once on an empty database agree', async () => {
    await administer(inject('postgresUrl'), `drop schema ${place.name} cascade; create schema ${place.name}`)
    const stores = await Promise.all([...Array(6)].map(() => another()))
    expect(new Set(stores.map((made) => `${made.generation()} ${made.secret()}`)).size).toBe(1)
    await stores[0]?.transact((tx) => saveLeads(tx, new Map([['a', () => lead('n')]])))
    const page = await stores[1]?.readPage({
      positions: [beginning('all')],
      leaving: [],
      rowsMax: 10,
      bytesMax: 1_000,
      seen: null,
    })
    expect(page === undefined ? 0 : sizeOf(page)).toBe(1)
  })

  test('a role without any right but on its schema is enough', async () => {
    const role = `${place.name}_role`
    await administer(inject('postgresUrl'), `create role ${role} login; create schema ${role} authorization ${role}`)
    const url = new URL(inject('postgresUrl'))
    url.username = role
    url.searchParams.set('options', `-c search_path=${role}`)
    const made = postgres(url.href)(leadsSchema)
    try {
      await made.open()
      await made.transact((tx) => saveLeads(tx, new Map([['a', () => lead('n')]])))
      expect(
        sizeOf(
          await made.readPage({ positions: [beginning('all')], leaving: [], rowsMax: 10, bytesMax: 1_000, seen: null }),
        ),
      ).toBe(1)
    } finally {
      await made.close().catch(() => {})
      await administer(inject('postgresUrl'), `drop schema ${role} cascade; drop role ${role}`)
    }
  })

  test('names that Postgres would cut to the same 63 bytes stay apart', async () => {
    const [one, two] = ['A', 'B'].map((end) => `${'n'.repeat(62)}${end}`)
    if (one === undefined || two === undefined) throw new Error('There are two names.')
    const titles = collection({ fields: { title: t.text() }, indexes: [['title']] })
    const made = await another({}, defineSchema({ version: 1, collections: { [one]: titles, [two]: titles } }))
    await made.transact((tx) => tx.write(one, new Map([['x', liveRecord(1, { title: 'one' })]])))
    expect(await made.transact((tx) => tx.load(two, ['x']))).toEqual(new Map())
  })

  test('[SS6] without a free connection: OVERLOADED, and well again afterwards', async () => {
    const small = await another({ connectionsMax: 1, connectMsMax: 50 })
    const older = await hold(small, async () => {})
    await expect(small.horizon()).rejects.toMatchObject({ code: 'OVERLOADED' })
    await older.end()
    expect(await small.horizon()).toBeGreaterThan(0)
  })

  test('[SS6] a statement that takes too long: OVERLOADED, and nothing is left behind', async () => {
    await saveOne('a')
    const hasty = await another({ statementMsMax: 50 })
    const older = await hold(store, (tx) => tx.load('leads', ['a']))
    const waiting = hasty.transact((tx) =>
      saveLeads(
        tx,
        new Map([
          ['b', () => lead('n')],
          ['a', () => lead('n')],
        ]),
      ),
    )
    await expect(waiting).rejects.toMatchObject({ code: 'OVERLOADED' })
    await older.end()
    expect((await store.transact((tx) => tx.load('leads', ['b']))).size).toBe(0)
  })

  test('[SS6] nobody listens: SERVER_ERROR with its cause', async () => {
    const made = postgres('postgres://postgres@127.0.0.1:1/postgres')(leadsSchema)
    const error = await made.open().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SERVER_ERROR', cause: { code: 'ECONNREFUSED' } })
  })

  test('[SS1] a connection that is cut in the middle fails its transaction alone', async () => {
    const failing = store.transact(async (tx) => {
      await saveLeads(tx, new Map([['a', () => lead('n')]]))
      await administer(
        inject('postgresUrl'),
        `select pg_terminate_backend(pid) from pg_stat_activity where backend_xid::text::bigint = ${tx.place % 2 ** 32}`,
      )
      await tx.load('leads', ['a'])
    })
    await expect(failing).rejects.toMatchObject({ code: 'SERVER_ERROR' })
    expect((await store.transact((tx) => tx.load('leads', ['a']))).size).toBe(0)
  })

  test('[SS1] idle connections that are cut are replaced', async () => {
    await Promise.all([saveOne('a'), saveOne('b'), saveOne('c')])
    await administer(
      inject('postgresUrl'),
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast' and pid <> pg_backend_pid()",
    )
    const read = () => store.transact((tx) => tx.load('leads', ['a', 'b', 'c']))
    await read().catch(() => {}) // May still get a connection of which nobody has heard yet that it is dead.
    expect((await read()).size).toBe(3)
  })

  test('[SS6] work that keeps the failure of a write to itself fails all the same, and with that failure', async () => {
    const broken = new Map([['b', liveRecord(1, { owner: 'x', name: 'n', visits: 'many' })]])
    for (const heed of [true, false]) {
      const failing = store.transact(async (tx) => {
        await saveLeads(tx, new Map([['a', () => lead('n')]]))
        await tx.write('leads', broken)
        const loading = tx.load('leads', ['a']) // Fails too: the transaction is broken.
        await (heed ? loading : loading.catch(() => {}))
      })
      await expect(failing).rejects.toMatchObject({ name: 'StatementRefused', code: '22P02' })
    }
    expect((await store.transact((tx) => tx.load('leads', ['a']))).size).toBe(0)
  })

  test('[SS6] work that keeps the failure of a read to itself fails all the same', async () => {
    await saveOne('a')
    const hasty = await another({ statementMsMax: 50 })
    const older = await hold(store, (tx) => tx.load('leads', ['a']))
    const failing = hasty.transact(async (tx) => {
      await saveLeads(tx, new Map([['b', () => lead('n')]]))
      await tx.load('leads', ['a']).catch(() => {})
    })
    await expect(failing).rejects.toMatchObject({ code: 'SERVER_ERROR' })
    await older.end()
    expect((await store.transact((tx) => tx.load('leads', ['b']))).size).toBe(0)
  })

  test('[SS6] a constraint of the operator is named; the values of the row are not', async () => {
    await administer(
      inject('postgresUrl'),
      `alter table ${place.name}.leads add constraint short_names check (length(name) < 9)`,
    )
    const error = await saveOne('a', 'a secret name').catch((caught: unknown) => caught)
    expect(inspect(error)).toContain('23514')
    expect(inspect(error)).toContain('short_names')
    expect(inspect(error)).not.toContain('secret')
  })

  test('[SS6] a message says what went wrong and never a value', async () => {
    const failing = store.transact((tx) =>
      tx.write('leads', new Map([['b', liveRecord(1, { owner: 'x', name: 'n', visits: 'a secret' })]])),
    )
    const error = await failing.catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StatementRefused)
    expect(inspect(error)).not.toContain('secret')
    expect(error instanceof Error ? error.message : '').toContain('22P02')
  })
})

function lead(name: string): Lead {
  return { owner: 'x', name, visits: 0 }
}

/** A transaction that has done its work and stays open until `end`. */
async function hold(store: ServerStore, work: (tx: StoreTransaction) => Promise<unknown>) {
  let open = () => {}
  const ended = new Promise<void>((resolve) => {
    open = resolve
  })
  let whole: Promise<void> = Promise.resolve()
  await new Promise<void>((resolve, reject) => {
    whole = store.transact(async (tx) => {
      await work(tx)
      resolve()
      await ended
    })
    whole.catch(reject)
  })
  return {
    end: async () => {
      open()
      await whole
    },
  }
}
