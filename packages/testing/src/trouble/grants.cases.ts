/** Grants that change under devices in the field: real clients over HTTP, their files read byte by byte, and a given store of the server. */
import { copyFileSync, existsSync } from 'node:fs'
import type { RecordId } from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import {
  boss,
  createGrantsWorld,
  type GrantClient,
  type GrantsWorld,
  grownSchema,
  idsOn,
  leadOn,
  meet,
} from '../support/grants-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { until } from '../support/until.ts'

/** Words that stand alone in an index of texts, with nothing that they could be shortened against. */
const secret = 'zqsecretword'
const newer = 'vnnewerword'

interface People {
  readonly world: GrantsWorld
  readonly ann: GrantClient
  readonly lead: GrantClient
  readonly secrets: readonly RecordId[]
  readonly others: readonly RecordId[]
}

/** Ann holds team:red, whose leads carry the secret word, and what is her own; the boss holds everything. All have synced. */
async function createPeople(kind: StoreKind, { rowsPerPage = 5, count = 8 } = {}): Promise<People> {
  const world = await createGrantsWorld(kind, onTestFinished, { rowsPerPage })
  world.grants.set('ann', { team: ['red'], agent: ['ann'] })
  const [ann, lead] = [await world.open('ann'), await world.open(boss)]
  const make = async (fields: { owner: string; team: string; name: string; note?: string }) => {
    const id = await lead.leads.create(fields)
    await lead.calls.create({ lead: id, text: `call of ${fields.name}` })
    return id
  }
  const secrets: RecordId[] = []
  const others: RecordId[] = []
  for (let index = 0; index < count; index += 1) {
    secrets.push(await make({ owner: 'zoe', team: 'red', name: `${secret} ${index}`, note: secret }))
    if (index < 3) others.push(await make({ owner: 'ann', team: 'blue', name: `plain ${index}` }))
  }
  await meet(lead, ann)
  return { world, ann, lead, secrets, others }
}

/** The second copy of the queue follows the database within moments. */
async function expectNowhere(world: GrantsWorld, file: string, word: string): Promise<void> {
  await until(
    `${word} is in no file of ${file}, but in ${world.filesWith(file, word)}`,
    () => world.filesWith(file, word).length === 0,
    2_000,
  )
}

/** What she has of other scopes stays, and of the secret there is nothing, in her screens or files. */
async function expectGone({ world, ann, others }: People): Promise<void> {
  expect(await idsOn(ann, 'leads')).toEqual([...others].sort())
  expect(await idsOn(ann, 'calls')).toHaveLength(others.length)
  expect(await ann.search('leads', secret)).toEqual([])
  expect(await ann.search('leads', 'plain')).toHaveLength(others.length)
  expect(await ann.conflicts.list()).toEqual([])
  await expectNowhere(world, 'ann', secret)
  expect(world.filesWith('ann', 'plain')).not.toEqual([])
}

async function expectWhole({ ann, secrets, others }: People): Promise<void> {
  expect(await idsOn(ann, 'leads')).toEqual([...secrets, ...others].sort())
  expect(await idsOn(ann, 'calls')).toHaveLength(secrets.length + others.length)
  expect(await ann.search('leads', secret, { limit: 99 })).toHaveLength(secrets.length)
}

/** Edits of Ann that were sent, with a decision on one and a question on another, which have all settled. */
async function disturb({ ann, lead, secrets }: People): Promise<void> {
  const [first = '', second = ''] = secrets
  await ann.leads.update(first, { stage: `${secret} of Ann` })
  await lead.leads.update(first, { stage: `${secret} of the boss` })
  await lead.leads.update(second, { note: `${secret} of the boss` })
  await ann.leads.update(second, { note: 'Ann asks' })
  await meet(lead, ann, lead, ann)
  expect(await ann.history.list('leads', first)).toHaveLength(1)
  expect(await ann.conflicts.list()).toHaveLength(1)
}

