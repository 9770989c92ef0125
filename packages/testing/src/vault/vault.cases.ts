/** The vault end to end: devices whose files break, replies that were lost, files that are carried by hand, two users of one device. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openClient } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import { parseDeviceId, parseSyncReply, parseUserId, syncRequestText } from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { problem } from '../support/front.ts'
import { leadSchema, nameTooLong } from '../support/lead-schema.ts'
import { oldToken } from '../support/lead-server.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { hashOf, readDevice, readServer } from '../support/truth.ts'
import { atRest, reached, until } from '../support/until.ts'
import { createWorld, type LeadClient, pollMsNever, type World } from '../support/world.ts'

export function describeVault(store: StoreKind): void {
  const world = () => createWorld(store, onTestFinished)

  describe(`the vault, with a server of ${store.name}`, { timeout: 60_000 }, () => {
    test('[V-1] [I-4] [I-5] the file breaks while a reply is lost: everything counts once, and the device equals its scope again', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url })
      const [mona] = await seed(db)
      await atRest(db)
      // Applied, and never heard of.
      w.front.answerBy(() => ({ kind: 'lose' }))
      await db.leads.increment(mona, { visits: 5 })
      await until('the server has it', async () => (await visitsOf(w, mona)) === 5)
      w.front.answerBy(() => ({ kind: 'drop' }))
      await db.leads.increment(mona, { visits: 2 })
      await db.leads.create({ owner: 'ada', name: nameTooLong })
      await db.write((tx) => {
        const lead = tx.leads.create({ owner: 'ada', name: 'Adam' })
        tx.calls.create({ owner: 'ada', lead })
      })
      await db.close()
      breakFile(w.fileOf('ada'))

      w.front.answerBy(() => ({ kind: 'pass' }))
      const again = await w.open('ada', { url: w.front.url })
      expect(again.sync.status.notice).toMatchObject({ kind: 'recovered', rescued: 5 })
      await until('all is settled', () => again.sync.status.pending === 0)
      await atRest(again)
      expect(await visitsOf(w, mona)).toBe(7)
      expect(again.sync.status).toMatchObject({ refused: 1 })
      await again.close()
      await equalToServer(w, 'ada')
      const operations = (await readServer(w.database, 'ada')).operations
      expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
    })

    test('[V-1] a file that breaks again and again loses nothing', async () => {
      const w = await world()
      const names: string[] = []
      for (let round = 1; round <= 4; round += 1) {
        const db = await w.open('ada', { url: w.front.url })
        w.front.answerBy(({ ids }) => (ids.length > 0 && round < 4 ? { kind: 'lose' } : { kind: 'pass' }))
        names.push(`Mona ${round}`)
        await db.leads.create({ owner: 'ada', name: `Mona ${round}` })
        if (round % 2 === 1) await db.sync.now()
        if (round === 4) await atRest(db)
        await db.close()
        if (round < 4) breakFile(w.fileOf('ada'))
      }
      await equalToServer(w, 'ada')
      const { rows } = await readServer(w.database, 'ada')
      expect(
        Object.values(rows.leads ?? {})
          .map(({ name }) => name)
          .sort(),
      ).toEqual(names)
    })

    test('[V-3] [I-5] a rescue file of a device that is lost, brought by hand, and the device that comes back after all', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url })
      const [mona] = await seed(db)
      await atRest(db)
      w.front.answerBy(() => ({ kind: 'lose' }))
      await db.leads.increment(mona, { visits: 1 })
      await until('the server has it', async () => (await visitsOf(w, mona)) === 1)
      w.front.answerBy(() => ({ kind: 'drop' }))
      await db.leads.increment(mona, { visits: 10 })
      await db.leads.create({ owner: 'ada', name: nameTooLong })
      const files = await db.rescue.export()
      expect(files.map(({ count }) => count)).toEqual([3])
      const bring = async (token: string) => {
        const headers = { authorization: `Bearer ${token}` }
        const response = await fetch(`${w.serverUrl}/rescue`, { method: 'POST', headers, body: files[0]?.text ?? '' })
        const answer = await response.json()
        return response.status === 200
          ? answer.outcomes.map(({ outcome }: { outcome: { kind: string } }) => outcome.kind)
          : answer.error.code
      }
      expect(await bring('eve')).toBe('USER_MISMATCH')
      expect(await bring(oldToken)).toBe('UNAUTHENTICATED')
      expect(await visitsOf(w, mona)).toBe(1)
      for (let time = 0; time < 2; time += 1) {
        expect(await bring('ada')).toEqual(['applied', 'applied', 'rejected'])
        expect(await visitsOf(w, mona)).toBe(11)
      }
      w.front.answerBy(() => ({ kind: 'pass' }))
      await db.sync.now()
      await until('the device has heard', () => db.sync.status.pending === 0)
      expect(db.sync.status.refused).toBe(1)
      expect(await visitsOf(w, mona)).toBe(11)
      await db.close()
      await equalToServer(w, 'ada')
    })

    test('[V-3] a device that has more to lose than a file may hold: its files are taken, one after the other', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url })
      w.front.answerBy(() => ({ kind: 'drop' }))
      // All of it hangs on the first.
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      for (let n = 1; n <= 36; n += 1) {
        await db.write((tx) => {
          tx.leads.create({ owner: 'ada', name: `lead ${n}`, note: 'x'.repeat(1_000_000) })
          tx.leads.increment(lead, { visits: 1 })
        })
      }
      const files = await db.rescue.export()
      expect(files.map(({ name }) => name.replace(/.*?(\d-of-\d)/, '$1'))).toEqual(['1-of-2.json', '2-of-2.json'])
      for (const { text, count } of files) {
        const headers = { authorization: 'Bearer ada' }
        const response = await fetch(`${w.serverUrl}/rescue`, { method: 'POST', headers, body: text })
        expect(response.status).toBe(200)
        const { outcomes } = await response.json()
        expect(outcomes.map(({ outcome }: { outcome: { kind: string } }) => outcome.kind)).toEqual(
          Array(count).fill('applied'),
        )
      }
      expect(await visitsOf(w, lead)).toBe(36)
    })

    test('[V-2] [I-26] what a device keeps is known by its reports, and told to nobody but its user', async () => {
      const w = await world()
      const db = await w.open('ada', { url: w.front.url })
      await atRest(db)
      const device = parseDeviceId((await db.rescue.export())[0]?.text.match(/"device":"([^"]+)"/)?.[1])
      await db.leads.create({ owner: 'ada', name: nameTooLong })
      await until('it is refused', () => db.sync.status.refused === 1)
      // The refused one stays on the device: the next round says so.
      await db.sync.now()
      expect(await askFor(w, 'ada', device)).toMatchObject({ reported: { pending: 1 } })
      expect(await askFor(w, 'eve', device)).toEqual({ reported: null })
      const [item] = await db.inbox.list()
      if (item === undefined) throw new Error('one was refused')
      await db.inbox.discard(item.id)
      await db.sync.now()
      expect(await askFor(w, 'ada', device)).toMatchObject({ reported: { pending: 0 } })
      const seenAt = async () =>
        (await w.database.read('select "seenAt" from _devices')).map((row) => String(row.seenAt))
      const before = await seenAt()
      await db.sync.now()
      await db.sync.now()
      expect(await seenAt()).toEqual(before)
    })

    test('[I-26] the user is switched in mid-sync: neither database gets or sends what is the other one’s', async () => {
      const w = await world()
      // One device: both files lie in one folder, and the app gives whatever token it has by now.
      const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-shared-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      let signedIn = 'ada'
      const open = (user: string) =>
        openClient({
          schema: leadSchema,
          url: w.front.url,
          user,
          token: () => signedIn,
          driver: nodeSqlite(path.join(folder, `${user}.db`)),
          pollMs: pollMsNever,
        })
      const ada = await open('ada')
      onTestFinished(() => ada.close())
      w.front.answerBy(() => ({ kind: 'drop' }))
      await ada.leads.create({ owner: 'ada', name: 'Mona of Ada' })
      signedIn = 'eve'
      const eve = await open('eve')
      onTestFinished(() => eve.close())
      await eve.leads.create({ owner: 'eve', name: 'Hans of Eve' })
      // Ada's session is over: what the app gives in its place is Eve's token.
      w.front.answerBy(({ token }) => (token === 'ada' ? problem(401, 'UNAUTHENTICATED') : { kind: 'pass' }))
      await Promise.all([ada.sync.now(), eve.sync.now()])
      await reached(ada, ({ kind, pending }) => kind === 'paused' && pending === 1)
      await atRest(eve)
      expect(await namesIn(eve)).toEqual(['Hans of Eve'])
      expect(await namesIn(ada)).toEqual(['Mona of Ada'])
      expect((await readServer(w.database)).operations.map(({ user }) => user)).toEqual(['eve'])
      // Her database is broken meanwhile; it is hers that comes back, and Eve's stays as it is.
      await ada.signOut()
      breakFile(path.join(folder, 'ada.db'))
      await expect(openOther(path.join(folder, 'ada.db'), w)).rejects.toMatchObject({ code: 'USER_MISMATCH' })
      signedIn = 'ada'
      w.front.answerBy(() => ({ kind: 'pass' }))
      const back = await open('ada')
      onTestFinished(() => back.close())
      await until('hers is sent', () => back.sync.status.pending === 0)
      await atRest(back)
      expect(await namesIn(back)).toEqual(['Mona of Ada'])
      expect(await namesIn(eve)).toEqual(['Hans of Eve'])
      const byUser = (await readServer(w.database)).operations.map(({ user }) => user).sort()
      expect(byUser).toEqual(['ada', 'eve'])
    })
  })
}

function openOther(file: string, w: World): Promise<LeadClient> {
  const driver = nodeSqlite(file)
  return openClient({ schema: leadSchema, url: w.front.url, user: 'eve', token: 'eve', driver, pollMs: pollMsNever })
}

async function seed(db: LeadClient): Promise<readonly [string]> {
  const mona = await db.leads.create({ owner: 'ada', name: 'Mona' })
  for (let n = 0; n < 50; n += 1) await db.leads.create({ owner: 'ada', name: `lead ${n}` })
  return [mona]
}

const namesIn = async (db: LeadClient) =>
  (await db.query((q) => q.selectFrom('leads').select('name').orderBy('name'))).map(({ name }) => name)

async function visitsOf({ database }: World, lead: string): Promise<number> {
  const [row] = await database.read(`select visits from leads where id = '${lead}'`)
  return Number(row?.visits)
}

/** Garbage from the header on, in file and WAL. */
function breakFile(file: string): void {
  for (const end of ['', '-wal']) {
    if (!existsSync(file + end)) continue
    const bytes = readFileSync(file + end)
    writeFileSync(file + end, bytes.fill(0xa5, 0, Math.min(bytes.length, 5_000)))
  }
}

async function equalToServer(w: World, user: string): Promise<void> {
  const server = await readServer(w.database, user)
  expect(hashOf((await readDevice(w.fileOf(user))).rows)).toBe(hashOf(server.rows))
}

/** As a new device of this user would ask for the one that was here. */
async function askFor(w: World, user: string, previousDevice: ReturnType<typeof parseDeviceId>) {
  const body = syncRequestText({
    schema: 1,
    user: parseUserId(user),
    device: parseDeviceId('01900000-0000-7000-8000-00000000000f'),
    clock: { nowMs: Date.now(), epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
    cursor: null,
    pull: 'page',
    pending: 0,
    previousDevice,
    operations: [],
  })
  const headers = { authorization: `Bearer ${user}` }
  const response = await fetch(`${w.serverUrl}/sync`, { method: 'POST', headers, body })
  return parseSyncReply(await response.json()).previous
}
