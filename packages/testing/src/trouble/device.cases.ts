/** What happens on a device: what it refuses itself, a disk that is full, and how soon it hears of others. */
import type { SqliteDriver } from '@holdfast/client'
import { brokenInvariants } from '@holdfast/client/contract'
import { nodeSqlite } from '@holdfast/client/node'
import { describe, expect, onTestFinished, test } from 'vitest'
import { leadSchema, widerSchema } from '../support/lead-schema.ts'
import { manager } from '../support/lead-server.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { hashOf, readDevice, readServer } from '../support/truth.ts'
import { atRest, reached, until } from '../support/until.ts'
import { createWorld, type LeadClient, pollMsNever } from '../support/world.ts'

const pokes = 10

export function describeDevice(store: StoreKind): void {
  const world = () => createWorld(store, onTestFinished)

  describe(`a device of ${store.name}`, { timeout: 60_000 }, () => {
    test('a rule of the device, an unknown field, an unknown collection: refused at the call, nothing written, nothing sent', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url })
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      await atRest(db)
      const before = await leadsOf(db)
      // Types would not let this through; an app in plain JavaScript does.
      const untyped = (fields: object) => JSON.parse(JSON.stringify(fields))
      const refusals = [
        [() => db.leads.update(lead, { name: '' }), { code: 'INVALID_VALUE', field: 'name' }],
        [() => db.leads.update(lead, { budget: -1 }), { code: 'INVALID_VALUE', field: 'budget' }],
        [() => db.leads.update(lead, untyped({ colour: 'red' })), { code: 'UNKNOWN_FIELD' }],
        [() => db.leads.update(lead, untyped({ stage: 'sold' })), { code: 'INVALID_VALUE', field: 'stage' }],
        [() => db.leads.update('nobody', { note: 'x' }), { code: 'NOT_FOUND' }],
      ] as const
      for (const [call, error] of refusals) await expect(call()).rejects.toMatchObject(error)
      // One of several: none of them is written.
      const several = db.write((tx) => {
        tx.leads.increment(lead, { visits: 1 })
        tx.leads.update(lead, { name: '' })
      })
      await expect(several).rejects.toMatchObject({ code: 'INVALID_VALUE', field: 'name' })
      expect(await leadsOf(db)).toEqual(before)
      await db.sync.now()
      expect(db.sync.status).toMatchObject({ kind: 'idle', pending: 0, refused: 0 })
      expect((await readServer(w.database)).operations).toHaveLength(1)
    })

    test('a field and a collection that the server does not know: refused there, seen in the inbox, the others go on', async () => {
      const w = await world()
      const db = await w.openAs(widerSchema(1), 'ada')
      await db.leads.create({ owner: 'ada', name: 'Mona', source: 'street' })
      await db.offers.create({ owner: 'ada', price: 7 })
      const call = db.calls.create({ lead: 'nobody', owner: 'ada' })
      await call.settled
      const server = await w.open(manager)
      const known = await server.leads.create({ owner: 'ada', name: 'Adam' })
      await until('the inbox is told', () => db.sync.status.refused === 3)
      expect((await db.inbox.list()).map(({ collection, code, field }) => [collection, code, field])).toEqual([
        ['leads', 'UNKNOWN_FIELD', 'source'],
        ['offers', 'UNKNOWN_COLLECTION', null],
        ['calls', 'REFERENCE_MISSING', 'lead'],
      ])
      await until('the other lead is here', async () => {
        const rows = await db.query((q) => q.selectFrom('leads').select(['id', 'source']))
        return rows.some(({ id }) => id === known)
      })
      await atRest(db)
    })

    test('what an app writes that is newer than the server waits, and holds nothing else up', async () => {
      const w = await world()
      const db = await w.openAs(widerSchema(2), 'ada')
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona', source: 'street' })
      await db.offers.create({ owner: 'ada', price: 7 })
      const boss = await w.open(manager)
      const known = await boss.leads.create({ owner: 'ada', name: 'Adam' })
      await until('the other lead is here', async () => {
        const rows = await db.query((q) => q.selectFrom('leads').select('id'))
        return rows.some(({ id }) => id === known)
      })
      const call = db.calls.create({ lead: known, owner: 'ada' })
      expect(await call.settled).toMatchObject([{ kind: 'applied' }])
      expect(await db.inbox.list()).toEqual([])
      expect((await db.sync.waiting()).map(({ collection }) => collection)).toEqual(['leads', 'offers'])
      const rows = await db.query((q) => q.selectFrom('leads').select(['source', '$sync']).where('id', '=', lead))
      expect(rows).toEqual([{ source: 'street', $sync: 'pending' }])
      await db.close()
      // The server has learned both: the app stays, the schema of the server grows.
      await w.stopServer()
      await w.startServer(widerSchema(2))
      const again = await w.openAs(widerSchema(2), 'ada')
      await atRest(again)
      expect(await again.inbox.list()).toEqual([])
      expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ name: 'Mona', $version: 1 })
    })

    test('[I-1] [I-2] [L-2] the disk is full: the write says so, what was saved is whole, and sync goes on when there is room', async () => {
      const w = await world()
      const drivers: SqliteDriver[] = []
      const db = await w.open('ada', {
        driver: async () => {
          const driver = await nodeSqlite(w.fileOf('ada'))()
          drivers.push(driver)
          return driver
        },
      })
      const [driver] = drivers
      if (driver === undefined) throw new Error('Nothing was opened.')
      const kept = await db.leads.create({ owner: 'ada', name: 'Mona' })
      await atRest(db)
      const [[pages] = []] = driver.all('pragma page_count')
      driver.exec(`pragma max_page_count = ${Number(pages) + 2}`)
      const large = 'long '.repeat(20_000)
      await expect(db.leads.update(kept, { note: large })).rejects.toMatchObject({ code: 'STORAGE_FULL' })
      expect(await leadsOf(db)).toMatchObject([{ note: '', $sync: 'synced' }])
      expect(await db.sync.waiting()).toEqual([])

      // What others write does not fit either: said in the status, and nothing of it is shown.
      const boss = await w.open(manager)
      await until('the lead is there', async () => (await leadsOf(boss)).length === 1)
      await boss.leads.update(kept, { note: large, stage: 'won' }).settled
      const shown = await reached(db, ({ kind }) => kind === 'attention', 5_000)
      expect(shown).toMatchObject({ code: 'STORAGE_FULL' })
      expect(await leadsOf(db)).toMatchObject([{ note: '', stage: 'new' }])
      expect(brokenInvariants(driver, leadSchema)).toEqual([])

      driver.exec('pragma max_page_count = 1000000')
      await db.leads.increment(kept, { visits: 1 })
      await db.sync.now()
      await atRest(db)
      expect(await leadsOf(db)).toMatchObject([{ note: large, stage: 'won', visits: 1, $sync: 'synced' }])
      expect(brokenInvariants(driver, leadSchema)).toEqual([])
      await db.close()
      expect(hashOf((await readDevice(w.fileOf('ada'))).rows)).toBe(hashOf((await readServer(w.database)).rows))
    })

    test(`a poke brings the edit of another within a second, with the timer at ${pollMsNever / 60_000} minutes`, async () => {
      const w = await world()
      const agent = await w.open('ada')
      const boss = await w.open(manager)
      const lead = await agent.leads.create({ owner: 'ada', name: 'Mona' })
      await until('the lead is there', async () => (await leadsOf(boss)).length === 1)
      const tookMs: number[] = []
      for (let turn = 1; turn <= pokes; turn += 1) {
        const seen = new Promise<void>((resolve) => {
          const stop = boss.watch(
            (q) => q.selectFrom('leads').select('visits').where('id', '=', lead),
            ({ rows }) => {
              if (rows[0]?.visits !== turn) return
              queueMicrotask(() => stop())
              resolve()
            },
          )
        })
        const startMs = performance.now()
        await agent.leads.increment(lead, { visits: 1 })
        await seen
        tookMs.push(performance.now() - startMs)
      }
      const sorted = tookMs.sort((a, b) => a - b)
      console.log(
        `poke, Node, ${store.name}: p50 ${sorted[pokes / 2]?.toFixed(0)} ms, slowest ${sorted.at(-1)?.toFixed(0)} ms`,
      )
      expect(sorted[pokes / 2]).toBeLessThan(1_000)
    })
  })
}

const leadsOf = (db: LeadClient) =>
  db.query((q) => q.selectFrom('leads').selectAll().orderBy('createdAt').orderBy('id'))
