/** What a person sends again, or mends, long after it was refused: what became of it meanwhile, and of the record, on a given store. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { eager } from '../support/eager.ts'
import { pass, problem } from '../support/front.ts'
import { nameTooLong } from '../support/lead-schema.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { readServer } from '../support/truth.ts'
import { atRest, until } from '../support/until.ts'
import { createWorld, type LeadClient, type World } from '../support/world.ts'

export function describeMending(store: StoreKind): void {
  describe(`what is mended late over ${store.name}`, { timeout: 60_000 }, () => {
    test('[I-5] a retry that was refused in between: the rescue file of the first and the second retry count once', async () => {
      const { w, db, lead } = await start()
      const boss = await w.open('manager')
      await boss.sync.now()
      tooLarge(w)
      await db.leads.increment(lead, { visits: 5 })
      await until('it is refused', () => db.sync.status.refused === 1)
      const { text } = await db.rescue.export()
      w.front.answerBy(() => pass)
      await boss.leads.update(lead, { owner: 'eve' })
      await atRest(boss)
      const first = await groupOf(db)
      await db.inbox.retry(first.id)
      await until('its retry is refused', async () => (await db.inbox.list())[0]?.code === 'NOT_FOUND')
      await boss.leads.update(lead, { owner: 'ada' })
      await atRest(boss)
      await bring(w, text)
      await db.inbox.retry((await groupOf(db)).id)
      await atRest(db)
      expect(await leadOf(w, lead)).toMatchObject({ visits: 5 })
      expect(await db.inbox.list()).toEqual([])
    })

    test('[I-5] the same as a unit, where what counts was only blocked', async () => {
      const { w, db, lead } = await start()
      tooLarge(w)
      await db.write((tx) => {
        tx.leads.increment(lead, { visits: 5 })
        tx.leads.update(lead, { name: 'B' })
      })
      await until('it is refused', () => db.sync.status.refused === 1)
      const { text } = await db.rescue.export()
      w.front.answerBy(() => pass)
      const named = async () => (await groupOf(db)).items.find(({ kind }) => kind === 'update')?.id ?? missing()
      await db.inbox.fix(await named(), { name: nameTooLong })
      await until('its fix is refused', async () => (await db.inbox.list())[0]?.code === 'INVALID_VALUE')
      await bring(w, text)
      await db.inbox.fix(await named(), { name: 'C' })
      await atRest(db)
      expect(await leadOf(w, lead)).toMatchObject({ visits: 5, name: 'C' })
      expect(await db.inbox.list()).toEqual([])
    })
  })

  /** A device of ada with one lead that has arrived. */
  async function start() {
    const w = await createWorld(store, onTestFinished)
    const db = await w.open('ada', { url: w.front.url, ports: eager })
    const lead = await db.leads.create({ owner: 'ada', name: 'A', note: 'good' })
    await atRest(db)
    return { w, db, lead }
  }
}

/** The server reads nothing that brings operations. */
function tooLarge(w: World): void {
  w.front.answerBy(({ ids }) => (ids.length === 0 ? pass : problem(413, 'TOO_LARGE')))
}

async function bring(w: World, text: string): Promise<void> {
  const request = { method: 'POST', headers: { authorization: 'Bearer ada' }, body: text }
  expect((await fetch(`${w.serverUrl}/rescue`, request)).status).toBe(200)
}

async function groupOf(db: LeadClient) {
  const [group] = await db.inbox.list()
  return group ?? missing()
}

async function leadOf(w: World, lead: string) {
  return (await readServer(w.database)).rows.leads?.[lead] ?? missing()
}

function missing(): never {
  throw new Error('It is not there.')
}
