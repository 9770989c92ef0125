/** Two people, two devices and a server: edits that only a person can settle, and what was decided, from finger to finger. */
import type { Client, ConflictItem } from '@holdfast/client'
import { brokenInvariants } from '@holdfast/client/contract'
import { nodeSqlite } from '@holdfast/client/node'
import { collection, defineSchema, parseUserId, t, wholeRecord } from '@holdfast/core'
import { createServer, serve } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type StoreKind, storeAt } from '../support/store-kind.ts'
import { atRest, until } from '../support/until.ts'
import { createDevices } from '../support/world.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    jobs: collection({
      fields: {
        owner: t.text({ min: 1 }),
        title: t.text({ min: 1, max: 40 }),
        note: t.text({ default: '', merge: 'manual' }),
        visits: t.counter(),
      },
      scope: { agent: 'owner' },
      deletes: 'ask',
    }),
    quotes: collection({
      fields: { owner: t.text({ min: 1 }), price: t.integer(), terms: t.text({ default: '' }) },
      merge: wholeRecord('manual'),
      scope: { agent: 'owner' },
    }),
  },
})

type Db = Client<typeof schema>

const boss = 'boss'

async function createWorld(store: StoreKind) {
  const database = await store.create()
  const server = createServer({
    schema,
    store: storeAt(database.address),
    authenticate: async (request) => ({
      userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
      claims: {},
    }),
    scopes: ({ userId }) => (userId === boss ? 'all' : { agent: [userId] }),
    logLevel: 'silent',
  })
  const serving = await serve(server, { port: 0, host: '127.0.0.1' })
  onTestFinished(async () => {
    await serving.close()
    await database.drop()
  })
  const devices = createDevices(onTestFinished)
  const open = (user: string, file = user): Promise<Db> => devices.open(schema, user, { url: serving.url, file })
  return {
    open,
    /** The databases are whole, looked at past the code that made them. */
    async check(...files: readonly string[]) {
      for (const file of files) {
        const driver = await nodeSqlite(devices.fileOf(file))()
        expect(brokenInvariants(driver, schema)).toEqual([])
        driver.close()
      }
    },
  }
}

/** ann and her boss hold one job; both wrote its note while ann had no network. The boss's arrived first. */
async function disputed(store: StoreKind) {
  const w = await createWorld(store)
  const [ann, chief] = [await w.open('ann'), await w.open(boss)]
  const job = await ann.jobs.create({ owner: 'ann', title: 'Roof' })
  await atRest(ann)
  await held(chief, job)
  await ann.sync.pause()
  await ann.jobs.update(job, { note: 'ann' })
  await chief.jobs.update(job, { note: 'boss' })
  await atRest(chief)
  const meet = async () => {
    await ann.sync.resume()
    return { mine: await asked(ann), theirs: await asked(chief) }
  }
  return { ...w, ann, chief, job, meet }
}

const held = (db: Db, job: string) => until('the job has come', async () => (await rowOf(db, job)) ?? false)
const rowOf = async (db: Db, job: string) =>
  (await db.query((q) => q.selectFrom('jobs').selectAll().where('id', '=', job)))[0]
const asked = (db: Db): Promise<ConflictItem> =>
  until('a person is asked', async () => (await db.conflicts.list())[0] ?? false)
const settled = (db: Db) =>
  until(
    'nobody is asked any more',
    async () => (await db.conflicts.list()).length === 0 && db.sync.status.conflicts === 0,
  )
const reads = (db: Db, job: string, note: string) =>
  until(`the note reads ${note}`, async () => (await rowOf(db, job))?.note === note)