export function describeGrants(kind: StoreKind): void {
  describe(`grants on ${kind.name}`, { timeout: 60_000 }, () => {
    test('[I-23] [I-4] a scope that is taken away: rows, search, history and questions go; her own words are in the inbox', async () => {
      const people = await createPeople(kind)
      const { world, ann, lead, secrets } = people
      await disturb(people)
      expect(world.filesWith('ann', secret)).not.toEqual([])
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      const [first = '', second = ''] = secrets
      // Her own side of the question is her own word.
      expect((await ann.inbox.list()).map(({ record, code }) => [record, code])).toEqual([[second, 'NOT_FOUND']])
      expect(await ann.history.list('leads', first)).toEqual([])
      expect(await idsOn(ann, 'leads')).toEqual([...people.others].sort())
      expect(await ann.search('leads', secret)).toEqual([])
      expect(await ann.conflicts.list()).toEqual([])
      await meet(lead)
      expect(await lead.conflicts.list()).toMatchObject([{ record: second, local: 'Ann asks' }])
    })

    test('[I-23] [L-1] one of two scopes is taken away: a question that somebody has settled meanwhile is settled, and nothing is asked of her', async () => {
      const world = await createGrantsWorld(kind, onTestFinished)
      world.grants.set('ann', { team: ['red'], agent: ['ann'] })
      const [ann, lead] = [await world.open('ann'), await world.open(boss)]
      const id = await lead.leads.create({ owner: 'ann', team: 'red', note: 'first' })
      await meet(lead, ann)
      await lead.leads.update(id, { note: 'of the boss' })
      await ann.leads.update(id, { note: 'of Ann' })
      await meet(lead, ann, lead)
      const [question] = await ann.conflicts.list()
      if (question === undefined) throw new Error('Nothing is asked.')
      await lead.conflicts.settle({ [question.id]: 'remote' })
      await meet(lead)
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      expect(await leadOn(ann, id)).toMatchObject({ note: (await leadOn(lead, id))?.note, $sync: 'synced' })
      expect([await ann.conflicts.list(), await ann.inbox.list()]).toEqual([[], []])
    })

    test('[I-23] nothing of it is in a byte of the files after the next sync', async () => {
      const people = await createPeople(kind, { count: 40, rowsPerPage: 7 })
      const { world, ann, lead, secrets } = people
      const [first = '', second = ''] = secrets
      for (const id of secrets.slice(0, 8)) await ann.leads.update(id, { stage: `${secret} of Ann` })
      await lead.leads.update(first, { stage: `${secret} of the boss` })
      await meet(ann, lead, ann)
      await ann.leads.update(second, { stage: 'later' })
      await ann.leads.delete(secrets[2] ?? '')
      await meet(ann, lead, ann)
      const made = await ann.leads.create({ owner: 'zoe', team: 'red', name: `${secret} made here` })
      await meet(ann)
      expect(await leadOn(ann, made)).toMatchObject({ $sync: 'synced' })
      expect(world.filesWith('ann', secret)).not.toEqual([])
      const leaves: number[] = []
      ann.sync.watchLeaves((count) => leaves.push(count))
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      expect(await ann.inbox.list()).toEqual([])
      // An app that keeps copies elsewhere is told.
      expect([leaves.length, (leaves[1] ?? 0) > (leaves[0] ?? 0)]).toEqual([2, true])
      expect(await idsOn(ann, 'leads')).toEqual([...people.others].sort())
      await expectNowhere(world, 'ann', secret)
      expect(world.filesWith('ann', 'plain')).not.toEqual([])
    })

    test('[I-23] given back: whole again, with rows, index, search, questions and the history that is declared', async () => {
      const people = await createPeople(kind)
      const { world, ann, lead, secrets } = people
      const [first = '', second = ''] = secrets
      world.grants.set('ben', { agent: ['zoe'] })
      const ben = await world.open('ben')
      await meet(ben)
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      await expectGone(people)
      // What is decided and asked meanwhile.
      await ben.leads.update(second, { note: 'Ben asks' })
      await lead.leads.update(second, { note: `${secret} again` })
      await lead.leads.update(first, { stage: 'won' })
      await meet(lead, ben)
      world.grants.set('ann', { team: ['red'], agent: ['ann'] })
      await meet(ann)
      await expectWhole(people)
      expect(await leadOn(ann, first)).toMatchObject({ stage: 'won' })
      expect(await ann.conflicts.list()).toMatchObject([{ record: second, local: 'Ben asks', isOwn: false }])
      const byStage = await ann.query((q) => q.selectFrom('leads').select('id').where('stage', '=', 'won'))
      expect(byStage.map(({ id }) => id)).toEqual([first])
    })

    test('[I-23] a record that comes with its whole history brings it, where the collection says so', async () => {
      const world = await createGrantsWorld(kind, onTestFinished, { rowsPerPage: 3 })
      world.grants.set('ben', { agent: ['ben'] })
      const [ben, lead] = [await world.open('ben'), await world.open(boss)]
      const id = await lead.files.create({ owner: 'ben', title: 'first' })
      await meet(lead, ben)
      await lead.files.update(id, { title: 'of the boss' })
      await ben.files.update(id, { title: 'of Ben' })
      await meet(ben, lead, ben)
      expect(await ben.history.list('files', id)).toHaveLength(1)
      await lead.files.update(id, { owner: 'ann' })
      world.grants.set('ann', { agent: ['ann'] })
      const ann = await world.open('ann')
      await meet(lead, ann, ben)
      expect(await ann.history.list('files', id)).toMatchObject([{ field: 'title' }])
      expect(await ben.history.list('files', id)).toEqual([])
      world.grants.set('ann', {})
      await meet(ann)
      expect([await idsOn(ann, 'files'), await ann.history.list('files', id)]).toEqual([[], []])
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      expect([await idsOn(ann, 'files'), (await ann.history.list('files', id)).length]).toEqual([[id], 1])
    })

    test('[I-23] given back before the device has synced: it goes on as if nothing had been', async () => {
      const people = await createPeople(kind)
      const { world, ann, lead, secrets } = people
      world.grants.set('ann', { agent: ['ann'] })
      await lead.leads.update(secrets[0] ?? '', { stage: 'won' })
      await meet(lead)
      world.grants.set('ann', { team: ['red'], agent: ['ann'] })
      await meet(ann)
      await expectWhole(people)
      expect(await leadOn(ann, secrets[0] ?? '')).toMatchObject({ stage: 'won' })
    })

    test('[I-23] replaced by another: the one goes, the other comes', async () => {
      const people = await createPeople(kind)
      const { world, ann } = people
      world.grants.set('ann', { team: ['blue'] })
      await meet(ann)
      await expectGone(people)
    })

    test('[I-23] a manager becomes an agent, and a manager again', async () => {
      const people = await createPeople(kind)
      const { world, ann, lead, secrets } = people
      world.grants.set('ann', 'all')
      await meet(ann)
      await expectWhole(people)
      await lead.leads.create({ owner: 'zoe', team: 'green', name: `${secret} of nobody` })
      await meet(lead, ann)
      expect(await idsOn(ann, 'leads')).toHaveLength(secrets.length + people.others.length + 1)
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      await expectGone(people)
      world.grants.set('ann', 'all')
      await meet(ann)
      expect(await idsOn(ann, 'leads')).toHaveLength(secrets.length + people.others.length + 1)
      expect(await ann.search('leads', secret, { limit: 99 })).toHaveLength(secrets.length + 1)
    })

    test('[I-22] [I-4] her unsent edits go to the inbox, with nothing of what was written since; a new value never comes', async () => {
      const people = await createPeople(kind)
      const { world, ann, lead, secrets } = people
      const [first = '', second = '', third = ''] = secrets
      await ann.leads.update(first, { stage: 'of Ann' })
      await ann.leads.increment(second, { visits: 2 })
      await ann.leads.delete(third)
      await lead.leads.update(first, { note: newer, name: newer, stage: newer })
      await lead.leads.update(third, { note: newer })
      await meet(lead)
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      expect((await ann.inbox.list()).map(({ record, code, kind }) => [record, code, kind])).toEqual([
        [first, 'NOT_FOUND', 'update'],
        [second, 'NOT_FOUND', 'increment'],
        [third, 'NOT_FOUND', 'delete'],
      ])
      expect(await idsOn(ann, 'leads')).toEqual([...people.others].sort())
      await expectNowhere(world, 'ann', newer)
      expect(await ann.sync.waiting()).toEqual([])
      // Retried with the right to it, her change counts.
      world.grants.set('ann', { team: ['red'], agent: ['ann'] })
      const [item] = await ann.inbox.list()
      if (item === undefined) throw new Error('The inbox is empty.')
      await ann.inbox.retry(item.id)
      await meet(ann)
      expect(await leadOn(ann, second)).toMatchObject({ visits: 0 })
      expect((await ann.inbox.list()).map(({ record }) => record)).toEqual([second, third])
    })

    test('[I-22] [I-23] a page of the old scope that waits for the rest is not shown, and nothing of it stays', async () => {
      const people = await createPeople(kind, { rowsPerPage: 4 })
      const { world, ann, lead, secrets } = people
      for (const id of secrets) await lead.leads.update(id, { note: newer })
      await meet(lead)
      let pages = 0
      world.beforePage(() => {
        pages += 1
        // The first page was asked for with the grant; the second is not.
        if (pages === 1) world.grants.set('ann', { agent: ['ann'] })
      })
      const shown: string[] = []
      const end = ann.watch(
        (q) => q.selectFrom('leads').select('note'),
        ({ rows }) => shown.push(...rows.map(({ note }) => note)),
      )
      await meet(ann)
      end()
      expect(pages).toBeGreaterThan(3)
      expect(shown).not.toContain(newer)
      await expectGone(people)
      await expectNowhere(world, 'ann', newer)
    })

    test('[I-23] taken away in the middle of the first sync, and in the middle of its leaving given back', async () => {
      const people = await createPeople(kind, { rowsPerPage: 4 })
      const { world, secrets, others } = people
      world.grants.set('eve', { team: ['red'], agent: ['ann'] })
      const eve = await world.open('eve')
      let pages = 0
      world.beforePage(() => {
        pages += 1
        if (pages === 2) world.grants.set('eve', { agent: ['ann'] })
        if (pages === 3) world.grants.set('eve', { team: ['red'], agent: ['ann'] })
        if (pages === 6) world.grants.set('eve', { agent: ['ann'] })
      })
      await meet(eve)
      await meet(eve)
      expect(await idsOn(eve, 'leads')).toEqual([...others].sort())
      await expectNowhere(world, 'eve', secret)
      world.beforePage(() => {})
      world.grants.set('eve', { team: ['red'], agent: ['ann'] })
      await meet(eve)
      expect(await idsOn(eve, 'leads')).toEqual([...secrets, ...others].sort())
    })

    test('[I-23] records that move between a scope that leaves and one that stays', async () => {
      const people = await createPeople(kind, { rowsPerPage: 3 })
      const { world, ann, lead, secrets, others } = people
      const [toHer = '', toNobody = '', back = ''] = secrets
      await lead.leads.update(toHer, { owner: 'ann' })
      await lead.leads.update(toNobody, { team: 'blue' })
      await lead.leads.update(back, { owner: 'ann', team: 'blue' })
      await lead.leads.update(others[0] ?? '', { owner: 'zoe', team: 'red' })
      await meet(lead)
      let pages = 0
      world.beforePage(async () => {
        pages += 1
        if (pages !== 2) return
        await lead.leads.update(back, { owner: 'zoe' })
        await lead.leads.update(others[1] ?? '', { team: 'red' })
        await meet(lead)
      })
      world.grants.set('ann', { agent: ['ann'] })
      await meet(ann)
      world.beforePage(() => {})
      await meet(ann)
      expect(await idsOn(ann, 'leads')).toEqual([toHer, ...others.slice(1)].sort())
      expect(await idsOn(ann, 'calls')).toHaveLength(3)
    })

    test('[I-23] [L-1] a device that is killed in the middle of a leave goes on where it was', async () => {
      const people = await createPeople(kind, { rowsPerPage: 4 })
      const { world, ann, others } = people
      world.grants.set('ann', { agent: ['ann'] })
      let pages = 0
      world.beforePage(() => {
        pages += 1
        if (pages !== 3) return
        // What a kill leaves: the files as they are.
        for (const end of ['', '-wal', '-queue', '-queue-wal']) {
          const file = `${world.devices.fileOf('ann')}${end}`
          if (existsSync(file)) copyFileSync(file, `${world.devices.fileOf('copy')}${end}`)
        }
      })
      await meet(ann)
      expect(pages).toBeGreaterThan(4)
      await ann.close()
      const copy = await world.open('ann', 'copy')
      expect((await idsOn(copy, 'leads')).length).toBeGreaterThan(others.length)
      await meet(copy)
      expect(await idsOn(copy, 'leads')).toEqual([...others].sort())
      await expectNowhere(world, 'copy', secret)
    })

    test('[I-23] an operation whose reply came in the middle of a leave does not stay acknowledged', async () => {
      const people = await createPeople(kind, { rowsPerPage: 4 })
      const { world, ann, lead, secrets } = people
      for (const id of secrets.slice(1)) await lead.leads.update(id, { stage: 'moved' })
      await meet(lead)
      await ann.leads.update(secrets[0] ?? '', { stage: 'of Ann' })
      let pages = 0
      world.beforePage(() => {
        pages += 1
        if (pages === 1) world.grants.set('ann', { agent: ['ann'] })
      })
      await meet(ann)
      await meet(lead)
      expect(await leadOn(lead, secrets[0] ?? '')).toMatchObject({ stage: 'of Ann' })
      expect(await ann.sync.waiting()).toEqual([])
      expect(await ann.inbox.list()).toEqual([])
      await expectGone(people)
    })

    test('[I-23] taken away while the app was replaced by one that pulls everything anew', async () => {
      const people = await createPeople(kind)
      const { world, ann } = people
      await ann.close()
      world.grants.set('ann', { agent: ['ann'] })
      const db = await world.devices.open(grownSchema, 'ann', { url: world.url })
      await db.sync.now()
      await db.sync.pause()
      const rows = await db.query((q) => q.selectFrom('leads').select('id'))
      expect(rows.map(({ id }) => id).sort()).toEqual([...people.others].sort())
      await expectNowhere(world, 'ann', secret)
    })

    test('[I-22] [I-23] grants, records and own edits that change at random, in the middle of pulls too: rows and bytes are what may be seen', async () => {
      await wander(kind, 1)
    })

    test('[I-23] no grants at all: nothing is left but what she wrote and what waits for her', async () => {
      const people = await createPeople(kind)
      const { world, ann } = people
      world.grants.set('ann', {})
      await meet(ann)
      expect(await idsOn(ann, 'leads')).toEqual([])
      expect(await idsOn(ann, 'calls')).toEqual([])
      await expectNowhere(world, 'ann', secret)
    })
  })
}

