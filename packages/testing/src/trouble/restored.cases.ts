/** A server whose database is restored from a backup, on a given store. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { KeptStore } from '../support/kept-store.ts'
import { createTimeWorld, dayMs, type TimeDevice, type TimeWorld } from '../support/time-world.ts'
import { hashOf, readDevice, readServer } from '../support/truth.ts'
import { reached, until } from '../support/until.ts'

export function describeRestored(store: KeptStore): void {
  describe(`a restored database on ${store.name}`, { timeout: 60_000 }, () => {
    test('[I-9] a copy is not served before an operator has said so, and then starts another life', async () => {
      const w = await createTimeWorld(store, onTestFinished)
      const { generation } = await w.server().store.standing()
      const ann = await w.device('ann')
      await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await w.restart(() => w.database.backUp())
      await ann.db.leads.create({ owner: 'ann', name: 'Adam' })
      await ann.sync()
      await expect(w.restart(() => w.database.restore())).rejects.toThrow(/holdfast restored/)
      await w.restored('head')
      await w.restart()
      expect((await w.server().store.standing()).generation).not.toBe(generation)
      // The next start finds what it knows.
      await w.restart()
    })

    test.each(['head', 'unknown'] as const)(
      '[I-9] what was acknowledged and lost takes effect once more, what was not lost does not (fork: %s)',
      async (fork) => {
        const w = await createTimeWorld(store, onTestFinished)
        const [ann, ben, late] = await devices(w)
        const kept = await ann.db.leads.create({ owner: 'ann', name: 'Kept', budget: 1 })
        const deletedLater = await ann.db.leads.create({ owner: 'ann', name: 'Deleted later' })
        await ann.db.leads.increment(kept, { visits: 1 })
        for (const device of [ann, ben, late]) await device.sync()
        await w.server().maintain()
        await w.restart(() => w.database.backUp())

        // Lost with the database: creations, edits, counts, a deletion; of two devices, in one app transaction and several.
        const lost = await ann.db.leads.create({ owner: 'ann', name: 'Lost' })
        await ann.db.leads.increment(kept, { visits: 10 })
        await ann.sync()
        await ben.sync()
        w.pass(1_000)
        await ben.db.leads.update(lost, { note: 'of Ben' })
        await ben.db.leads.update(kept, { note: 'of Ben' })
        await ben.db.leads.increment(kept, { visits: 100 })
        await ben.db.leads.delete(deletedLater)
        const both = await ben.db.write((tx) => {
          const id = tx.leads.create({ owner: 'ben', name: 'Together' })
          tx.calls.create({ lead: id, owner: 'ben', note: 'with its lead' })
          return id
        })
        await ben.sync()
        await ann.sync()
        // Not sent yet, and built on what was lost.
        await ann.db.leads.update(lost, { stage: 'won' })
        await ann.db.leads.increment(kept, { visits: 1_000 })
        // The server has it, and Ben does not know.
        await ben.db.leads.increment(kept, { visits: 10_000 })
        await ben.loseAnswer()

        await w.restart(async () => {
          await w.database.restore()
          await w.restored(fork)
        })
        const asked = await ann.sync()
        expect(asked[0]).toMatchObject({ status: 409, isAnew: false })
        await ben.sync()
        await ann.sync()
        const delta = await late.sync()
        // It has only what both lives have: it goes on from there.
        expect(delta[0]?.status).toBe(409)
        expect(delta.some(({ isAnew }) => isAnew)).toBe(fork === 'unknown')

        const { rows, operations } = await readServer(w.database)
        expect(rows.leads?.[kept]).toMatchObject({ visits: 11_111, note: 'of Ben', budget: 1 })
        expect(rows.leads?.[lost]).toMatchObject({ note: 'of Ben', stage: 'won' })
        expect(rows.leads?.[deletedLater]).toBeUndefined()
        expect(rows.leads?.[both]).toMatchObject({ name: 'Together' })
        expect(Object.values(rows.calls ?? {})).toMatchObject([{ lead: both }])
        expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
        for (const device of [ann, ben, late]) await expectEqual(w, device)
      },
    )

    test('[I-9] [I-10] what hangs on a record that another device has yet to bring back waits for it, and keeps nothing else', async () => {
      const { w, ann, ben, lead, call } = await lostLead(store)
      // More often than an operation that is at fault is tried.
      for (let round = 0; round < 10; round += 1) await ben.syncPart(5)
      expect(ben.db.sync.status).toMatchObject({ pending: 4, refused: 0 })
      const own = await ben.db.leads.create({ owner: 'ben', name: 'Own' })
      await ben.syncPart(5)
      expect((await readServer(w.database)).rows.leads?.[own]).toMatchObject({ name: 'Own' })
      expect(ben.db.sync.status).toMatchObject({ pending: 4, refused: 0 })

      await ann.sync()
      await ben.sync()
      await ann.sync()
      const { rows } = await readServer(w.database)
      expect(rows.leads?.[lead]).toMatchObject({ name: 'Lost', note: 'of Ben', visits: 1 })
      expect(rows.calls?.[call]).toMatchObject({ lead, note: 'called' })
      for (const device of [ann, ben]) await expectEqual(w, device)
    })

    test('[I-9] what hangs on a record that nobody brings back is refused when no device has it any more', async () => {
      const { w, ben, lead } = await lostLead(store)
      await ben.syncPart(5)
      expect(ben.db.sync.status).toMatchObject({ pending: 4, refused: 0 })
      w.pass(14 * dayMs - 60_000)
      await ben.syncPart(5)
      expect(ben.db.sync.status).toMatchObject({ pending: 4, refused: 0 })
      w.pass(60_000)
      await ben.syncPart(10)
      expect(ben.db.sync.status).toMatchObject({ pending: 0, refused: 4 })
      const refused = await ben.db.inbox.list()
      expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['NOT_FOUND', 'REFERENCE_MISSING']))
      expect((await readServer(w.database)).rows.leads?.[lead]).toBeUndefined()
    })

    test('[I-9] [I-5] how long ago something was acknowledged is judged by the clock of the server, not by that of the device', async () => {
      const w = await createTimeWorld(store, onTestFinished, { retentionDays: 7 })
      const [ann, ben] = await devices(w)
      const lead = await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await ben.sync()
      await ben.db.leads.increment(lead, { visits: 1 })
      await ben.sync()
      w.pass(10 * dayMs)
      await w.maintain()
      for (const device of [ann, ben]) await device.sync()
      await w.restart(() => w.database.backUp())
      const lost = await ann.db.leads.create({ owner: 'ann', name: 'Lost' })
      for (const device of [ann, ben]) await device.sync()
      await w.restart(async () => {
        await w.database.restore()
        await w.restored('unknown')
      })
      w.pass(60_000)
      // Ann's is far ahead, and her work is new all the same; Ben's is back, and what he did is as old as it is.
      await ann.reopen(() => ann.setClock(20 * dayMs))
      await ben.reopen(() => ben.setClock(-20 * dayMs))
      await ann.sync()
      await ben.sync()
      const { rows } = await readServer(w.database)
      expect(rows.leads?.[lost]).toMatchObject({ name: 'Lost' })
      expect(rows.leads?.[lead]).toMatchObject({ visits: 1 })
      await ann.sync()
      for (const device of [ann, ben]) await expectEqual(w, device)
    })

    test('[V-1] [I-4] what was acknowledged and waits again outlives the file of the device', async () => {
      const w = await createTimeWorld(store, onTestFinished, { rowsPerPage: 2 })
      const ann = await w.device('ann')
      // No snapshot is made for a device that has synced: Ben gets pages.
      await ann.sync()
      for (const name of 'abcdefghijkl') await ann.db.leads.create({ owner: 'ann', name })
      await ann.sync()
      await w.restart(() => w.database.backUp())
      const ben = await w.device('ben', 'ben')
      await ben.syncPart(1)
      const file = w.fileOf('ben')
      const made = await ben.db.leads.create({ owner: 'ben', name: 'Made' })
      await until('the copy has it', () => copiedOf(file) === 1, 5_000)
      // Acknowledged, and no page has shown it.
      await ben.syncPart(1)
      expect(ben.db.sync.status).toMatchObject({ pending: 0, completeness: 'partial' })
      await until('the copy has nothing', () => copiedOf(file) === 0, 5_000)
      await w.restart(async () => {
        await w.database.restore()
        await w.restored('head')
      })
      // Told to start over, and cut.
      await ben.syncPart(1)
      expect(ben.db.sync.status).toMatchObject({ pending: 1 })
      await until('the copy has it again', () => copiedOf(file) === 1, 5_000)
      // The app is killed: closing in order would write the copy once more. Then its file breaks.
      const killed = copyOf(file)
      await ben.reopen(() => {
        for (const [end, bytes] of killed) writeFileSync(`${file}${end}`, bytes)
        writeFileSync(file, readFileSync(file).fill(0xa5))
      })
      expect(ben.db.sync.status).toMatchObject({ pending: 1, notice: { kind: 'recovered', rescued: 1 } })
      await ben.sync()
      expect((await readServer(w.database)).rows.leads?.[made]).toMatchObject({ name: 'Made' })
    })

    test('[I-9] the progress of a first sync that begins anew counts no row twice', async () => {
      const w = await createTimeWorld(store, onTestFinished, { rowsPerPage: 5 })
      const [ann, ben] = await devices(w)
      // No snapshot is made for a device that has synced: Ben gets pages.
      await ann.sync()
      for (let count = 0; count < 20; count += 1) await ann.db.leads.create({ owner: 'ann', name: `Lead ${count}` })
      await ann.sync()
      await w.restart(() => w.database.backUp())
      await ben.syncPart(2)
      await w.restart(async () => {
        await w.database.restore()
        await w.restored('unknown')
      })
      await ben.syncPart(3)
      // Where somebody's transaction stays open in the cluster, all comes on one page.
      const { progress } = ben.db.sync.status
      expect(progress?.total ?? 20).toBe(20)
      expect(progress?.rows ?? 20).toBeLessThanOrEqual(20)
    })

    test.each(['before', 'after'] as const)(
      '[I-9] [VT1] a device whose file breaks %s the restore brings back what had settled',
      async (moment) => {
        const w = await createTimeWorld(store, onTestFinished)
        const [ann] = await devices(w)
        await ann.sync()
        await w.restart(() => w.database.backUp())
        const lead = await ann.db.leads.create({ owner: 'ann', name: 'Lost' })
        await ann.db.leads.increment(lead, { visits: 2 })
        await ann.sync()
        await ann.db.leads.increment(lead, { visits: 5 })
        const lose = () =>
          w.restart(async () => {
            await w.database.restore()
            await w.restored('head')
          })
        if (moment === 'after') await lose()
        await ann.reopen(() => breakTable(w.fileOf('ann'), 'leads'))
        await ann.db.query((q) => q.selectFrom('leads').selectAll()).catch(() => {})
        await reached(ann.db, ({ notice }) => notice?.kind === 'recovered')
        if (moment === 'before') {
          await ann.sync()
          await lose()
        }
        await ann.sync()
        expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ name: 'Lost', visits: 7 })
        await expectEqual(w, ann)
      },
    )

    test('[I-9] a base of the lost life counts as unknown: nothing is taken for seen that was not', async () => {
      const w = await createTimeWorld(store, onTestFinished)
      const [ann, ben] = await devices(w)
      const lead = await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await ben.sync()
      await w.restart(() => w.database.backUp())
      // Ben sees version 2 of the life that is lost.
      await ann.db.leads.update(lead, { note: 'lost' })
      await ann.sync()
      await ben.sync()
      await w.restart(async () => {
        await w.database.restore()
        await w.restored('unknown')
      })
      // Version 2 of the new life says something else, and Ben writes while he has not seen it.
      const carl = await w.device('carl', 'carl')
      await carl.sync()
      await carl.db.leads.update(lead, { note: 'of Carl' })
      await carl.sync()
      w.pass(1_000)
      await ben.db.leads.update(lead, { note: 'of Ben' })
      await ben.sync()
      await carl.sync()
      expect(await carl.db.history.list('leads', lead)).toMatchObject([{ field: 'note' }])
    })

    test('[I-9] [I-4] work goes on while a device starts over, and what was refused stays in the inbox', async () => {
      const w = await createTimeWorld(store, onTestFinished)
      const [ann] = await devices(w)
      const lead = await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      await ann.sync()
      await w.restart(() => w.database.backUp())
      await ann.db.leads.update(lead, { note: 'lost' })
      await ann.sync()
      await w.restart(async () => {
        await w.database.restore()
        await w.restored('unknown')
      })
      const shown: unknown[] = []
      const stop = ann.db.watch(
        (q) => q.selectFrom('leads').select(['note', 'visits']),
        ({ rows }) => shown.push(rows),
      )
      await ann.db.leads.increment(lead, { visits: 1 })
      await ann.sync()
      stop()
      // Never what the restored server has: the own edit has not come back yet [I-12].
      for (const rows of shown) expect(rows).toMatchObject([{ note: 'lost' }])
      expect(shown.at(-1)).toMatchObject([{ note: 'lost', visits: 1 }])
      await expectEqual(w, ann)
    })
  })
}

/** @param store whose restored databases look like the ones that were served. */
export function describeSetBack(store: KeptStore): void {
  describe(`a database on ${store.name} that was set back, and nobody has said so`, { timeout: 120_000 }, () => {
    test('[I-9] the first device that has more of it finds it out; nobody is told to be up to date, and all is there again', async () => {
      const w = await createTimeWorld(store, onTestFinished)
      const [ann, ben, late] = await devices(w)
      const lead = await ann.db.leads.create({ owner: 'ann', name: 'Mona' })
      for (const device of [ann, ben, late]) await device.sync()
      await w.restart(() => w.database.backUp())
      const { generation } = await w.server().store.standing()
      const made: string[] = []
      for (let turn = 0; turn < 30; turn += 1) {
        made.push(await ann.db.leads.create({ owner: 'ann', name: `Lead ${turn}` }))
        await ann.db.leads.increment(lead, { visits: 1 })
        await ann.sync()
      }
      await ben.sync()
      await w.restart(() => w.database.restore())
      expect((await w.server().store.standing()).generation).toBe(generation)

      const asked = await ben.sync()
      expect(asked[0]).toMatchObject({ status: 409 })
      expect((await w.server().store.standing()).generation).not.toBe(generation)
      expect((await ann.sync())[0]).toMatchObject({ status: 409 })
      await ben.sync()
      await late.sync()
      const { rows } = await readServer(w.database)
      expect(Object.keys(rows.leads ?? {}).sort()).toEqual([lead, ...made].sort())
      expect(rows.leads?.[lead]).toMatchObject({ visits: 30 })
      for (const device of [ann, ben, late]) await expectEqual(w, device)
    })
  })
}

