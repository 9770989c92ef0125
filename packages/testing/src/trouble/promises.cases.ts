/** What the system promises while replies are lost, lines are cut and several devices write, on a given store of the server. */
import { EngineError, type Outcome, parseSyncReply } from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eager } from '../support/eager.ts'
import { type Exchange, pass, problem } from '../support/front.ts'
import { nameTooLong } from '../support/lead-schema.ts'
import { manager } from '../support/lead-server.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { hashOf, readDevice, readServer } from '../support/truth.ts'
import { atRest, reached, until } from '../support/until.ts'
import { createWorld, type LeadClient } from '../support/world.ts'

export function describePromises(store: StoreKind): void {
  const world = () => createWorld(store, onTestFinished)

  describe(`promises on ${store.name}`, { timeout: 60_000 }, () => {
    test('[I-5] [I-6] every other reply is lost: each operation counts once, and gets the same outcome again, byte for byte', async () => {
      const w = await world()
      const devices = await Promise.all(
        ['one', 'two', 'three'].map((file) => w.open('ada', { file, url: w.front.url, ports: eager })),
      )
      const [first] = devices
      if (first === undefined) throw new Error('There is no device.')
      const hot = await first.leads.create({ owner: 'ada', name: 'Hot' })
      for (const db of devices) await until('the lead is everywhere', () => has(db, hot))
      const lost = new Map<string, number>()
      w.front.answerBy(({ ids }) => {
        const times = (lost.get(ids.join()) ?? 0) + 1
        lost.set(ids.join(), times)
        return ids.length > 0 && times === 1 ? { kind: 'lose' } : pass
      })
      await Promise.all(
        devices.map(async (db) => {
          for (let turn = 0; turn < 10; turn += 1) {
            await db.leads.increment(hot, { visits: 1 })
            if (turn % 3 === 0) await db.leads.update(hot, { note: `turn ${turn}` })
            if (turn % 5 === 0) await db.leads.create({ owner: 'ada', name: turn === 5 ? nameTooLong : 'New' })
            await new Promise(setImmediate)
          }
        }),
      )
      for (const db of devices) await atRest(db)
      const { rows, operations } = await readServer(w.database)
      expect(rows.leads?.[hot]).toMatchObject({ visits: 30 })
      for (const db of devices) await db.close()
      const saved = await Promise.all(['one', 'two', 'three'].map((file) => readDevice(w.fileOf(file))))
      const ids = saved.flatMap((device) => device.operations.map(({ operation }) => operation.id))
      expect([...ids].sort()).toEqual(operations.map(({ id }) => id))
      const told = outcomesOf(w.front.exchanges)
      const repeated = [...told.values()].filter((texts) => texts.length > 1)
      expect(repeated.length).toBeGreaterThan(10)
      for (const { id, outcome } of operations) {
        for (const text of told.get(id) ?? []) expect(text).toBe(outcome)
      }
      // Both kinds that this work must bring were among those that were asked for twice; for each of the four see resent.cases.ts.
      const kinds = new Set(repeated.map(([text]) => (JSON.parse(String(text)) as Outcome).kind))
      expect([...kinds].sort()).toEqual(expect.arrayContaining(['applied', 'rejected']))
    })

    test('[I-8] writes of one device on one record take effect in local order, in however many pieces they travel', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url, ports: eager })
      await db.sync.now()
      w.front.answerBy(() => ({ kind: 'drop' }))
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      for (let turn = 1; turn <= 20; turn += 1) {
        await db.leads.update(lead, { note: `${turn}`, budget: turn })
        if (turn % 4 === 0) await db.leads.increment(lead, { visits: 1 })
      }
      await db.leads.delete(lead)
      await db.leads.restore(lead)
      await db.leads.update(lead, { note: 'last' })
      let count = 0
      w.front.answerBy(({ ids }) => {
        count += 1
        if (ids.length > 3) return problem(413, 'TOO_LARGE')
        return count % 3 === 0 ? { kind: 'lose' } : pass
      })
      await db.sync.now()
      await atRest(db)
      await db.close()
      const { rows, operations } = await readServer(w.database)
      expect(rows.leads?.[lead]).toMatchObject({ note: 'last', budget: 20, visits: 5, $version: 29 })
      const outcomes = new Map(operations.map(({ id, outcome }) => [id, JSON.parse(outcome)]))
      const versions = [...(await readDevice(w.fileOf('ada'))).operations]
        .sort((a, b) => a.operation.seq - b.operation.seq)
        .map(({ operation }) => outcomes.get(operation.id)?.version)
      expect(versions).toEqual(Array.from({ length: 29 }, (_, index) => index + 1))
    })

    test('[I-8] the operations of one app transaction take effect together, or are refused together', async () => {
      const w = await world()
      const db = await w.open('ada')
      const kept = await db.leads.create({ owner: 'ada', name: 'Mona' })
      const good = db.write((tx) => {
        const lead = tx.leads.create({ owner: 'ada', name: 'Adam' })
        tx.calls.create({ lead, owner: 'ada', note: 'first' })
        tx.leads.increment(kept, { visits: 1 })
        return lead
      })
      const refused = db.write((tx) => {
        tx.leads.increment(kept, { visits: 100 })
        const lead = tx.leads.create({ owner: 'ada', name: nameTooLong })
        tx.calls.create({ lead, owner: 'ada', note: 'never' })
      })
      const later = db.leads.update(kept, { note: 'later' })
      expect((await good.settled).map(({ kind }) => kind)).toEqual(['applied', 'applied', 'applied'])
      await refused.settled
      expect(await later.settled).toMatchObject([{ kind: 'applied' }])
      await atRest(db)
      expect((await db.inbox.list()).map(({ items }) => items.length)).toEqual([3])
      const { rows } = await readServer(w.database)
      expect(rows.leads?.[kept]).toMatchObject({ visits: 1, note: 'later', $version: 3 })
      expect(Object.keys(rows.leads ?? {}).sort()).toEqual([kept, await good].sort())
      expect(Object.values(rows.calls ?? {}).map(({ note }) => note)).toEqual(['first'])
      // The device shows what the server has.
      expect(
        await db.query((q) => q.selectFrom('leads').select(['id', 'name', 'visits', 'note', '$sync']).orderBy('name')),
      ).toEqual([
        { id: await good, name: 'Adam', visits: 0, note: '', $sync: 'synced' },
        { id: kept, name: 'Mona', visits: 1, note: 'later', $sync: 'refused' },
      ])
      expect(await db.query((q) => q.selectFrom('calls').select(['lead', 'note', '$sync']))).toEqual([
        { lead: await good, note: 'first', $sync: 'synced' },
      ])
    })

    test('[I-14] [I-8] on other devices a live query over two collections never shows half of a transaction that takes several pages, and nothing of a refused one', async () => {
      const w = await createWorld(store, onTestFinished, { rowsPerPage: 2 })
      const writer = await w.open('ada')
      const leads = [
        await writer.leads.create({ owner: 'ada', name: 'Mona', note: 'turn 0' }),
        await writer.leads.create({ owner: 'ada', name: 'Adam', note: 'turn 0' }),
      ]
      await atRest(writer)
      const readers = [
        await w.open('ada', { file: 'phone', url: w.front.url, ports: eager }),
        await w.open(manager, { url: w.front.url, ports: eager }),
      ]
      for (const db of readers) {
        for (const lead of leads) await until('the lead is here', () => has(db, lead))
        await atRest(db)
      }
      const states = readers.map(() => [] as string[])
      for (const [index, db] of readers.entries()) {
        db.watch(leadsWithCalls, ({ rows }) => states[index]?.push(textOf(rows)))
      }
      /** Six rows in one app transaction, and after it six that are refused for the last of them. */
      const write = async (turn: number) => {
        await writer.write((tx) => {
          for (const lead of leads) {
            tx.leads.update(lead, { note: `turn ${turn}` })
            for (const _ of ['one', 'two']) tx.calls.create({ lead, owner: 'ada', note: `turn ${turn}` })
          }
        })
        await writer.write((tx) => {
          for (const lead of leads) {
            tx.leads.update(lead, { note: 'never' })
            tx.calls.create({ lead, owner: 'ada', note: 'never' })
          }
          const refused = tx.leads.create({ owner: 'ada', name: nameTooLong })
          tx.calls.create({ lead: refused, owner: 'ada', note: 'never' })
        })
      }

      // Five while the readers hear nothing, then page after page, with a look before each.
      w.front.answerBy(() => ({ kind: 'drop' }))
      for (let turn = 1; turn <= 5; turn += 1) await write(turn)
      await atRest(writer)
      const before = w.front.exchanges.length
      const look = async () => {
        for (const [index, db] of readers.entries()) states[index]?.push(textOf(await db.query(leadsWithCalls)))
      }
      w.front.answerBy(async ({ path }) => {
        if (path === '/sync') await look()
        return pass
      })
      await Promise.all(readers.map((db) => db.sync.now()))
      await until('five are here', () => states.every((seen) => seen.at(-1) === stateAfter(5)))
      // Five while the readers pull.
      for (let turn = 6; turn <= 10; turn += 1) {
        await write(turn)
        await Promise.all(readers.map((db) => db.sync.now()))
      }
      await atRest(writer)
      await until('all are here', () => states.every((seen) => seen.at(-1) === stateAfter(10)))

      const whole = Array.from({ length: 11 }, (_, turn) => stateAfter(turn))
      for (const seen of states) {
        const turns = seen.map((state) => whole.indexOf(state))
        expect(turns).toEqual([...turns].sort((a, b) => a - b))
        expect(turns.at(0)).toBe(0)
        expect(turns.at(-1)).toBe(10)
      }
      const pages = w.front.exchanges.slice(before).flatMap(({ reply }) => (reply === null ? [] : [rowsIn(reply)]))
      // It did travel in pieces: transactions of six rows, in pages of two.
      expect(Math.max(...pages)).toBe(2)
      expect(pages.filter((rows) => rows > 0).length).toBeGreaterThanOrEqual(40)
      expect(await writer.inbox.list()).toHaveLength(10)
    })

    test('[I-11] what was saved is read at once, whatever becomes of the requests, until a refusal is told', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url, ports: eager })
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      let count = 0
      const fates = [pass, { kind: 'lose' }, { kind: 'drop' }, pass, problem(503, 'OVERLOADED')] as const
      w.front.answerBy(() => {
        count += 1
        return fates[count % fates.length] ?? pass
      })
      for (let turn = 1; turn <= 40; turn += 1) {
        await db.leads.update(lead, { note: `turn ${turn}` })
        await db.leads.increment(lead, { visits: 1 })
        expect(await leadsOf(db)).toMatchObject([{ id: lead, note: `turn ${turn}`, visits: turn }])
        if (turn % 5 === 0) await until('a request went', () => count > turn / 5)
      }
      const refused = db.leads.update(lead, { name: nameTooLong })
      await refused
      expect(await leadsOf(db)).toMatchObject([{ name: nameTooLong }])
      w.front.answerBy(() => pass)
      expect(await refused.settled).toMatchObject([{ kind: 'rejected', code: 'INVALID_VALUE', field: 'name' }])
      expect(await leadsOf(db)).toMatchObject([{ name: 'Mona', note: 'turn 40', visits: 40, $sync: 'refused' }])
      await atRest(db)
      expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ name: 'Mona', visits: 40 })
    })

    test('[I-12] write, lost reply, others change the record, re-send, page: a live query never shows the old value', async () => {
      const w = await world()
      const ada = await w.open('ada', { url: w.front.url, ports: eager })
      const ben = await w.open(manager)
      const lead = await ada.leads.create({ owner: 'ada', name: 'Mona' })
      await until('Ben has the lead', () => has(ben, lead))
      await atRest(ada)
      const shown: string[] = []
      ada.watch(
        (q) => q.selectFrom('leads').select(['stage', 'visits']).where('id', '=', lead),
        ({ rows }) => shown.push(rows.map(({ stage, visits }) => `${stage} ${visits}`).join()),
      )
      let sent = 0
      w.front.answerBy(({ ids }) => {
        if (ids.length > 0) sent += 1
        // Twice not heard at all, then heard and the reply lost twice, then as it should be.
        if (ids.length > 0 && sent <= 2) return { kind: 'drop' }
        return ids.length > 0 && sent <= 4 ? { kind: 'lose' } : pass
      })
      const write = ada.write((tx) => {
        tx.leads.update(lead, { stage: 'won' })
        tx.leads.increment(lead, { visits: 1 })
      })
      await write
      // A page with the old stage in it, from before the operation arrives and from after it.
      for (let turn = 0; turn < 6; turn += 1) {
        await ben.leads.update(lead, { note: `of Ben ${turn}` })
        await ada.sync.now()
      }
      await write.settled
      await atRest(ada)
      expect(sent).toBeGreaterThanOrEqual(5)
      expect(shown).toEqual(['new 0', 'won 1'])
      expect(await leadsOf(ada)).toMatchObject([{ stage: 'won', visits: 1, $sync: 'synced' }])
    })

    test('[I-12] [I-11] acknowledged by the first page of a pull whose last one holds the record: the old value is not shown in between', async () => {
      const w = await createWorld(store, onTestFinished, { rowsPerPage: 3 })
      const ada = await w.open('ada', { url: w.front.url, ports: eager })
      const boss = await w.open(manager)
      const lead = await ada.leads.create({ owner: 'ada', name: 'Mona' })
      await atRest(ada)
      const shown: string[] = []
      ada.watch(
        (q) => q.selectFrom('leads').select(['stage', 'visits']).where('id', '=', lead),
        ({ rows }) => shown.push(rows.map(({ stage, visits }) => `${stage} ${visits}`).join()),
      )
      w.front.answerBy(() => ({ kind: 'drop' }))
      await Promise.all(
        Array.from({ length: 12 }, (_, index) => boss.leads.create({ owner: 'ada', name: `Other ${index}` }).settled),
      )
      const write = ada.write((tx) => {
        tx.leads.update(lead, { stage: 'won' })
        tx.leads.increment(lead, { visits: 1 })
      })
      await write
      // Every page waits for a look at the rows.
      const seen: string[] = []
      w.front.answerBy(async ({ path }) => {
        if (path === '/sync')
          seen.push(...(await leadsOf(ada)).flatMap(({ id, stage }) => (id === lead ? [stage] : [])))
        return pass
      })
      await ada.sync.now()
      await atRest(ada)
      expect(seen.length).toBeGreaterThanOrEqual(4)
      expect(new Set(seen)).toEqual(new Set(['won']))
      expect(shown).toEqual(['new 0', 'won 1'])
      expect(await leadsOf(ada)).toHaveLength(13)
    })

    test('[PS3] [L-1] a commit between the first pull and the beginning of the poke stream arrives without a timer', async () => {
      const w = await world()
      const boss = await w.open(manager)
      await boss.sync.now()
      const opening = Promise.withResolvers<void>()
      w.front.answerBy(async ({ path }) => {
        if (path === '/poke') await opening.promise
        return pass
      })
      const db = await w.open('ada', { url: w.front.url })
      await reached(db, ({ kind }) => kind === 'idle')
      const lead = boss.leads.create({ owner: 'ada', name: 'Mona' })
      await lead.settled
      opening.resolve()
      const id = await lead
      await until('the lead is here', () => has(db, id), 5_000)
    })

    test('[I-13] a device never goes back: not by a reply that comes again, late, nor by a restart', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url, ports: eager })
      const boss = await w.open(manager)
      const lead = await boss.leads.create({ owner: 'ada', name: 'Mona' })
      await until('the lead is here', () => has(db, lead))
      const shown: number[] = []
      const watchOn = (client: LeadClient) =>
        client.watch(
          (q) => q.selectFrom('leads').select('visits').where('id', '=', lead),
          ({ rows }) => shown.push(...rows.map(({ visits }) => visits)),
        )
      watchOn(db)
      for (let turn = 1; turn <= 5; turn += 1) {
        await boss.leads.increment(lead, { visits: 1 })
        await until('it is here', () => shown.at(-1) === turn)
      }
      await db.leads.update(lead, { note: 'own' }).settled
      await atRest(db)
      // Every reply so far comes once more, oldest first, rows and outcomes and cursors and all.
      for (const { reply } of [...w.front.exchanges]) {
        w.front.answerBy(({ path }) =>
          path === '/sync' && reply !== null
            ? { kind: 'say', status: 200, body: reply, headers: { 'content-type': 'application/json' } }
            : pass,
        )
        await db.sync.now()
        expect(await leadsOf(db)).toMatchObject([{ id: lead, visits: 5, note: 'own', $sync: 'synced' }])
      }
      w.front.answerBy(() => pass)
      await db.close()
      const again = await w.open('ada')
      watchOn(again)
      await boss.leads.increment(lead, { visits: 1 })
      await until('it goes on', () => shown.at(-1) === 6)
      expect(shown).toEqual([...shown].sort((a, b) => a - b))
      await atRest(again)
      expect(await again.sync.waiting()).toEqual([])
    })

    test('[I-16] [I-13] leads move between agents while all write: in the end each device is the server’s scope, row for row', async () => {
      const w = await world()
      const agents = ['ada', 'ben', 'cleo', 'dina']
      const devices = await Promise.all(
        [...agents, manager].map(async (user) => ({ user, db: await w.open(user, { ports: eager }) })),
      )
      const boss = devices.at(-1)?.db
      if (boss === undefined) throw new Error('There is no manager.')
      const shown = new Map<string, number>()
      const backward: string[] = []
      boss.watch(
        (q) => q.selectFrom('leads').select(['id', 'visits']),
        ({ rows }) => {
          for (const { id, visits } of rows) {
            if (visits < (shown.get(id) ?? 0)) backward.push(id)
            shown.set(id, visits)
          }
        },
      )
      let working = true
      // One device pulls without a pause while the others commit.
      const pulling = (async () => {
        while (working) await boss.sync.now()
      })()
      await Promise.all(
        devices.map(async ({ user, db }, number) => {
          for (let turn = 0; turn < 30; turn += 1) {
            const own = await db.query((q) => q.selectFrom('leads').select('id').where('owner', '=', user))
            const lead = own[(turn * 7 + number) % Math.max(1, own.length)]?.id
            const other = agents[(turn + number) % agents.length] ?? user
            await (lead === undefined || turn % 3 === 0
              ? db.leads.create({ owner: user, name: `${user} ${turn}` })
              : act(db, { lead, other, turn, user }))
            await new Promise(setImmediate)
          }
        }),
      )
      for (const { db } of devices) await atRest(db)
      working = false
      await pulling
      expect(backward).toEqual([])
      const owners = new Map(devices.map(({ user }) => [user, user === manager ? null : user]))
      // Pokes have told everybody; the last page of the slowest is what is waited for.
      await until('every device has all', async () => {
        await Promise.all(devices.map(({ db }) => db.sync.now()))
        const counts = await Promise.all(devices.map(({ db }) => leadsOf(db)))
        const inScope = await Promise.all([...owners.values()].map((owner) => readServer(w.database, owner)))
        return counts.every((leads, index) => leads.length === Object.keys(inScope[index]?.rows.leads ?? {}).length)
      })
      for (const { db } of devices) await atRest(db)
      for (const { db } of devices) await db.close()
      for (const [user, owner] of owners) {
        const device = await readDevice(w.fileOf(user))
        const server = await readServer(w.database, owner)
        expect(device.rows).toEqual(server.rows)
        expect(hashOf(device.rows)).toBe(hashOf(server.rows))
      }
      // That they did move; of an operation whose record has left the device, only that it was sent is kept there.
      const [left] = await w.database.read(
        "select count(*) as leads from _feed where state = 'left' and collection = 'leads'",
      )
      expect(Number(left?.leads)).toBeGreaterThan(0)
    })
  })
}

