/** Conflicts and decisions as people meet them: the real client on three devices over HTTP, and a given store of the server. */
import type { Client } from '@holdfast/client'
import { collection, defineSchema, parseUserId, t } from '@holdfast/core'
import { createServer, serve } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type StoreKind, storeAt } from '../support/store-kind.ts'
import { createDevices } from '../support/world.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: {
        team: t.text(),
        stage: t.text({ default: 'new' }),
        note: t.text({ default: '', merge: 'manual' }),
        visits: t.counter(),
        tags: t.set(),
      },
      deletes: 'ask',
      scope: { team: 'team' },
    }),
  },
})
type LeadClient = Client<typeof schema>

async function createPeople(store: StoreKind) {
  const database = await store.create()
  const serving = await serve(
    createServer({
      schema,
      store: storeAt(database.address),
      authenticate: async (request) => ({
        userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
        claims: {},
      }),
      scopes: ({ userId }) => (userId === 'boss' ? 'all' : { team: [userId.split('@')[1] ?? 'none'] }),
      logLevel: 'silent',
    }),
    { port: 0, host: '127.0.0.1' },
  )
  onTestFinished(async () => {
    await serving.close()
    await database.drop()
  })
  const devices = createDevices(onTestFinished)
  const open = async (user: string): Promise<LeadClient> => {
    const db = await devices.open(schema, user, { url: serving.url, file: user.replace('@', '-') })
    await db.sync.pause()
    return db
  }
  const [ann, ben, boss] = [await open('ann@red'), await open('ben@red'), await open('boss')]
  const id = await ann.leads.create({ team: 'red', note: 'first' })
  await meet(ann, ben, boss)
  return { ann, ben, boss, id, open }
}

/** One after the other, each to the end: what was written meets in this order. */
async function meet(...devices: readonly LeadClient[]): Promise<void> {
  for (const db of devices) {
    await db.sync.resume()
    await db.sync.now()
    await db.sync.pause()
  }
}

async function row(db: LeadClient, id: string) {
  const [found] = await db.query((q) => q.selectFrom('leads').selectAll().where('id', '=', id))
  return found ?? null
}