/** Ann's lead is lost with the database, and Ben, whose acknowledged work is about it, comes first. */
async function lostLead(store: KeptStore) {
  const w = await createTimeWorld(store, onTestFinished)
  const [ann, ben] = await devices(w)
  for (const device of [ann, ben]) await device.sync()
  await w.restart(() => w.database.backUp())
  const lead = await ann.db.leads.create({ owner: 'ann', name: 'Lost' })
  await ann.sync()
  await ben.sync()
  await ben.db.leads.update(lead, { note: 'of Ben' })
  await ben.db.leads.increment(lead, { visits: 1 })
  const call = await ben.db.calls.create({ lead, owner: 'ben', note: 'called' })
  await ben.sync()
  // Written before it is known that the database was restored, and not sent yet.
  await ben.db.leads.update(lead, { stage: 'won' })
  await w.restart(async () => {
    await w.database.restore()
    await w.restored('head')
  })
  return { w, ann, ben, lead, call }
}

/** The files of the second copy of a device's queue, as a kill would leave them. */
function copyOf(file: string): readonly (readonly [end: string, bytes: Uint8Array])[] {
  const ends = ['-queue', '-queue-wal'].filter((end) => existsSync(`${file}${end}`))
  return ends.map((end) => [end, readFileSync(`${file}${end}`)])
}

