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
      const text = await exported(db)
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
      const text = await exported(db)
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

    test('[I-19] a fix takes an edit along that was written before my later one: that stands, or is told', async () => {
      const { w, db, lead } = await start()
      const [other, call] = [
        await db.leads.create({ owner: 'ada', name: 'B' }),
        await db.calls.create({ owner: 'ada', lead }),
      ]
      await atRest(db)
      const refused = await db.leads.create({ owner: 'ada', name: nameTooLong })
      await db.calls.update(call, { lead: refused })
      await until('it is refused', () => db.sync.status.refused === 1)
      await atRest(db)
      // The call shows its first lead again, and the person chooses another one.
      await db.calls.update(call, { lead: other })
      await atRest(db)
      await db.inbox.fix((await groupOf(db)).id, { name: 'fine' })
      await atRest(db)
      expect((await readServer(w.database)).rows.calls?.[call]).toMatchObject({ lead: other })
      expect(await db.history.list('calls', call)).toMatchObject([
        { field: 'lead', local: refused, remote: other, result: other, winner: 'remote' },
      ])
    })

    test('[I-19] the same of a note, and of a deletion', async () => {
      const { w, db, lead } = await start()
      await db.write((tx) => {
        tx.leads.update(lead, { note: 'old' })
        tx.leads.create({ owner: 'ada', name: nameTooLong })
      })
      await until('it is refused', () => db.sync.status.refused === 1)
      await db.leads.update(lead, { note: 'typed a week later' })
      await atRest(db)
      await fixCreation(db)
      expect(await leadOf(w, lead)).toMatchObject({ note: 'typed a week later' })
      expect(await db.history.list('leads', lead)).toMatchObject([{ local: 'old', remote: 'typed a week later' }])

      await db.write((tx) => {
        tx.leads.delete(lead)
        tx.leads.create({ owner: 'ada', name: nameTooLong })
      })
      await until('it is refused', () => db.sync.status.refused === 1)
      await db.leads.update(lead, { note: 'typed the week after' })
      await atRest(db)
      await fixCreation(db)
      const [decision] = await db.history.list('leads', lead)
      expect(decision).toMatchObject({ strategy: 'deleteWins', local: null, remote: { note: 'typed the week after' } })
    })

    test('[I-19] [C1] a fix of one field writes over nobody’s newer value of another one', async () => {
      const { w, db, lead } = await start()
      const boss = await w.open('manager')
      await db.leads.update(lead, { name: nameTooLong, note: 'of a month ago' })
      await until('it is refused', () => db.sync.status.refused === 1)
      await boss.sync.now()
      await boss.leads.update(lead, { note: 'signed, do not call' })
      await atRest(boss)
      await db.sync.now()
      await db.inbox.fix((await groupOf(db)).id, { name: 'fine' })
      await atRest(db)
      expect(await leadOf(w, lead)).toMatchObject({ name: 'fine', note: 'signed, do not call' })
      expect(await db.history.list('leads', lead)).toMatchObject([
        { field: 'note', local: 'of a month ago', remote: 'signed, do not call', winner: 'remote' },
      ])
    })

    test('[I-10] a creation that had arrived, and was tried again: what hangs on it is sent', async () => {
      const { w, db } = await start()
      let count = 0
      w.front.answerBy(({ ids }) => {
        if (ids.length === 0) return pass
        count += 1
        return count === 1 ? { kind: 'lose' } : problem(413, 'TOO_LARGE')
      })
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      await until('the answer is lost', () => count >= 1)
      await db.leads.update(lead, { note: 'an hour of notes' })
      const call = await db.calls.create({ owner: 'ada', lead, note: 'call' })
      await until('it is refused', () => db.sync.status.refused > 0)
      w.front.answerBy(() => pass)
      await db.sync.now()
      await atRest(db)
      await db.inbox.retry((await groupOf(db)).id)
      await atRest(db)
      expect(await leadOf(w, lead)).toMatchObject({ name: 'Mona', note: 'an hour of notes' })
      expect((await readServer(w.database)).rows.calls?.[call]).toMatchObject({ lead, note: 'call' })
      expect((await db.inbox.list()).map(({ code, items }) => [code, items.length])).toEqual([['ALREADY_APPLIED', 1]])
    })

    test('[V-4] signing out keeps what was refused, and counts it as a rescue file does; what was discarded keeps nothing', async () => {
      const { w, db } = await start()
      await db.write((tx) => {
        const lead = tx.leads.create({ owner: 'ada', name: nameTooLong })
        for (const note of ['first', 'second', 'third']) tx.calls.create({ owner: 'ada', lead, note })
      })
      await until('it is refused', () => db.sync.status.refused === 1)
      const [file] = await db.rescue.export()
      expect([file?.count, await db.signOut()]).toEqual([4, { kept: 4 }])

      const again = await w.open('ada', { url: w.front.url, ports: eager })
      expect((await groupOf(again)).items).toHaveLength(4)
      await again.inbox.discard((await groupOf(again)).id)
      expect(await again.signOut()).toEqual({ kept: 0 })
      const anew = await w.open('ada', { url: w.front.url, ports: eager })
      await atRest(anew)
      expect(await anew.inbox.list()).toEqual([])
    })

    test('[I-4] a fix back to what is shown, of a change that has arrived unseen, is sent and told that it came too late', async () => {
      const { w, db, lead } = await start()
      let count = 0
      w.front.answerBy(({ ids, path }) => {
        if (path !== '/sync') return pass
        if (ids.length === 0) return { kind: 'drop' }
        count += 1
        return count === 1 ? { kind: 'lose' } : problem(413, 'TOO_LARGE')
      })
      await db.leads.update(lead, { note: 'bad' })
      await until('it is refused', () => db.sync.status.refused === 1)
      await db.inbox.fix((await groupOf(db)).id, { note: 'good' })
      w.front.answerBy(() => pass)
      await db.sync.now()
      await atRest(db)
      expect(await leadOf(w, lead)).toMatchObject({ note: 'bad' })
      expect(await db.inbox.list()).toMatchObject([{ code: 'ALREADY_APPLIED', fields: { note: 'good' } }])
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

async function exported(db: LeadClient): Promise<string> {
  const [file] = await db.rescue.export()
  return file?.text ?? missing()
}

async function bring(w: World, text: string): Promise<void> {
  const request = { method: 'POST', headers: { authorization: 'Bearer ada' }, body: text }
  expect((await fetch(`${w.serverUrl}/rescue`, request)).status).toBe(200)
}

async function groupOf(db: LeadClient) {
  const [group] = await db.inbox.list()
  return group ?? missing()
}

async function fixCreation(db: LeadClient): Promise<void> {
  const { items } = await groupOf(db)
  await db.inbox.fix(items.find(({ kind }) => kind === 'create')?.id ?? missing(), { name: 'fine' })
  await atRest(db)
}

async function leadOf(w: World, lead: string) {
  return (await readServer(w.database)).rows.leads?.[lead] ?? missing()
}

function missing(): never {
  throw new Error('It is not there.')
}