type Act = { readonly lead: string; readonly other: string; readonly turn: number; readonly user: string }

/** One of the things that people do to a lead. Another device may have taken it meanwhile: then the device refuses. */
async function act(db: LeadClient, { lead, other, turn, user }: Act): Promise<void> {
  try {
    if (turn % 5 === 1) await db.leads.update(lead, { owner: other, note: `from ${user}` })
    else if (turn % 5 === 2) await db.calls.create({ lead, owner: user, note: `${turn}` })
    else if (turn % 11 === 3) await db.leads.delete(lead)
    else await db.leads.increment(lead, { visits: 1 })
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'NOT_FOUND')) throw error
  }
}

const leadsOf = (db: LeadClient) =>
  db.query((q) => q.selectFrom('leads').selectAll().orderBy('createdAt').orderBy('id'))

async function has(db: LeadClient, lead: string): Promise<boolean> {
  return (await db.query((q) => q.selectFrom('leads').select('id').where('id', '=', lead))).length === 1
}

const leadsWithCalls = (q: Parameters<Parameters<LeadClient['query']>[0]>[0]) =>
  q.selectFrom('leads').leftJoin('calls', 'calls.lead', 'leads.id').select(['leads.note as lead', 'calls.note as call'])

type LeadWithCall = { readonly lead: string; readonly call: string | null }

function textOf(rows: readonly LeadWithCall[]): string {
  return rows
    .map(({ lead, call }) => `${lead}: ${call}`)
    .sort()
    .join()
}

/** Two leads that say the turn, with two calls each of every turn so far. */
function stateAfter(turn: number): string {
  const calls = Array.from({ length: 4 * turn }, (_, index) => `turn ${1 + (index % turn)}`)
  return textOf((turn === 0 ? [null, null] : calls).map((call) => ({ lead: `turn ${turn}`, call })))
}

function rowsIn(reply: string): number {
  return parseSyncReply(JSON.parse(reply)).changes.reduce((count, { rows }) => count + rows.length, 0)
}

/** The texts of the outcomes as they were told, by operation. */
function outcomesOf(exchanges: readonly Exchange[]): ReadonlyMap<string, readonly string[]> {
  const told = new Map<string, string[]>()
  for (const { ids, reply } of exchanges) {
    for (const id of ids) {
      const text = new RegExp(`\\{[^{}]*"id":"${id}"[^{}]*\\}`).exec(reply ?? '')?.[0]
      if (text !== undefined) told.set(id, [...(told.get(id) ?? []), text])
    }
  }
  return told
}