/** How many operations the second copy has; null: it is being written. */
function copiedOf(file: string): number | null {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-copy-'))
  const name = path.join(directory, 'copy')
  try {
    for (const [end, bytes] of copyOf(file)) writeFileSync(`${name}${end}`, bytes)
    const copy = new DatabaseSync(`${name}-queue`)
    const count = copy.prepare('select count(*) as count from queue').get()?.count
    copy.close()
    return Number(count)
  } catch {
    return null
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The first page of a table is garbage, and the rest of the file can be read. */
function breakTable(file: string, table: string): void {
  const db = new DatabaseSync(file)
  const page = Number(db.prepare('select rootpage from sqlite_schema where name = ?').get(table)?.rootpage)
  const size = Number(db.prepare('pragma page_size').get()?.page_size)
  db.close()
  writeFileSync(file, readFileSync(file).fill(0xa5, (page - 1) * size, page * size))
}

async function devices(w: TimeWorld): Promise<[TimeDevice, TimeDevice, TimeDevice]> {
  return [await w.device('ann'), await w.device('ben', 'ben'), await w.device('late', 'late')]
}

/** Record for record what the server has, and nothing waits or was refused. The device is closed then. */
export async function expectEqual(w: TimeWorld, { db, file }: TimeDevice): Promise<void> {
  await reached(db, ({ pending, refused }) => pending === 0 && refused === 0)
  expect(db.sync.status).toMatchObject({ completeness: 'complete' })
  await db.close()
  const { rows } = await readDevice(w.fileOf(file))
  expect(hashOf(rows)).toBe(hashOf((await readServer(w.database)).rows))
}
