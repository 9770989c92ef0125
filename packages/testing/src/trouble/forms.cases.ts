/** Forms over records that live: what somebody else changes while a form is open, and what becomes of it when the form is saved. */
import type { Client } from '@holdfast/client'
import { causal, collection, defineSchema, parseUserId, t, wholeRecord } from '@holdfast/core'
import { createServer, serve } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type StoreKind, storeAt } from '../support/store-kind.ts'
import { createDevices } from '../support/world.ts'

const fields = {
  note: t.text({ default: '', merge: 'manual' }),
  stage: t.text({ default: '' }),
  email: t.text({ default: '' }),
}
const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields }),
    plans: collection({ fields: { title: t.text(), text: t.text() }, merge: wholeRecord('manual') }),
    cards: collection({ fields: { title: t.text(), text: t.text() }, merge: wholeRecord('lww') }),
    careful: collection({ fields: { stage: t.text() }, merge: causal('ask') }),
  },
})
type FormClient = Client<typeof schema>

async function createOffice(store: StoreKind) {
  const database = await store.create()
  const serving = await serve(
    createServer({
      schema,
      store: storeAt(database.address),
      authenticate: async (request) => ({
        userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
        claims: {},
      }),
      scopes: () => 'all',
      rules: { leads: { write: ({ after }) => after?.email !== 'bad' } },
      logLevel: 'silent',
    }),
    { port: 0, host: '127.0.0.1' },
  )
  onTestFinished(async () => {
    await serving.close()
    await database.drop()
  })
  const devices = createDevices(onTestFinished)
  const open = async (user: string): Promise<FormClient> => {
    const db = await devices.open(schema, user, { url: serving.url })
    await db.sync.pause()
    return db
  }
  return { ann: await open('ann'), ben: await open('ben') }
}

/** One after the other, each to the end: what was written meets in this order. */
async function meet(...devices: readonly FormClient[]): Promise<void> {
  for (const db of devices) {
    await db.sync.resume()
    await db.sync.now()
    await db.sync.pause()
  }
}

async function row(db: FormClient, id: string, table: 'leads' | 'plans' | 'cards' | 'careful' = 'leads') {
  const [found] = await db.query((q) => q.selectFrom(table).selectAll().where('id', '=', id))
  return found ?? null
}

/** A lead that Ann's form shows as it was, and that Ben has changed since; his change is on her device. */
async function createStaleForm(store: StoreKind) {
  const office = await createOffice(store)
  const { ann, ben } = office
  const id = await ann.leads.create({ note: 'first', stage: 'new', email: 'a@b.c' })
  await meet(ann, ben)
  const [seen] = await ann.query((q) => q.selectFrom('leads').selectAll().where('id', '=', id))
  if (seen === undefined) throw new Error('The lead is not here.')
  await ben.leads.update(id, { note: 'of Ben', stage: 'visit', email: 'ben@b.c' })
  await meet(ben, ann)
  expect(await row(ann, id)).toMatchObject({ note: 'of Ben', stage: 'visit' })
  return { ...office, id, seen }
}

