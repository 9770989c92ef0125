/** Devices that were away for longer than the server remembers, on a given store. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeptStore } from '../support/kept-store.ts'
import { createTimeWorld, dayMs, type TimeWorld } from '../support/time-world.ts'
import { readServer } from '../support/truth.ts'
import { expectEqual } from './restored.cases.ts'

const retentionDays = 30

export function describeRetention(store: KeptStore): void {
  const world = () => createTimeWorld(store, onTestFinished, { retentionDays })

  describe(`an old device on ${store.name}`, { timeout: 60_000 }, () => {
    test('[I-24] it finds what is gone, keeps what waits, and brings nothing back', async () => {
      const w = await world()
      const [ann, ben] = [await w.device('ann'), await w.device('ben', 'ben')]
      const kept = await ann.db.leads.create({ owner: 'ann', name: 'Kept' })
      const gone = await ann.db.leads.create({ owner: 'ann', name: 'Gone' })
      const edited = await ann.db.leads.create({ owner: 'ann', name: 'Gone, and edited here' })
      const call = await ann.db.calls.create({ lead: gone, owner: 'ann' })
      await ann.sync()
      await ben.sync()
      // Ben goes away, and writes.
      await ben.db.leads.update(kept, { note: 'of Ben' })
      await ben.db.leads.increment(kept, { visits: 1 })
      await ben.db.leads.update(edited, { note: 'of Ben' })
      const own = await ben.db.leads.create({ owner: 'ben', name: 'Own' })
      w.pass(1_000)
      await ann.db.calls.delete(call)
      await ann.db.leads.delete(gone)
      await ann.db.leads.delete(edited)
      await ann.db.leads.increment(kept, { visits: 10 })
      await ann.sync()
      await forget(w, ann)

      // Until it has synced it shows all that it had.
      expect(await namesOf(ben)).toEqual(['Gone', 'Gone, and edited here', 'Kept', 'Own'])
      const asked = await ben.sync()
      expect(asked.map(({ status }) => status)).toContain(410)
      expect(asked.filter(({ isAnew }) => isAnew)).toHaveLength(1)
      expect(await namesOf(ben)).toEqual(['Kept', 'Own'])
      // Nobody knows any more that there was such a record.
      expect(await ben.db.inbox.list()).toMatchObject([
        { code: 'NOT_FOUND', record: edited, fields: { note: 'of Ben' } },
      ])
      const { rows } = await readServer(w.database)
      expect(Object.keys(rows.leads ?? {}).sort()).toEqual([kept, own].sort())
      expect(rows.leads?.[kept]).toMatchObject({ note: 'of Ben', visits: 11 })
      const [refused] = await ben.db.inbox.list()
      if (refused !== undefined) await ben.db.inbox.discard(refused.id)
      await ann.sync()
      for (const device of [ben, ann]) await expectEqual(w, device)
    })

    test('[I-24] [I-5] what may have arrived so long ago is put before a person, what surely has not goes', async () => {
      const w = await world()
      const [ann, ben] = [await w.device('ann'), await w.device('ben', 'ben')]
      const lead = await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await ben.sync()
      await ben.db.leads.increment(lead, { visits: 1 })
      const made = await ben.db.leads.create({ owner: 'ben', name: 'Made' })
      await ben.loseAnswer()
      await ben.db.leads.update(lead, { note: 'never sent' })
      await ann.sync()
      // What Ben made arrived, was deleted, and is forgotten.
      await ann.db.leads.delete(made)
      await ann.sync()
      await forget(w, ann)
      await ben.sync()
      expect(await ben.db.inbox.list()).toMatchObject([
        { code: 'MAY_HAVE_ARRIVED', record: lead, fields: { visits: 1 } },
        { code: 'MAY_HAVE_ARRIVED', record: made },
      ])
      const { rows } = await readServer(w.database)
      expect(Object.keys(rows.leads ?? {})).toEqual([lead])
      expect(rows.leads?.[lead]).toMatchObject({ visits: 1, note: 'never sent' })
      for (const { id } of await ben.db.inbox.list()) await ben.db.inbox.discard(id)
      await ann.sync()
      for (const device of [ben, ann]) await expectEqual(w, device)
    })

    test('[I-24] [I-5] a clock that was set back does not make new what was sent long ago', async () => {
      const w = await world()
      const [ann, ben] = [await w.device('ann'), await w.device('ben', 'ben')]
      const lead = await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await ben.sync()
      await ben.db.leads.increment(lead, { visits: 1 })
      await ben.loseAnswer()
      await forget(w, ann)
      await ben.reopen(() => ben.setClock(-20 * dayMs))
      await ben.sync()
      expect(await ben.db.inbox.list()).toMatchObject([{ code: 'MAY_HAVE_ARRIVED', record: lead }])
      expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ visits: 1 })
    })

    test('[I-24] [I-4] a creation that arrived has arrived: what was written behind it and never sent goes', async () => {
      const w = await world()
      const [ann, ben] = [await w.device('ann'), await w.device('ben', 'ben')]
      await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await ben.sync()
      const made = await ben.db.leads.create({ owner: 'ben', name: 'Made' })
      await ben.loseAnswer()
      w.pass(60_000)
      await ben.db.leads.update(made, { note: 'never sent' })
      await ann.sync()
      await forget(w, ann)
      await ben.sync()
      expect((await readServer(w.database)).rows.leads?.[made]).toMatchObject({ note: 'never sent' })
      await ann.sync()
      for (const device of [ben, ann]) await expectEqual(w, device)
    })

    test('[I-24] a device within the retention goes on as always, and knows of every deletion', async () => {
      const w = await world()
      const [ann, ben] = [await w.device('ann'), await w.device('ben', 'ben')]
      const gone = await ann.db.leads.create({ owner: 'ann', name: 'Gone' })
      await ann.sync()
      await ben.sync()
      await ann.db.leads.delete(gone)
      await ann.sync()
      await w.passDays(retentionDays - 1)
      await w.maintain()
      const asked = await ben.sync()
      for (const round of asked) expect(round).toMatchObject({ status: 200, isAnew: false })
      expect(await namesOf(ben)).toEqual([])
    })

    test('[I-24] [I-5] [RT3] a clock of the server that was ahead for an hour sends nobody away and forgets no outcome', async () => {
      const w = await world()
      const [ann, ben] = [await w.device('ann'), await w.device('ben', 'ben')]
      await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await ben.sync()
      await w.maintain()
      w.pass(400 * dayMs)
      await w.maintain()
      w.pass(-400 * dayMs)
      expect((await sizes(w)).operations).toBe(1)
      const fresh = await w.device('fresh', 'fresh')
      for (const device of [ann, ben, fresh]) {
        for (const { status } of await device.sync()) expect(status).toBe(200)
        expect(await namesOf(device)).toEqual(['Mona'])
      }
      // The days after are counted as if it had not been.
      await w.maintain()
      expect((await sizes(w)).days).toBe(1)
      await forget(w, ann)
      expect((await sizes(w)).operations).toBe(0)
    })

    test('[I-24] [I-13] cut and closed in the middle, page by page: what it had stays until all has come', async () => {
      const w = await createTimeWorld(store, onTestFinished, { retentionDays, rowsPerPage: 2 })
      const [ann, ben] = [await w.device('ann'), await w.device('ben', 'ben')]
      const ids: string[] = []
      for (const name of 'abcdefghijkl') ids.push(await ann.db.leads.create({ owner: 'ann', name }))
      await ann.sync()
      await ben.sync()
      for (const id of ids.slice(0, 3)) await ann.db.leads.delete(id)
      await ann.sync()
      await forget(w, ann)
      const own = await ben.db.leads.create({ owner: 'ben', name: 'own' })
      for (const rounds of [1, 1, 2]) {
        await ben.syncPart(rounds)
        expect(await namesOf(ben)).toEqual([...'abcdefghijkl', 'own'])
        await ben.reopen()
      }
      await ben.db.leads.update(own, { note: 'written meanwhile' })
      await ben.sync()
      expect(await namesOf(ben)).toEqual([...'defghijkl', 'own'])
      await expectEqual(w, ben)
    })

    test('[L-4] feed, outcomes and reports have an end: what is over for longer than the retention is gone from the server', async () => {
      const w = await world()
      const ann = await w.device('ann')
      for (let round = 0; round < 3; round += 1) {
        const made = await ann.db.write((tx) =>
          Array.from({ length: 50 }, (_, n) => tx.leads.create({ owner: 'ann', name: `Lead ${n}` })),
        )
        await ann.sync()
        await ann.db.write((tx) => {
          for (const id of made) tx.leads.delete(id)
        })
        await ann.sync()
      }
      const kept = await ann.db.leads.create({ owner: 'ann', name: 'Kept' })
      await ann.sync()
      expect((await sizes(w)).operations).toBe(301)
      await forget(w, ann)
      expect(await sizes(w)).toEqual({ entries: 2, sidecars: 1, operations: 0, days: retentionDays + 2 })
      expect(Object.keys((await readServer(w.database)).rows.leads ?? {})).toEqual([kept])
    })
  })
}

/** All that was done so far is older than the server remembers; `ann` has kept up. */
async function forget(w: TimeWorld, ann: { sync(): Promise<unknown> }): Promise<void> {
  await w.maintain()
  await w.passDays(20)
  await ann.sync()
  await w.passDays(20)
  await w.maintain()
  await ann.sync()
}

async function namesOf({ db }: Awaited<ReturnType<TimeWorld['device']>>): Promise<readonly string[]> {
  const leads = await db.query((q) => q.selectFrom('leads').select('name').orderBy('name'))
  return leads.map(({ name }) => name)
}

async function sizes({ database }: TimeWorld) {
  const count = async (table: string) => Number((await database.read(`select count(*) as n from ${table}`))[0]?.n)
  return {
    entries: await count('_feed'),
    sidecars: await count('_sidecar_leads'),
    operations: await count('_operations'),
    days: await count('_days'),
  }
}