export function describeSettling(store: StoreKind): void {
  describe(`what a person settles on ${store.name}`, { timeout: 60_000 }, () => {
    test('[C5] [I-12] [I-19] the author goes on seeing the own value, all others the server’s, and both are asked', async () => {
      const { ann, chief, job, meet } = await disputed(store)
      const seen: string[] = []
      const stop = ann.watch(
        (q) => q.selectFrom('jobs').select(['note', '$sync']),
        ({ rows }) => seen.push(...rows.map(({ note, $sync }) => `${note} ${$sync}`)),
      )
      await until('the watch tells', () => seen.length > 0)
      const { mine, theirs } = await meet()
      await until('it is in conflict', async () => (await rowOf(ann, job))?.$sync === 'conflict')
      stop()
      expect(seen.filter((state) => !state.startsWith('ann'))).toEqual([])
      expect(await rowOf(chief, job)).toMatchObject({ note: 'boss', $sync: 'synced' })
      const sides = { field: 'note', base: '', local: 'ann', remote: 'boss', revision: 1 }
      expect(mine).toMatchObject({ ...sides, isOwn: true, localBy: { user: 'ann' }, remoteBy: { user: boss } })
      expect(theirs).toMatchObject({ ...sides, isOwn: false })
      await until('the status tells', () => ann.sync.status.conflicts === 1 && chief.sync.status.conflicts === 1)
      const { value, because } = await ann.history.explain('jobs', job, 'note')
      expect(value).toBe('ann')
      expect(because).toMatch(/^You and boss changed it without knowing of each other. A person has to settle it/)
    })

    test('[I-1] [I-5] a settlement that was made offline outlives a restart, arrives once, and is in both histories', async () => {
      const w = await disputed(store)
      const { mine } = await w.meet()
      const told: (readonly string[])[] = []
      w.ann.conflicts.watch((conflicts) => told.push(conflicts.map(({ local }) => String(local))))
      await until('the watch tells', () => told.length > 0)
      await w.ann.sync.pause()
      await w.ann.jobs.update(w.job, { title: 'Flat roof' })
      await w.ann.jobs.update(w.job, { note: 'ann 2' })
      await w.ann.conflicts.settle({ [mine.id]: 'both' })
      // Each difference once: a write that is about no conflict is not told.
      expect(told).toEqual([['ann'], ['ann 2'], []])
      expect(await w.ann.conflicts.list()).toEqual([])
      expect(await rowOf(w.ann, w.job)).toMatchObject({ note: 'both', $sync: 'pending' })
      await w.ann.close()
      const ann = await w.open('ann')
      await reads(ann, w.job, 'both')
      await reads(w.chief, w.job, 'both')
      await settled(w.chief)
      await atRest(ann)
      expect(await rowOf(ann, w.job)).toMatchObject({ note: 'both', $sync: 'synced' })
      for (const db of [ann, w.chief]) {
        const decisions = await until('it is recorded', async () => {
          const list = await db.history.list('jobs', w.job)
          return list.length > 0 && list
        })
        expect(decisions).toMatchObject([
          {
            strategy: 'manual',
            winner: 'merged',
            base: '',
            local: 'ann 2',
            remote: 'boss',
            result: 'both',
            settledBy: { user: 'ann' },
            dropped: ['local', 'remote'],
          },
        ])
      }
      await ann.close()
      await w.check('ann')
    })

    test('[C5] a settlement that was overtaken asks again, with the new side', async () => {
      const { ann, chief, job, meet } = await disputed(store)
      const { mine } = await meet()
      await ann.sync.pause()
      await ann.conflicts.settle({ [mine.id]: 'ann' })
      await chief.jobs.update(job, { note: 'boss again' })
      await atRest(chief)
      await ann.sync.resume()
      const again = await asked(ann)
      expect(again).toMatchObject({ base: 'boss', local: 'ann', remote: 'boss again' })
      expect(await rowOf(ann, job)).toMatchObject({ note: 'ann', $sync: 'conflict' })
      const { settled: outcomes } = ann.conflicts.settle({ [again.id]: 'boss again' })
      expect(await outcomes).toMatchObject([{ kind: 'applied' }])
      await settled(ann)
      await settled(chief)
      expect([await rowOf(ann, job), await rowOf(chief, job)]).toMatchObject([
        { note: 'boss again', $sync: 'synced' },
        { note: 'boss again', $sync: 'synced' },
      ])
    })

    test('[C5] both settle without knowing of each other: one answer stands, or they are asked again; nothing is lost', async () => {
      const { ann, chief, job, meet } = await disputed(store)
      const { mine, theirs } = await meet()
      await ann.sync.pause()
      await ann.conflicts.settle({ [mine.id]: 'ann' })
      await chief.conflicts.settle({ [theirs.id]: 'boss' })
      await atRest(chief)
      await ann.sync.resume()
      await atRest(ann)
      await chief.sync.now()
      const values = JSON.stringify([
        await chief.history.list('jobs', job),
        await chief.conflicts.list(),
        await rowOf(chief, job),
      ])
      for (const value of ['ann', 'boss']) expect(values).toContain(value)
      for (const { id } of await ann.conflicts.list()) await ann.conflicts.settle({ [id]: 'ann' })
      await atRest(ann)
      await settled(ann)
      await chief.sync.now()
      await settled(chief)
      expect((await rowOf(chief, job))?.note).toBe((await rowOf(ann, job))?.note)
    })

    test('[I-4] [I-20] a deletion that meets an edit: gone here, there for the other, until one of them settles it', async () => {
      const { ann, chief, job, meet, check } = await disputed(store)
      await meet()
      await settleAll(ann)
      await settled(chief)
      await ann.sync.pause()
      const deletion = ann.jobs.delete(job)
      await deletion
      await chief.jobs.update(job, { title: 'Roof and gutter' })
      await atRest(chief)
      await ann.sync.resume()
      const question = await asked(ann)
      expect(question).toMatchObject({ field: '', local: null, remote: { title: 'Roof and gutter' } })
      expect([await rowOf(ann, job), (await rowOf(chief, job))?.title]).toEqual([undefined, 'Roof and gutter'])
      expect(await deletion.settled).toMatchObject([{ kind: 'conflict' }])
      await deletion.undo()
      expect(await rowOf(ann, job)).toMatchObject({ title: 'Roof and gutter' })
      await settled(ann)
      await settled(chief)
      await atRest(ann)
      expect(await rowOf(ann, job)).toMatchObject({ title: 'Roof and gutter', $sync: 'synced' })
      await ann.close()
      await check('ann')
    })

    test('[C5] a record that is settled as a whole is never mixed', async () => {
      const { open } = await createWorld(store)
      const [ann, chief] = [await open('ann'), await open(boss)]
      const quote = await ann.quotes.create({ owner: 'ann', price: 100, terms: '30 days' })
      await atRest(ann)
      const quoteOf = async (db: Db) =>
        (await db.query((q) => q.selectFrom('quotes').select(['price', 'terms', '$sync']).where('id', '=', quote)))[0]
      await until('the quote has come', async () => (await quoteOf(chief)) !== undefined)
      await ann.sync.pause()
      await ann.quotes.update(quote, { price: 90 })
      await chief.quotes.update(quote, { terms: 'at once' })
      await atRest(chief)
      await ann.sync.resume()
      const question = await asked(ann)
      await asked(chief)
      expect(question).toMatchObject({
        field: '',
        local: { price: 90, terms: '30 days' },
        remote: { price: 100, terms: 'at once' },
      })
      expect(await quoteOf(ann)).toEqual({ price: 90, terms: '30 days', $sync: 'conflict' })
      await ann.conflicts.settle({ [question.id]: { price: 95, terms: 'at once' } })
      await settled(chief)
      await atRest(ann)
      expect([await quoteOf(ann), await quoteOf(chief)]).toEqual([
        { price: 95, terms: 'at once', $sync: 'synced' },
        { price: 95, terms: 'at once', $sync: 'synced' },
      ])
    })

    test('[I-4] a record that goes to somebody else leaves the own side in the inbox, and nothing of the other', async () => {
      const { ann, chief, job, meet, check } = await disputed(store)
      await meet()
      await chief.jobs.update(job, { owner: 'eve' })
      await until('the change is in the inbox', () => ann.sync.status.refused === 1)
      expect(await ann.inbox.list()).toMatchObject([{ collection: 'jobs', record: job, fields: { note: 'ann' } }])
      expect(await rowOf(ann, job)).toBeUndefined()
      expect(await ann.conflicts.list()).toEqual([])
      expect((await ann.inbox.export()).text).not.toContain(`"${boss}"`)
      // Whoever holds it now is asked.
      expect(await asked(chief)).toMatchObject({ local: 'ann', remote: 'boss' })
      await ann.close()
      await check('ann')
    })

    test('[C2] what was dropped by a rule is seen, explained and written again on another device', async () => {
      const { ann, chief, job, meet } = await disputed(store)
      await meet()
      await settleAll(ann)
      await settled(chief)
      await ann.sync.pause()
      await ann.jobs.update(job, { title: 'Ann’s roof' })
      await chief.jobs.update(job, { title: 'Boss’s roof' })
      await atRest(chief)
      await ann.sync.resume()
      const told = new Promise<string>((resolve) => {
        chief.history.watch('jobs', job, (decisions) => {
          const found = decisions.find(({ field }) => field === 'title')
          if (found !== undefined) resolve(found.id)
        })
      })
      const id = await told
      expect((await chief.history.explain('jobs', job, 'title')).because).toBe(
        'ann and you changed it without knowing of each other. The later change counts, so what you wrote stands.',
      )
      const restoring = chief.history.restore(id, 'local')
      await restoring
      expect(await rowOf(chief, job)).toMatchObject({ title: 'Ann’s roof', $sync: 'pending' })
      await until('it is there again', async () => (await rowOf(ann, job))?.title === 'Ann’s roof')
      await restoring.undo()
      await until('it is taken back', async () => (await rowOf(ann, job))?.title === 'Boss’s roof')
    })
  })
}

async function settleAll(db: Db): Promise<void> {
  const conflicts = await db.conflicts.list()
  await db.conflicts.settle(Object.fromEntries(conflicts.map(({ id, local }) => [id, local])))
  await atRest(db)
  await settled(db)
}
