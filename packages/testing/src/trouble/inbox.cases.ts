/** What the server refuses, from the refusal to its end: mended, sent again, discarded or kept, on a given store of the server. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { eager } from '../support/eager.ts'
import { pass, problem } from '../support/front.ts'
import { leadSchema, nameTooLong, widerSchema } from '../support/lead-schema.ts'
import { manager } from '../support/lead-server.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { readDevice, readServer } from '../support/truth.ts'
import { atRest, until } from '../support/until.ts'
import { createWorld, type LeadClient, type World } from '../support/world.ts'

export function describeInbox(store: StoreKind): void {
  const world = () => createWorld(store, onTestFinished)

  describe(`the inbox over ${store.name}`, { timeout: 60_000 }, () => {
    test('[I-10] one refused operation delays no independent one; what depends on it lies beside it, is not sent, and flows with it', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url, ports: eager })
      const lead = await db.leads.create({ owner: 'ada', name: nameTooLong })
      await db.calls.create({ lead, owner: 'ada', note: 'before' })
      const others = await Promise.all(
        Array.from({ length: 20 }, (_, index) => db.leads.create({ owner: 'ada', name: `lead ${index}` })),
      )
      await until('it is refused', () => db.sync.status.refused === 1)
      const later = db.calls.create({ lead, owner: 'ada', note: 'after' })
      const other = db.calls.create({ lead: others[0] ?? '', owner: 'ada', note: 'other' })
      expect(await other.settled).toMatchObject([{ kind: 'applied' }])
      expect(await later.settled).toMatchObject([{ kind: 'rejected', code: 'BLOCKED' }])
      await atRest(db)
      const inbox = await db.inbox.list()
      expect(inbox).toMatchObject([{ record: lead, code: 'INVALID_VALUE', field: 'name' }])
      expect(inbox[0]?.items.map(({ collection, code, fields }) => [collection, code, fields.note])).toEqual([
        ['leads', 'INVALID_VALUE', ''],
        ['calls', 'BLOCKED', 'before'],
        ['calls', 'BLOCKED', 'after'],
      ])
      expect(db.sync.status).toMatchObject({ kind: 'idle', pending: 0, refused: 1 })
      const parked = inbox[0]?.items[2]
      expect(parked?.attempts).toBe(0)
      const sent = w.front.exchanges.flatMap(({ ids }) => ids)
      expect(sent).not.toContain(parked?.id)
      expect(sent.filter((id) => id === inbox[0]?.id)).toHaveLength(1)
      expect(Object.keys((await readServer(w.database)).rows.leads ?? {}).sort()).toEqual([...others].sort())

      await db.inbox.fix(inbox[0]?.id ?? missing(), { name: 'Mona' })
      await atRest(db)
      expect(await db.inbox.list()).toEqual([])
      const { rows } = await readServer(w.database)
      expect(rows.leads?.[lead]).toMatchObject({ name: 'Mona', $version: 1 })
      expect(notesOfCalls(rows.calls)).toEqual(['after', 'before', 'other'])
      await expectSameRows(w, db)
    })

    test('[I-4] [I-8] an app transaction is refused as a unit, lies there as a unit, and is mended as a unit', async () => {
      const w = await world()
      const db = await w.open('ada')
      const kept = await db.leads.create({ owner: 'ada', name: 'Mona' })
      const refused = db.write((tx) => {
        tx.leads.increment(kept, { visits: 1 })
        const lead = tx.leads.create({ owner: 'ada', name: nameTooLong, note: 'typed with care' })
        tx.calls.create({ lead, owner: 'ada', note: 'first' })
        return lead
      })
      expect((await refused.settled).map(({ kind }) => kind)).toEqual(['rejected', 'rejected', 'rejected'])
      await atRest(db)
      const [group] = await db.inbox.list()
      expect(group).toMatchObject({ code: 'INVALID_VALUE', field: 'name', items: { length: 3 } })
      expect(await leadsOf(db)).toMatchObject([{ id: kept, visits: 0, $sync: 'refused' }])
      await db.leads.update(kept, { note: 'meanwhile' })
      await expect(db.inbox.fix(group?.id ?? missing(), { name: '' })).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        field: 'name',
      })
      expect(await db.inbox.list()).toEqual([group])
      await db.inbox.fix(group?.id ?? missing(), { name: 'Adam' })
      await atRest(db)
      expect(db.sync.status).toMatchObject({ pending: 0, refused: 0 })
      const { rows } = await readServer(w.database)
      expect(rows.leads?.[kept]).toMatchObject({ visits: 1, note: 'meanwhile' })
      expect(rows.leads?.[await refused]).toMatchObject({ name: 'Adam', note: 'typed with care' })
      expect(notesOfCalls(rows.calls)).toEqual(['first'])
      await expectSameRows(w, db)
    })

    test('[I-5] fix and retry count once, though every first reply is lost', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url, ports: eager })
      const kept = await db.leads.create({ owner: 'ada', name: 'Mona' })
      await atRest(db)
      await db.write((tx) => {
        tx.leads.increment(kept, { visits: 1 })
        tx.leads.update(kept, { name: nameTooLong })
      })
      await db.write((tx) => {
        tx.leads.increment(kept, { visits: 10 })
        tx.calls.create({ lead: 'nobody', owner: 'ada' })
      })
      await until('both are refused', () => db.sync.status.refused === 2)
      const seen = new Set<string>()
      w.front.answerBy(({ ids }) => {
        const isNew = ids.length > 0 && !seen.has(ids.join())
        seen.add(ids.join())
        return isNew ? { kind: 'lose' } : pass
      })
      const [named, called] = await db.inbox.list()
      await db.inbox.fix(named?.id ?? missing(), { name: 'Adam' })
      await db.inbox.fix(called?.id ?? missing(), { lead: kept })
      await atRest(db)
      expect(w.front.exchanges.some(({ kind }) => kind === 'lose')).toBe(true)
      expect(db.sync.status).toMatchObject({ pending: 0, refused: 0 })
      const { rows } = await readServer(w.database)
      expect(rows.leads?.[kept]).toMatchObject({ name: 'Adam', visits: 11 })
      expect(Object.keys(rows.calls ?? {})).toHaveLength(1)
      await expectSameRows(w, db)
    })

    test('[I-5] a retry of what did take effect has no second effect, and says so, however often', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url, ports: eager })
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      await atRest(db)
      // It arrives, the reply is lost, and something says that it is too large.
      let count = 0
      w.front.answerBy(({ ids }) => {
        if (ids.length === 0) return pass
        count += 1
        return count === 1 ? { kind: 'lose' } : problem(413, 'TOO_LARGE')
      })
      await db.leads.increment(lead, { visits: 1 })
      await until('it is refused', () => db.sync.status.refused === 1)
      w.front.answerBy(() => pass)
      for (let turn = 0; turn < 3; turn += 1) {
        const [group] = await db.inbox.list()
        await db.inbox.retry(group?.id ?? missing())
        await atRest(db)
        expect(await db.inbox.list()).toMatchObject([{ code: 'ALREADY_APPLIED', record: lead }])
      }
      expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ visits: 1 })
      const [group] = await db.inbox.list()
      await db.inbox.discard(group?.id ?? missing())
      await atRest(db)
      expect(await leadsOf(db)).toMatchObject([{ visits: 1, $sync: 'synced' }])
      await expectSameRows(w, db)
    })

    test('[I-4] an operation on which the server fails is parked after eight attempts, over a restart; the others arrive at once', async () => {
      const w = await world()
      const first = await w.open('ada', { url: w.front.url })
      const lead = await first.leads.create({ owner: 'ada', name: 'Mona' })
      await atRest(first)
      w.front.answerBy(() => ({ kind: 'drop' }))
      await first.leads.update(lead, { note: 'bad' })
      const bad = (await first.sync.waiting())[0]?.id ?? ''
      const failing = () => w.front.answerBy(({ ids }) => (ids.includes(bad) ? problem(500, 'SERVER_ERROR') : pass))
      const alone = () => w.front.exchanges.filter(({ kind, ids }) => kind === 'say' && ids.join() === bad).length
      failing()
      const other = await first.leads.create({ owner: 'ada', name: 'Adam' })
      await until('five have failed', async () => {
        await first.sync.now()
        return alone() >= 5
      })
      expect((await readServer(w.database)).rows.leads?.[other]).toMatchObject({ name: 'Adam' })
      await first.close()
      const db = await w.open('ada', { url: w.front.url })
      expect(db.sync.status).toMatchObject({ refused: 0 })
      await until('it is parked', async () => {
        await db.sync.now()
        return db.sync.status.refused === 1
      })
      expect(alone()).toBe(8)
      expect(await db.inbox.list()).toMatchObject([{ code: 'GAVE_UP', fields: { note: 'bad' }, record: lead }])
      await atRest(db)
      w.front.answerBy(() => pass)
      const [group] = await db.inbox.list()
      await db.inbox.retry(group?.id ?? missing())
      await atRest(db)
      expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ note: 'bad', $version: 2 })
      await expectSameRows(w, db)
    })

    test('[I-4] [I-26] what was refused survives sign-out, another user on the device and a restart; then the server takes it', async () => {
      const w = await world()
      const first = await w.open('ada')
      const lead = await first.leads.create({ owner: 'ada', name: nameTooLong })
      await until('it is refused', () => first.sync.status.refused === 1)
      const refused = await first.inbox.list()
      await first.signOut()
      const ben = await w.open('ben')
      await atRest(ben)
      expect(await ben.inbox.list()).toEqual([])
      await ben.close()
      await w.stopServer()
      await w.startServer(leadSchema)
      const db = await w.open('ada')
      expect(await db.inbox.list()).toEqual(refused)
      await db.inbox.retry(refused[0]?.id ?? missing())
      await atRest(db)
      expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ name: nameTooLong })
      await expectSameRows(w, db)
    })

    test.each([
      { what: 'it arrives after the record went', isHeard: true },
      { what: 'the reply to it is lost first', isHeard: false },
    ])(
      '[I-4] an edit of a record that has left the scope is refused with what was typed, and nothing of the newer row: $what',
      async ({ isHeard }) => {
        const w = await world()
        const [db, boss] = [await w.open('ada', { url: w.front.url, ports: eager }), await w.open(manager)]
        const lead = await db.leads.create({ owner: 'ada', name: 'Mona', note: 'as Ada knows it' })
        await until('the manager has it', async () => (await leadsOf(boss)).length === 1)
        await atRest(db)
        await db.sync.pause()
        await db.leads.update(lead, { note: 'typed offline', budget: 7 })
        await boss.leads.update(lead, { owner: 'ben', name: 'newer name', note: 'newer note', stage: 'lost' }).settled
        await boss.leads.increment(lead, { visits: 3 }).settled
        let isLost = isHeard
        w.front.answerBy(({ ids }) => {
          if (ids.length === 0 || isLost) return pass
          isLost = true
          return { kind: 'lose' }
        })
        await db.sync.resume()
        await until('it is refused', () => db.sync.status.refused === 1)
        await atRest(db)
        expect(isLost).toBe(true)
        expect(await leadsOf(db)).toEqual([])
        const inbox = await db.inbox.list()
        expect(inbox).toMatchObject([{ collection: 'leads', record: lead, code: 'NOT_FOUND', items: { length: 1 } }])
        expect(inbox[0]?.fields).toEqual({ note: 'typed offline', budget: 7 })
        expect(inbox[0]?.items[0]?.fields).toEqual({ note: 'typed offline', budget: 7 })
        const exported = (await db.inbox.export()).text
        expect(exported).toContain('typed offline')
        await db.close()
        const { operations, rows } = await readDevice(w.fileOf('ada'))
        expect(rows.leads).toEqual({})
        expect(operations.filter(({ place }) => place !== '_settled').map(({ place }) => place)).toEqual(['_inbox'])
        for (const text of [JSON.stringify(inbox), exported, JSON.stringify(operations)]) {
          expect(text).not.toMatch(/newer|"ben"|"lost"/)
        }
        expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ note: 'newer note', budget: 0 })
      },
    )

    test('[I-4] what was refused survives an app without its collection: listed, exported, and sent by an app that has it', async () => {
      const w = await world()
      const wide = await w.openAs(widerSchema(1), 'ada')
      const offer = await wide.offers.create({ owner: 'ada', price: 7 })
      await until('it is refused', () => wide.sync.status.refused === 1)
      const refused = await wide.inbox.list()
      const [group] = refused
      await wide.close()
      const narrow = await w.open('ada')
      expect(await narrow.inbox.list()).toEqual(refused)
      await expect(narrow.inbox.retry(group?.id ?? missing())).rejects.toMatchObject({ code: 'UNKNOWN_COLLECTION' })
      const file = JSON.parse((await narrow.inbox.export()).text)
      expect(file.changes).toMatchObject([
        { code: 'UNKNOWN_COLLECTION', operations: [{ operation: { record: offer } }] },
      ])
      const { undo } = await narrow.inbox.discard(group?.id ?? missing())
      expect(await narrow.inbox.list()).toEqual([])
      await undo()
      await narrow.close()
      await w.stopServer()
      await w.startServer(widerSchema(1))
      const db = await w.openAs(widerSchema(1), 'ada')
      expect(await db.inbox.list()).toEqual(refused)
      await db.inbox.retry(group?.id ?? missing())
      await atRest(db)
      expect(await db.query((q) => q.selectFrom('offers').select(['id', 'price', '$sync']))).toEqual([
        { id: offer, price: 7, $sync: 'synced' },
      ])
    })
  })
}

function missing(): never {
  throw new Error('The inbox is empty.')
}

const leadsOf = (db: LeadClient) =>
  db.query((q) => q.selectFrom('leads').selectAll().orderBy('createdAt').orderBy('id'))

function notesOfCalls(calls: Readonly<Record<string, { readonly [column: string]: unknown }>> = {}): readonly string[] {
  return Object.values(calls)
    .map(({ note }) => String(note))
    .sort()
}

/** Closes the device, and compares what it holds with what the server holds. */
async function expectSameRows(w: World, db: LeadClient): Promise<void> {
  await db.sync.now()
  await atRest(db)
  await db.close()
  expect((await readDevice(w.fileOf('ada'))).rows).toEqual((await readServer(w.database)).rows)
}