export function describePeople(store: StoreKind): void {
  describe(`people on ${store.name}`, { timeout: 60_000 }, () => {
    test('[C5] [I-19] each sees the own words until it is settled; work goes on, and the settlement ends it for all', async () => {
      const { ann, ben, boss, id } = await createPeople(store)
      await ann.leads.update(id, { note: 'of Ann' })
      await ben.leads.update(id, { note: 'of Ben' })
      await meet(ann, ben, ann, boss)
      expect(await row(ann, id)).toMatchObject({ note: 'of Ann', $sync: 'synced' })
      expect(await row(ben, id)).toMatchObject({ note: 'of Ben', $sync: 'conflict' })
      expect(await row(boss, id)).toMatchObject({ note: 'of Ann' })
      await ben.leads.update(id, { note: 'of Ben, longer' })
      await ben.leads.update(id, { stage: 'won' })
      await meet(ben, ann)
      expect(await row(ann, id)).toMatchObject({ note: 'of Ann', stage: 'won' })
      const [question] = await ann.conflicts.list()
      expect(question).toMatchObject({
        field: 'note',
        base: 'first',
        local: 'of Ben, longer',
        remote: 'of Ann',
        isOwn: false,
        localBy: { user: 'ben@red' },
        remoteBy: { user: 'ann@red' },
      })
      await ann.conflicts.settle({ [question?.id ?? '']: 'of both' })
      await meet(ann, ben, boss)
      for (const db of [ann, ben, boss]) {
        expect(await row(db, id)).toMatchObject({ note: 'of both', stage: 'won', $sync: 'synced' })
        expect(await db.conflicts.list()).toEqual([])
        expect(await db.history.list('leads', id)).toEqual([
          expect.objectContaining({
            strategy: 'manual',
            local: 'of Ben, longer',
            remote: 'of Ann',
            result: 'of both',
            settledBy: expect.objectContaining({ user: 'ann@red' }),
          }),
        ])
      }
    })

    test('[C5] a settlement that was overtaken asks again', async () => {
      const { ann, ben, boss, id } = await createPeople(store)
      await ann.leads.update(id, { note: 'of Ann' })
      await ben.leads.update(id, { note: 'of Ben' })
      await meet(ann, ben)
      const [question] = await ben.conflicts.list()
      await ben.conflicts.settle({ [question?.id ?? '']: 'of both' })
      await ann.leads.update(id, { note: 'of Ann, again' })
      await meet(ann, ben, ann, boss)
      expect(await row(ben, id)).toMatchObject({ note: 'of both', $sync: 'conflict' })
      expect(await boss.conflicts.list()).toEqual([
        expect.objectContaining({ base: 'of Ann', local: 'of both', remote: 'of Ann, again' }),
      ])
    })

    test('[C1] [C2] a dropped value is seen in the history of all, and written again by one', async () => {
      const { ann, ben, boss, id } = await createPeople(store)
      await ben.leads.update(id, { stage: 'of Ben' })
      await new Promise((resolve) => setTimeout(resolve, 5))
      await ann.leads.update(id, { stage: 'of Ann' })
      await meet(ann, ben, ann, boss)
      for (const db of [ann, ben, boss]) expect(await row(db, id)).toMatchObject({ stage: 'of Ann' })
      const [decision] = await boss.history.list('leads', id)
      expect(decision).toMatchObject({
        field: 'stage',
        strategy: 'lww',
        winner: 'remote',
        local: 'of Ben',
        base: 'new',
      })
      await boss.history.restore(decision?.id ?? '', 'local')
      await meet(boss, ann, ben)
      for (const db of [ann, ben, boss]) expect(await row(db, id)).toMatchObject({ stage: 'of Ben' })
    })

    test('[C7] counters and sets of three devices', async () => {
      const { ann, ben, boss, id } = await createPeople(store)
      await ann.leads.add(id, { tags: ['a', 'b'] })
      await meet(ann, ben, boss)
      await ann.leads.increment(id, { visits: 2 })
      await ann.leads.add(id, { tags: ['a', 'c'] })
      await ben.leads.increment(id, { visits: 3 })
      await ben.leads.remove(id, { tags: ['b'] })
      await boss.leads.remove(id, { tags: ['b'] })
      await boss.leads.add(id, { tags: ['d'] })
      await meet(boss, ben, ann, ben, boss)
      for (const db of [ann, ben, boss]) expect(await row(db, id)).toMatchObject({ visits: 5, tags: ['a', 'c', 'd'] })
    })

    test('[C9] [I-20] a deletion against an edit is asked, and settled for the record', async () => {
      const { ann, ben, boss, id } = await createPeople(store)
      await ann.leads.delete(id)
      await ben.leads.update(id, { stage: 'won' })
      await meet(ann, ben, boss)
      expect(await row(boss, id)).toBe(null)
      expect(await row(ben, id)).toMatchObject({ stage: 'won', $sync: 'conflict' })
      const [question] = await boss.conflicts.list()
      expect(question).toMatchObject({ field: '', remote: null, local: expect.objectContaining({ stage: 'won' }) })
      await boss.conflicts.settle({ [question?.id ?? '']: { stage: 'won' } })
      await meet(boss, ann, ben)
      for (const db of [ann, ben, boss]) {
        expect(await row(db, id)).toMatchObject({ stage: 'won', note: 'first', $sync: 'synced' })
        expect(await db.conflicts.list()).toEqual([])
      }
    })

    test('[SC1] [I-4] a record that goes to another team takes the question along; its author keeps the own words', async () => {
      const { ann, ben, boss, id, open } = await createPeople(store)
      const zoe = await open('zoe@blue')
      await ann.leads.update(id, { note: 'of Ann' })
      await ben.leads.update(id, { note: 'of Ben' })
      await meet(ann, ben, ann, boss)
      await boss.leads.update(id, { team: 'blue' })
      await meet(boss, ann, ben, zoe)
      expect([await row(ann, id), await row(ben, id)]).toEqual([null, null])
      expect(await ann.conflicts.list()).toEqual([])
      expect(await ben.conflicts.list()).toEqual([])
      expect(await ann.inbox.list()).toEqual([])
      expect((await ben.inbox.list()).map(({ record }) => record)).toEqual([id])
      const [question] = await zoe.conflicts.list()
      expect(question).toMatchObject({ local: 'of Ben', remote: 'of Ann' })
      await zoe.conflicts.settle({ [question?.id ?? '']: 'of both' })
      await meet(zoe, boss)
      expect(await row(boss, id)).toMatchObject({ note: 'of both', team: 'blue' })
      expect(await boss.conflicts.list()).toEqual([])
    })
  })
}