const owners = ['p', 'q', 'r']

/** One device in the field, whose agent loses and gets scopes while the boss gives records away. Each value is a word of its own. */
async function wander(kind: StoreKind, seed: number): Promise<void> {
  const world = await createGrantsWorld(kind, onTestFinished, { rowsPerPage: 3 })
  const random = createSeededRandom(seed)
  const any = <T>(from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T
  const lead = world.wireDevice(boss)
  const held = new Set<string>(['p'])
  const grant = () => world.grants.set('ann', { agent: [...held] })
  const regrant = () => {
    const owner = any(owners)
    if (!held.delete(owner)) held.add(owner)
    grant()
  }
  grant()
  const ann = await world.open('ann')
  const words = new Map<string, RecordId>()
  const word = (record: RecordId): string => {
    const made = `w${seed}q${words.size}q`
    words.set(made, record)
    return made
  }
  const records = Array.from({ length: 9 }, (_, index) => `rec${index}`)
  const at = () => Date.now()
  for (const record of records) {
    const fields = { owner: any(owners), name: word(record), note: word(record) }
    lead.write({ collection: 'leads', record, kind: 'create', fields, at: at() })
  }
  await lead.sync()
  const bossWrites = async () => {
    const record = any(records)
    const fields = any([
      { owner: any(owners) },
      { name: word(record) },
      { note: word(record) },
      { stage: word(record) },
    ])
    lead.write({ collection: 'leads', record, kind: 'update', fields, at: at() })
    await lead.sync()
  }
  const annWrites = async () => {
    const [record] = await idsOn(ann, 'leads')
    if (record === undefined) return
    const change = any([{ note: word(record) }, { stage: word(record) }, { name: word(record) }])
    await ann.leads.update(record, change)
  }
  world.beforePage(async () => {
    if (random.next() < 0.15) regrant()
    if (random.next() < 0.15) await bossWrites()
  })
  for (let step = 0; step < 60; step += 1) {
    const chance = random.next()
    if (chance < 0.3) await bossWrites()
    else if (chance < 0.45) await annWrites()
    else if (chance < 0.65) regrant()
    else await meet(ann)
  }
  world.beforePage(() => {})
  await meet(ann)
  await meet(ann)
  await lead.sync()
  const mine = [...lead.held('leads')].filter(([, { values }]) => held.has(String(values.fields.owner)))
  expect(await idsOn(ann, 'leads')).toEqual(mine.map(([id]) => id).sort())
  expect(await ann.sync.waiting()).toEqual([])
  const own = JSON.stringify([await ann.inbox.list(), await ann.inbox.discarded()])
  const seen = new Set(mine.map(([id]) => id))
  for (const [made, record] of words) {
    if (!seen.has(record) && !own.includes(made)) await expectNowhere(world, 'ann', made)
  }
}
