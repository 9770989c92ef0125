/** Schema changes under devices in the field: old and new apps, skipped versions, queues and inboxes that are older than the schema. */
import { rmSync, writeFileSync } from 'node:fs'
import type { Client } from '@holdfast/client'
import { changed, EngineError, type Schema, t } from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pass } from '../support/front.ts'
import { inPages } from '../support/in-pages.ts'
import {
  boss,
  createSchemaWorld,
  type FirstClient,
  firstSchema,
  firstServerSchema,
  type SchemaWorld,
  secondSchema,
  type ThirdClient,
  thirdNames,
  thirdSchema,
  thirdSchemaOf,
} from '../support/schema-world.ts'
import { watchShelf } from '../support/shelf-watch.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { atRest, reached, until } from '../support/until.ts'

const old = { owner: 'ada', name: 'Mona Adel', phone: '0123', budget: '12.5' }

export function describeSchemaChange(store: StoreKind): void {
  const worldAt = (schema: Schema) => createSchemaWorld(store, onTestFinished, schema)

  describe(`schema changes on ${store.name}`, { timeout: 60_000 }, () => {
    test('[L-5] operations of every kind, queued under the first version, take effect on a server of the third', async () => {
      const w = await worldAt(firstSchema)
      const db = await w.open(firstSchema, 'ada')
      const [known, gone] = [await db.leads.create(old), await db.leads.create({ ...old, name: 'Gone Away' })]
      await db.leads.edit(known, { memo: 'seen' })
      await atRest(db)
      await w.stop()
      const made = await writeEverything(db, known, gone)
      await w.serve(thirdSchema)
      await atRest(db)
      expect(db.sync.status).toMatchObject({ refused: 0, conflicts: 0 })
      const other = await rested(w, thirdSchema, boss)
      expect(await leadsOf(other)).toEqual(byId([afterEverything(known), { ...newLead, id: made.lead }]))
      const calls = await other.query((q) => q.selectFrom('calls').select(['leadId', 'note']))
      expect(calls).toEqual([{ leadId: made.lead, note: 'rang' }])
      // And the device goes on in its own form.
      expect(await first(db, known)).toMatchObject({
        name: 'Mona Hassan',
        phone: '99',
        budget: '20',
        visits: 2,
        labels: ['hot'],
        memo: 'seen and read',
      })
    })

    test('[L-5] an app that skips a version moves rows, queue and search without a network, and what waits counts once', async () => {
      const w = await worldAt(firstSchema)
      const before = await w.open(firstSchema, 'ada')
      const [known, gone] = [await before.leads.create(old), await before.leads.create({ ...old, name: 'Gone Away' })]
      await before.leads.edit(known, { memo: 'seen' })
      await atRest(before)
      await w.stop()
      const made = await writeEverything(before, known, gone)
      await before.close()
      const after = await w.open(thirdSchema, 'ada')
      const expected = byId([afterEverything(known), { ...newLead, id: made.lead }])
      expect(await leadsOf(after)).toEqual(expected)
      expect((await after.sync.waiting()).length).toBe(9)
      expect(await after.search('leads', 'hassan')).toMatchObject([{ id: known }])
      await after.leads.update(known, { first: 'Muna', price: 1 })
      await w.serve(thirdSchema)
      await atRest(after)
      const changed = expected.map((lead) => (lead.id === known ? { ...lead, first: 'Muna', price: 1 } : lead))
      expect(await leadsOf(after)).toEqual(changed)
      expect(await leadsOf(await rested(w, thirdSchema, boss))).toEqual(changed)
    })

    test('[L-5] apps of all three versions write beside each other, and end with the same', async () => {
      const w = await worldAt(thirdSchema)
      const one = await w.open(firstSchema, 'ada', { file: 'one' })
      const id = await one.leads.create(old)
      await atRest(one)
      const two = await rested(w, secondSchema, 'ada', 'two')
      const three = await rested(w, thirdSchema, 'ada', 'three')
      await Promise.all([
        one.leads.update(id, { phone: '77' }),
        two.leads.update(id, { remarks: 'of two' }),
        three.leads.update(id, { price: 999 }),
        one.leads.increment(id, { visits: 1 }),
        two.leads.increment(id, { meetings: 1 }),
        three.leads.increment(id, { meetings: 1 }),
        one.leads.add(id, { labels: ['a'] }),
        two.leads.add(id, { tags: ['b'] }),
        three.leads.add(id, { tags: ['c'] }),
        one.leads.edit(id, { memo: 'first' }),
      ])
      await Promise.all([atRest(one), atRest(two), atRest(three)])
      await Promise.all([one.sync.now(), two.sync.now(), three.sync.now()])
      const tags = ['a', 'b', 'c']
      expect(await first(one, id)).toMatchObject({
        name: 'Mona Adel',
        phone: '77',
        notes: 'of two',
        budget: '9.99',
        visits: 3,
        labels: tags,
        memo: 'first',
      })
      const [second] = await two.query((q) => q.selectFrom('leads').selectAll())
      expect(second).toMatchObject({
        name: 'Mona Adel',
        phoneNumber: '77',
        remarks: 'of two',
        budget: '9.99',
        meetings: 3,
        tags,
        story: 'first',
      })
      expect(await leadsOf(three)).toMatchObject([
        {
          first: 'Mona',
          last: 'Adel',
          phoneNumber: '77',
          remarks: 'of two',
          price: 999,
          meetings: 3,
          tags,
          story: 'first',
        },
      ])
    })

    test('[L-5] [I-6] an answer that was lost before the update comes after it: the same text, one effect', async () => {
      const w = await worldAt(firstSchema)
      const before = await w.open(firstSchema, 'ada')
      const id = await before.leads.create({ owner: 'ada', name: 'Mona Adel' })
      await atRest(before)
      w.front.answerBy(({ ids }) => (ids.length > 0 ? { kind: 'lose' } : pass))
      await before.leads.increment(id, { visits: 1 })
      await before.leads.update(id, { budget: '5' })
      const lost = await until(
        'the server has it',
        () => w.front.exchanges.findLast(({ kind }) => kind === 'lose') ?? false,
      )
      await before.close()
      await w.serve(thirdSchema)
      w.front.answerBy(() => pass)
      const after = await rested(w, thirdSchema, 'ada')
      expect(await leadsOf(after)).toMatchObject([{ meetings: 1, price: 500 }])
      const again = w.front.exchanges.findLast(({ ids }) => lost.ids.every((known) => ids.includes(known)))
      expect(outcomesIn(again?.reply).slice(0, lost.ids.length)).toEqual(outcomesIn(lost.reply))
    })

    test('[L-5] [I-4] what was refused under the first version is mended and sent again under the third', async () => {
      const w = await worldAt(firstServerSchema)
      const before = await w.open(firstSchema, 'ada')
      const id = await before.leads.create({ owner: 'ada', name: 'Mona Adel' })
      await atRest(before)
      await before.leads.update(id, { phone: 'much too long a number', name: 'Mona Hassan' })
      const other = await before.leads.create({ ...old, name: 'Adam Aly', phone: 'this one as well' })
      await until('both are refused', () => before.sync.status.refused === 2)
      await before.close()
      await w.serve(thirdSchemaOf({ phoneMax: 20 }))
      const after = await rested(w, thirdSchema, 'ada')
      const groups = await after.inbox.list()
      expect(groups.map(({ code, field, fields }) => ({ code, field, fields }))).toEqual([
        {
          code: 'INVALID_VALUE',
          field: 'phoneNumber',
          fields: { first: 'Mona', last: 'Hassan', phoneNumber: 'much too long a number' },
        },
        {
          code: 'INVALID_VALUE',
          field: 'phoneNumber',
          fields: expect.objectContaining({ first: 'Adam', price: 1_250 }),
        },
      ])
      const [edit, creation] = groups
      if (edit === undefined || creation === undefined) throw new Error('The inbox lost something.')
      expect(JSON.parse((await after.inbox.export()).text)).toMatchObject({ changes: { length: 2 } })
      await after.inbox.fix(edit.id, { phoneNumber: '1' })
      await after.inbox.retry(creation.id)
      await atRest(after)
      expect(await after.inbox.list()).toEqual([])
      expect(await leadsOf(after)).toMatchObject(
        byId([
          { id, first: 'Mona', last: 'Hassan', phoneNumber: '1' },
          { id: other, first: 'Adam', last: 'Aly', phoneNumber: 'this one as well' },
        ]),
      )
    })

    test('[L-5] [C5] questions that were open under the first version are there under the third, and are settled there', async () => {
      const w = await worldAt(firstSchema)
      const ben = await w.open(firstSchema, boss)
      const before = await w.open(firstSchema, 'ada')
      const id = await before.leads.create({ ...old, notes: 'was' })
      await atRest(before)
      await ben.sync.now()
      await before.sync.pause()
      await ben.leads.update(id, { notes: 'of Ben', name: 'Nour Aly' })
      await atRest(ben)
      await before.leads.update(id, { notes: 'of Ada', name: 'Muna Hassan' })
      await before.sync.resume()
      await atRest(before)
      expect((await before.conflicts.list()).map(({ field }) => field).sort()).toEqual(['name', 'notes'])
      await before.close()
      await w.serve(thirdSchema)
      const after = await w.open(thirdSchema, 'ada')
      const told = async (db: ThirdClient) =>
        (await db.conflicts.list())
          .map(({ field, base, local, remote, isOwn }) => [field, base, local, remote, isOwn].join(' '))
          .sort()
      const asked = ['first Mona Muna Nour true', 'last Adel Hassan Aly true', 'remarks was of Ada of Ben true']
      // Before it has asked the server, and after it.
      expect(await told(after)).toEqual(asked)
      expect(await leadsOf(after)).toMatchObject([
        { first: 'Muna', last: 'Hassan', remarks: 'of Ada', $sync: 'conflict' },
      ])
      await atRest(after)
      await after.sync.now()
      expect(await told(after)).toEqual(asked)
      const results = (await after.conflicts.list()).map(({ id, field, local, remote }) => [
        id,
        field === 'last' ? remote : local,
      ])
      await after.conflicts.settle(Object.fromEntries(results))
      await atRest(after)
      expect(await after.conflicts.list()).toEqual([])
      const settled = { first: 'Muna', last: 'Aly', remarks: 'of Ada' }
      expect(await leadsOf(after)).toMatchObject([settled])
      expect((await after.history.list('leads', id)).map(({ field }) => field).sort()).toEqual([
        'first',
        'last',
        'remarks',
      ])
      expect(await leadsOf(await rested(w, thirdSchema, boss, 'other'))).toMatchObject([settled])
      await ben.sync.now()
      expect(await first(ben, id)).toMatchObject({ name: 'Muna Aly', notes: 'of Ada' })
    })

    test('[L-5] an older app is asked about a field by the name that it knows, and settles it', async () => {
      const w = await worldAt(thirdSchema)
      const before = await w.open(firstSchema, 'ada')
      const id = await before.leads.create({ ...old, notes: 'was' })
      await atRest(before)
      const other = await rested(w, thirdSchema, boss)
      await before.sync.pause()
      await other.leads.update(id, { remarks: 'of the boss' })
      await atRest(other)
      const write = before.leads.update(id, { notes: 'of Ada' })
      await write
      await before.sync.resume()
      expect(await write.settled).toMatchObject([{ kind: 'conflict', fields: ['notes'] }])
      await atRest(before)
      const [asked] = await before.conflicts.list()
      expect(asked).toMatchObject({ field: 'notes', base: 'was', local: 'of Ada', remote: 'of the boss', isOwn: true })
      await before.conflicts.settle({ [asked?.id ?? '']: 'both' })
      await atRest(before)
      expect(await before.conflicts.list()).toEqual([])
      await other.sync.now()
      expect(await leadsOf(other)).toMatchObject([{ remarks: 'both' }])
    })

    test('[L-5] a value that an older app was shown in parts is whole again when the app is updated', async () => {
      const w = await worldAt(thirdSchema)
      const other = await w.open(thirdSchema, boss)
      const id = await other.leads.create({ owner: 'ada', first: 'Mary Ann', last: 'Lee' })
      await atRest(other)
      const before = await rested(w, firstSchema, 'ada')
      expect(await first(before, id)).toMatchObject({ name: 'Mary Ann Lee' })
      await before.close()
      const after = await rested(w, thirdSchema, 'ada')
      expect(await leadsOf(after)).toMatchObject([{ first: 'Mary Ann', last: 'Lee' }])
      expect(await after.search('leads', 'mary')).toMatchObject([{ id }])
    })

    test('[L-2] [L-5] an app that is too old is told to update at once, keeps its queue, and sends it when it is updated', async () => {
      const w = await worldAt(firstSchema)
      const before = await w.open(firstSchema, 'ada')
      const id = await before.leads.create(old)
      await atRest(before)
      await w.serve(thirdSchemaOf({ oldest: 2 }))
      await before.leads.update(id, { phone: '55' })
      const status = await reached(before, ({ kind }) => kind === 'paused', 5_000)
      expect(status).toMatchObject({
        kind: 'paused',
        why: 'upgrade',
        lastError: { code: 'UPGRADE_REQUIRED' },
        pending: 1,
        refused: 0,
      })
      expect(await first(before, id)).toMatchObject({ phone: '55' })
      await before.close()
      const after = await rested(w, thirdSchema, 'ada')
      expect(await leadsOf(after)).toMatchObject([{ id, phoneNumber: '55' }])
      // What an app of the second version sends is taken.
      const second = await rested(w, secondSchema, 'ada', 'two')
      await second.leads.update(id, { phoneNumber: '56' })
      await atRest(second)
    })

    test('[L-5] an app that is newer than the server shows its rows in the new form, and its writes wait for the newer server', async () => {
      const w = await worldAt(firstSchema)
      const before = await w.open(firstSchema, 'ada', { file: 'old' })
      const id = await before.leads.create(old)
      await atRest(before)
      const after = await w.open(thirdSchema, 'ada')
      await after.sync.now()
      expect(await leadsOf(after)).toMatchObject([
        { id, first: 'Mona', last: 'Adel', phoneNumber: '0123', price: 1_250 },
      ])
      await after.leads.update(id, { last: 'Hassan' })
      await after.sync.now()
      expect(after.sync.status).toMatchObject({ pending: 1, refused: 0 })
      await before.leads.update(id, { phone: '77' })
      await atRest(before)
      await w.serve(thirdSchema)
      await after.sync.now()
      await atRest(after)
      expect(await leadsOf(after)).toMatchObject([{ first: 'Mona', last: 'Hassan', phoneNumber: '77' }])
      expect(await leadsOf(await rested(w, thirdSchema, boss))).toMatchObject([
        { first: 'Mona', last: 'Hassan', phoneNumber: '77' },
      ])
    })

    test('[L-5] [V-3] a rescue file of the first version counts once on a server of the third', async () => {
      const w = await worldAt(firstSchema)
      const db = await w.open(firstSchema, 'ada')
      const id = await db.leads.create(old)
      await atRest(db)
      await w.stop()
      await db.leads.update(id, { budget: '7', phone: '1' })
      await db.leads.increment(id, { visits: 3 })
      const [file] = await db.rescue.export()
      await w.serve(thirdSchema)
      await db.sync.pause()
      const headers = { authorization: 'Bearer ada', 'content-type': 'application/json' }
      const body = file?.text ?? ''
      for (const _ of [1, 2]) {
        const response = await fetch(`${w.front.url}/rescue`, { method: 'POST', headers, body })
        expect(response.status).toBe(200)
      }
      await db.sync.resume()
      await atRest(db)
      const seen = await leadsOf(await rested(w, thirdSchema, boss))
      expect(seen).toMatchObject([{ price: 700, phoneNumber: '1', meetings: 3 }])
    })

    test('[L-5] [J6] what a migration cannot take waits on its device, and delays nothing else; a mended server takes it', async () => {
      const w = await worldAt(firstSchema)
      const db = await w.open(firstSchema, 'ada')
      const id = await db.leads.create(old)
      await atRest(db)
      await w.stop()
      const held = db.leads.update(id, { budget: 'poison' })
      const other = db.leads.create({ ...old, name: 'Adam Aly' })
      await Promise.all([held, other])
      const price = changed('budget', 'price', {
        was: t.text({ optional: true }),
        up: (budget) => {
          if (budget === 'poison') throw new Error('A defect of the app.')
          return Number(budget) * 100
        },
        down: (cents: number | null) => String(Number(cents) / 100),
      })
      await w.serve({ ...thirdSchema, migrations: { ...thirdSchema.migrations, 3: { leads: [price, ...thirdNames] } } })
      await other.settled
      await db.sync.now()
      expect(db.sync.status).toMatchObject({ pending: 1, refused: 0 })
      await w.serve(thirdSchema)
      await db.sync.now()
      await atRest(db)
      expect(await held.settled).toMatchObject([{ kind: 'applied' }])
    })

    test('[L-5] a lead that moves takes its calls along in every version', async () => {
      const w = await worldAt(firstSchema)
      const db = await w.open(firstSchema, boss)
      const lead = await db.leads.create(old)
      await db.calls.create({ lead, note: 'rang' })
      await atRest(db)
      await w.serve(thirdSchema)
      const ada = await rested(w, thirdSchema, 'ada')
      expect(await callsOf(ada)).toEqual([{ leadId: lead, note: 'rang' }])
      await db.leads.update(lead, { owner: 'ben' })
      await atRest(db)
      await ada.sync.now()
      expect(await callsOf(ada)).toEqual([])
      expect(await callsOf(await rested(w, thirdSchema, 'ben'))).toEqual([{ leadId: lead, note: 'rang' }])
    })

    test('[L-5] a snapshot has the form of the server: an older app is filled page by page, in its own', async () => {
      const watch = watchShelf()
      const w = await createSchemaWorld(store, onTestFinished, thirdSchema, (factory) =>
        inPages(watch.around(factory), 4),
      )
      const maker = await w.open(thirdSchema, boss)
      for (let n = 0; n < 10; n += 1)
        await maker.leads.create({ owner: 'ada', first: 'Mona', last: `${n}`, price: n * 100 })
      await atRest(maker)
      await rested(w, thirdSchema, 'ada', 'pages')
      await until('a snapshot is made', () => watch.made() === 1)
      const before = await rested(w, firstSchema, 'ada', 'older')
      expect(watch.asked).toEqual([])
      const names = await before.query((q) => q.selectFrom('leads').select(['name', 'budget']).orderBy('name'))
      expect(names).toEqual(Array.from({ length: 10 }, (_, n) => ({ name: `Mona ${n}`, budget: `${n}` })))
      await rested(w, thirdSchema, 'ada', 'newer')
      expect(watch.asked.length).toBeGreaterThan(0)
    })

    test('[L-5] [V-1] the database broke before the update: what waited is restored, in the form of the new version', async () => {
      const w = await worldAt(firstSchema)
      const before = await w.open(firstSchema, 'ada')
      const id = await before.leads.create(old)
      await atRest(before)
      await w.stop()
      await before.leads.update(id, { phone: '1', name: 'Mona Hassan' })
      await before.leads.increment(id, { visits: 1 })
      await before.close()
      for (const end of ['-wal', '-shm']) rmSync(w.fileOf('ada') + end, { force: true })
      writeFileSync(w.fileOf('ada'), 'no database any more'.repeat(500))
      const after = await w.open(thirdSchema, 'ada')
      expect(after.sync.status).toMatchObject({ pending: 2, notice: { kind: 'recovered', rescued: 2 } })
      await w.serve(thirdSchema)
      await after.sync.now()
      await atRest(after)
      expect(await leadsOf(after)).toMatchObject([{ id, first: 'Mona', last: 'Hassan', phoneNumber: '1', meetings: 1 }])
    })

    test('[L-5] an app that goes back to an older version is told to load the newer one, and changes nothing', async () => {
      const w = await worldAt(thirdSchema)
      const db = await w.open(thirdSchema, 'ada')
      await w.stop()
      const id = await db.leads.create({ owner: 'ada', first: 'Mona', last: 'Adel' })
      await db.close()
      await expect(w.open(firstSchema, 'ada')).rejects.toThrow(EngineError)
      await expect(w.open(firstSchema, 'ada')).rejects.toMatchObject({ code: 'UPGRADE_REQUIRED' })
      await w.serve(thirdSchema)
      const again = await rested(w, thirdSchema, 'ada')
      expect(await leadsOf(again)).toMatchObject([{ id, first: 'Mona' }])
    })

    if (store.name === 'Postgres') {
      test('[L-5] [I-5] [FM1] the database is migrated in the middle of the writes of an older server: each counts once', async () => {
        const w = await worldAt(firstSchema)
        const devices = await Promise.all(['one', 'two', 'three'].map((file) => w.open(firstSchema, boss, { file })))
        const [one] = devices
        if (one === undefined) throw new Error('There is no device.')
        const ids: string[] = []
        for (let n = 0; n < 20; n += 1) ids.push(await one.leads.create({ ...old, name: `Mona ${n}` }))
        await atRest(one)
        for (const db of devices) await db.sync.now()
        let isMigrated = false
        const writing = devices.map(async (db) => {
          let count = 0
          for (; !isMigrated || count < 60; count += 1) {
            await db.leads.increment(ids[count % ids.length] ?? '', { visits: 1 })
            await new Promise((resolve) => setTimeout(resolve, 5))
          }
          return count
        })
        await until(
          'some of it has arrived',
          async () => (await w.database.read('select 1 from _operations')).length > 60,
        )
        await w.serveBeside(thirdSchema)
        isMigrated = true
        const counts = await Promise.all(writing)
        await w.serve(thirdSchema)
        for (const db of devices) await db.sync.now()
        await Promise.all(devices.map((db) => atRest(db)))
        const rows = await leadsOf(await rested(w, thirdSchema, boss, 'fresh'))
        const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)
        expect(sum(rows.map(({ meetings }) => meetings))).toBe(sum(counts))
        expect(rows.every(({ first }) => first === 'Mona')).toBe(true)
        for (const db of devices) expect(db.sync.status).toMatchObject({ refused: 0, pending: 0 })
      })

      test('[L-5] [OW1] plain SQL writes the columns of now, and apps of every version are shown it', async () => {
        const w = await worldAt(firstSchema)
        const db = await w.open(firstSchema, 'ada')
        const id = await db.leads.create(old)
        await atRest(db)
        await w.database.read(`update leads set phone = '5' where id = '${id}'`)
        await w.serve(thirdSchema)
        await w.database.read(`update leads set last = 'Hassan', price = 700 where id = '${id}'`)
        await w.database.read(`insert into leads (owner, first, last) values ('ada', 'Adam', 'Aly')`)
        await db.sync.now()
        await atRest(db)
        expect(await first(db, id)).toMatchObject({ name: 'Mona Hassan', phone: '5', budget: '7' })
        const names = await db.query((q) => q.selectFrom('leads').select('name').orderBy('name'))
        expect(names).toEqual([{ name: 'Adam Aly' }, { name: 'Mona Hassan' }])
      })

      test('[L-5] an older server beside the one that migrated the database refuses nothing: devices wait for it to be replaced', async () => {
        const w = await worldAt(firstSchema)
        const db = await w.open(firstSchema, 'ada')
        const id = await db.leads.create(old)
        await atRest(db)
        const newer = await w.serveBeside(thirdSchema)
        await db.leads.update(id, { phone: '1' })
        const status = await reached(db, ({ lastError }) => lastError !== null)
        expect(status).toMatchObject({ pending: 1, refused: 0, lastError: { code: 'OVERLOADED' } })
        const after = await w.open(thirdSchema, boss, { url: newer })
        await after.sync.now()
        await after.leads.update(id, { last: 'Hassan' })
        await atRest(after)
        await w.serve(thirdSchema)
        await db.sync.now()
        await atRest(db)
        expect(await first(db, id)).toMatchObject({ name: 'Mona Hassan', phone: '1' })
        await after.sync.now()
        expect(await leadsOf(after)).toMatchObject([{ first: 'Mona', last: 'Hassan', phoneNumber: '1' }])
      })
    }
  })
}