export function describeForms(store: StoreKind): void {
  describe(`forms on ${store.name}`, { timeout: 60_000 }, () => {
    test('[I-19] [C5] a stale form: what it had not seen is asked about, and lost to nobody', async () => {
      const { ann, ben, id, seen } = await createStaleForm(store)
      await ann.leads.update(id, { note: 'of Ann' }, { seen })
      // Like any other edit: shown at once.
      expect(await row(ann, id)).toMatchObject({ note: 'of Ann', stage: 'visit', $sync: 'pending' })
      await meet(ann, ben)
      const question = { field: 'note', base: 'first', local: 'of Ann', remote: 'of Ben' }
      for (const db of [ann, ben]) expect(await db.conflicts.list()).toEqual([expect.objectContaining(question)])
      expect(await row(ben, id)).toMatchObject({ note: 'of Ben' })
      expect(await row(ann, id)).toMatchObject({ note: 'of Ann', $sync: 'conflict' })
    })

    test('[I-19] [C2] a stale form: where the later write stands, the other one is in the history, and comes back', async () => {
      const { ann, ben, id, seen } = await createStaleForm(store)
      await ann.write((tx) => tx.leads.update(id, { stage: 'won' }, { seen: { stage: seen.stage } }))
      await meet(ann, ben)
      const [decision] = await ben.history.list('leads', id)
      expect(decision).toMatchObject({ field: 'stage', base: 'new', local: 'won', remote: 'visit', result: 'won' })
      await ben.history.restore(decision?.id ?? '', 'remote')
      await meet(ben, ann)
      expect(await row(ann, id)).toMatchObject({ stage: 'visit' })
    })

    test('[I-19] a stale form: what its writer left as it was shown is not written', async () => {
      const { ann, ben, id, seen } = await createStaleForm(store)
      const { note, email } = seen
      await ann.leads.update(id, { note, email, stage: 'won' }, { seen })
      await meet(ann, ben)
      for (const db of [ann, ben]) {
        expect(await row(db, id)).toMatchObject({ note: 'of Ben', email: 'ben@b.c', stage: 'won', $sync: 'synced' })
      }
      const write = ann.leads.update(id, { note }, { seen })
      await write
      expect((await ann.sync.waiting()).length).toBe(0)
    })

    test('[I-19] a stale form: without a network its change meets the other one as well', async () => {
      const { ann, ben } = await createOffice(store)
      const id = await ann.leads.create({ note: 'first' })
      await meet(ann, ben)
      const seen = { note: 'first' }
      await ben.leads.update(id, { note: 'of Ben' })
      await meet(ben, ann)
      // Ben goes on; Ann does not know of it.
      await ben.leads.update(id, { note: 'of Ben, again' })
      await ann.leads.update(id, { note: 'of Ann' }, { seen })
      await meet(ben, ann)
      expect(await ann.conflicts.list()).toEqual([
        expect.objectContaining({ base: 'first', local: 'of Ann', remote: 'of Ben, again' }),
      ])
    })

    test('[I-19] an undo of what a stale form wrote brings back what stood, never what the form had shown', async () => {
      const { ann, ben, id, seen } = await createStaleForm(store)
      // Before it is sent, after it was decided, and where it asks.
      const early = ann.leads.update(id, { email: 'ann@b.c' }, { seen })
      await early
      await early.undo()
      expect(await row(ann, id)).toMatchObject({ email: 'ben@b.c' })
      const late = ann.leads.update(id, { stage: 'won' }, { seen })
      await late
      const asking = ann.leads.update(id, { note: 'of Ann' }, { seen })
      await asking
      await meet(ann, ben)
      expect(await ben.conflicts.list()).toHaveLength(1)
      await late.undo()
      await asking.undo()
      await meet(ann, ben)
      for (const db of [ann, ben]) {
        expect(await row(db, id)).toMatchObject({ note: 'of Ben', stage: 'visit', email: 'ben@b.c', $sync: 'synced' })
        expect(await db.conflicts.list()).toEqual([])
      }
    })

    test('[I-19] an undo of what asks takes the question back, also where the other side has moved since', async () => {
      const { ann, ben, id, seen } = await createStaleForm(store)
      const write = ann.leads.update(id, { note: 'of Ann' }, { seen })
      await write
      await meet(ann, ben)
      await ben.leads.update(id, { note: 'of Ben, again' })
      await meet(ben, ann)
      await write.undo()
      await meet(ann, ben)
      for (const db of [ann, ben]) {
        expect(await row(db, id)).toMatchObject({ note: 'of Ben, again', $sync: 'synced' })
        expect(await db.conflicts.list()).toEqual([])
      }
    })

    test('[I-19] [C10] a stale form of a record that is judged as a whole asks about the whole', async () => {
      const { ann, ben } = await createOffice(store)
      const seen = { title: 'Plan', text: 'first' }
      const id = await ann.plans.create(seen)
      await meet(ann, ben)
      await ben.plans.update(id, { title: 'Plan of Ben' })
      await meet(ben, ann)
      await ann.plans.update(id, { text: 'of Ann' }, { seen })
      // What the form showed, and no mixture.
      expect(await row(ann, id, 'plans')).toMatchObject({ title: 'Plan', text: 'of Ann' })
      await meet(ann, ben)
      expect(await ben.conflicts.list()).toEqual([
        expect.objectContaining({
          field: '',
          base: seen,
          local: { title: 'Plan', text: 'of Ann' },
          remote: { title: 'Plan of Ben', text: 'first' },
        }),
      ])
      expect(await row(ben, id, 'plans')).toMatchObject({ title: 'Plan of Ben', text: 'first' })
    })

    test('[I-19] [C10] the undo of such a form brings the whole record back; its own device’s work is no clash', async () => {
      const { ann, ben } = await createOffice(store)
      const seen = { title: 'Card', text: 'first' }
      const id = await ann.cards.create(seen)
      await meet(ann, ben)
      await ben.cards.update(id, { title: 'Card of Ben' })
      await meet(ben, ann)
      const write = ann.cards.update(id, { text: 'of Ann' }, { seen })
      await write
      await meet(ann, ben)
      expect(await row(ben, id, 'cards')).toMatchObject({ title: 'Card', text: 'of Ann' })
      expect(await ben.history.list('cards', id)).toHaveLength(1)
      await write.undo()
      await meet(ann, ben)
      for (const db of [ann, ben]) {
        expect(await row(db, id, 'cards')).toMatchObject({ title: 'Card of Ben', text: 'first' })
      }
      // Another form of the same device, saved while this one was open.
      const own = { title: 'Card of Ben', text: 'first' }
      await ann.cards.update(id, { title: 'Card of Ann' })
      await meet(ann, ben)
      await ann.cards.update(id, { text: 'of Ann, again' }, { seen: own })
      await meet(ann, ben)
      for (const db of [ann, ben]) {
        expect(await row(db, id, 'cards')).toMatchObject({ title: 'Card of Ann', text: 'of Ann, again' })
      }
    })

    test('[I-19] [C6] a stale form asks where causality decides', async () => {
      const { ann, ben } = await createOffice(store)
      const id = await ann.careful.create({ stage: 'new' })
      await meet(ann, ben)
      await ben.careful.update(id, { stage: 'visit' })
      await meet(ben, ann)
      await ann.careful.update(id, { stage: 'won' }, { seen: { stage: 'new' } })
      await meet(ann, ben)
      expect(await ben.conflicts.list()).toEqual([
        expect.objectContaining({ field: 'stage', base: 'new', local: 'won', remote: 'visit' }),
      ])
    })

    test('[I-19] [C5] the form that mends a refused change is a form as well: of the other fields it says what it showed', async () => {
      const { ann, ben } = await createOffice(store)
      const id = await ann.leads.create({ note: 'first' })
      await meet(ann, ben)
      await ann.leads.update(id, { email: 'bad' })
      await meet(ann)
      const [refused] = await ann.inbox.list()
      if (refused === undefined) throw new Error('Nothing was refused.')
      await ben.leads.update(id, { note: 'of Ben' })
      await meet(ben, ann)
      await ann.inbox.fix(refused.id, { email: 'good', note: 'of Ann' }, { seen: { note: 'first' } })
      await meet(ann, ben)
      expect(await ben.conflicts.list()).toEqual([
        expect.objectContaining({ field: 'note', base: 'first', local: 'of Ann', remote: 'of Ben' }),
      ])
      expect(await row(ben, id)).toMatchObject({ note: 'of Ben', email: 'good' })
    })

    test('[I-19] what a form has seen is checked like what it writes', async () => {
      const { ann } = await createOffice(store)
      const id = await ann.leads.create({ note: 'first' })
      // @ts-expect-error: typed like the patch.
      const wrong = ann.leads.update(id, { note: 'x' }, { seen: { note: 5 } })
      await expect(Promise.resolve(wrong)).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        field: 'note',
      })
      const strange: { readonly [field: string]: unknown } = { nothing: 5 }
      await expect(Promise.resolve(ann.leads.update(id, { note: 'x' }, { seen: strange }))).rejects.toMatchObject({
        code: 'UNKNOWN_FIELD',
      })
      expect(await row(ann, id)).toMatchObject({ note: 'first' })
    })
  })
}