/** Nine operations of every kind on what is known, and on what is new. */
async function writeEverything(db: FirstClient, known: string, gone: string) {
  await db.leads.update(known, { name: 'Mona Hassan', phone: '99', budget: '20' })
  await db.leads.increment(known, { visits: 2 })
  await db.leads.add(known, { labels: ['hot', 'cold'] })
  await db.leads.remove(known, { labels: ['cold'] })
  await db.leads.edit(known, { memo: 'seen and read' })
  await db.leads.delete(gone)
  const lead = await db.leads.create({ owner: 'ada', name: 'New Person' })
  await db.leads.update(lead, { notes: 'fresh' })
  await db.calls.create({ lead, note: 'rang' })
  return { lead }
}

const afterEverything = (id: string) => ({
  id,
  owner: 'ada',
  first: 'Mona',
  last: 'Hassan',
  phoneNumber: '99',
  remarks: '',
  price: 2_000,
  meetings: 2,
  tags: ['hot'],
  story: 'seen and read',
})

const newLead = {
  owner: 'ada',
  first: 'New',
  last: 'Person',
  phoneNumber: null,
  remarks: 'fresh',
  price: null,
  meetings: 0,
  tags: [],
  story: '',
}

function byId<T extends { readonly id: string }>(leads: readonly T[]): readonly T[] {
  return leads.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

async function rested<S extends Schema>(w: SchemaWorld, schema: S, user: string, file = user): Promise<Client<S>> {
  const db = await w.open(schema, user, { file })
  await db.sync.now()
  await atRest(db)
  return db
}

async function first(db: FirstClient, id: string) {
  return (await db.query((q) => q.selectFrom('leads').selectAll().where('id', '=', id)))[0]
}

async function leadsOf(db: ThirdClient) {
  const rows = await db.query((q) => q.selectFrom('leads').selectAll().orderBy('id'))
  return rows.map(({ createdAt, updatedAt, $sync, $pending, ...fields }) =>
    $sync === 'conflict' ? { ...fields, $sync } : fields,
  )
}

function callsOf(db: ThirdClient) {
  return db.query((q) => q.selectFrom('calls').select(['leadId', 'note']))
}

function outcomesIn(reply: string | null | undefined): readonly unknown[] {
  return JSON.parse(reply ?? '{}').outcomes ?? []
}
