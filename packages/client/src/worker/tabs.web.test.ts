/** Several tabs of one user, each with a worker of its own, in real Chromium: one leads, all read and write through it. */
import { collection, defineSchema, renamed, t } from '@holdfast/core'
import { afterEach, expect, test } from 'vitest'
import type { Client } from '../client.ts'
import { databaseName } from '../database-name.ts'
import { openClient } from '../open-client.ts'
import { messagesVersion } from './messages.ts'
import type { Asked } from './tabs.test.worker.ts'

// The worker's own copy cannot be imported: the file starts an engine.
const schema = defineSchema({
  version: 1,
  collections: { leads: collection({ fields: { name: t.text({ min: 1 }), isHot: t.boolean({ default: false }) } }) },
})

interface Tab {
  readonly db: Client<typeof schema>
  readonly worker: Worker
}

const tabs: Tab[] = []
afterEach(async () => {
  for (const { db } of tabs.splice(0)) await db.close()
})

/** Without a server by default: what is written waits. */
async function openTab(user: string, { token = async (): Promise<string | null> => 'token', url = '/nobody/' } = {}) {
  let worker: Worker | null = null
  const db = await openClient({
    schema,
    url,
    user,
    token,
    worker: () => {
      worker = new Worker(new URL('./tabs.test.worker.ts', import.meta.url), { type: 'module' })
      return worker
    },
  })
  if (worker === null) throw new Error('no worker was started')
  const tab: Tab = { db, worker }
  tabs.push(tab)
  return tab
}

const newerSchema = defineSchema({
  version: 2,
  migrations: { 2: { leads: [renamed('name', 'title')] } },
  collections: { leads: collection({ fields: { title: t.text({ min: 1 }), isHot: t.boolean({ default: false }) } }) },
})
const newerClients: Client<typeof newerSchema>[] = []
afterEach(async () => {
  for (const db of newerClients.splice(0)) await db.close()
})

async function openNewer(user: string): Promise<Client<typeof newerSchema>> {
  const worker = () => new Worker(new URL('./tabs-newer.test.worker.ts', import.meta.url), { type: 'module' })
  const db = await openClient({ schema: newerSchema, url: '/nobody/', user, token: 'token', worker })
  newerClients.push(db)
  return db
}

const titles = async (db: Client<typeof newerSchema>) =>
  (await db.query((q) => q.selectFrom('leads').select('title').orderBy('title'))).map(({ title }) => title)

const newUser = () => `user-${crypto.randomUUID()}`
const names = async ({ db }: Tab) =>
  (await db.query((q) => q.selectFrom('leads').select('name').orderBy('name'))).map(({ name }) => name)

/** Resolves when a live query of this tab holds this name. */
function sees({ db }: Tab, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    db.watch(
      (q) => q.selectFrom('leads').select('name').where('name', '=', wanted),
      ({ rows }) => {
        if (rows.length > 0) resolve()
      },
    )
  })
}

test('the first tab leads; others read, write and watch through it', async () => {
  const user = newUser()
  const first = await openTab(user)
  const second = await openTab(user)
  expect(second.db.sync.status.storage).toBe('durable')
  const seen = sees(first, 'of the second')
  await second.db.leads.create({ name: 'of the second', isHot: true })
  await seen
  const seenThere = sees(second, 'of the first')
  await first.db.leads.create({ name: 'of the first' })
  await seenThere
  expect(await names(first)).toEqual(await names(second))
  const [row] = await second.db.query((q) => q.selectFrom('leads').selectAll().where('name', '=', 'of the second'))
  expect(row).toMatchObject({ isHot: true, $sync: 'pending', $pending: expect.arrayContaining(['name']) })
})

test('an error keeps its code and field across tabs', async () => {
  const user = newUser()
  const first = await openTab(user)
  const second = await openTab(user)
  for (const { db } of [first, second]) {
    await expect(db.leads.create({ name: '' })).rejects.toMatchObject({ code: 'INVALID_VALUE', field: 'name' })
  }
})

test('[I-1] [I-5] the leader dies in the middle of calls: each counts once, watches go on, the next tab leads', async () => {
  const user = newUser()
  const first = await openTab(user)
  const second = await openTab(user)
  const third = await openTab(user)
  await first.db.leads.create({ name: 'before' })
  const watched = sees(third, 'w19')
  const writes: PromiseLike<string>[] = []
  for (let index = 0; index < 20; index += 1) {
    const tab = index % 2 === 0 ? second : third
    writes.push(tab.db.leads.create({ name: `w${index}` }))
    if (index === 9) first.worker.terminate()
    if (index % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(writes)
  await watched
  const found = await names(second)
  expect(found).toHaveLength(21)
  expect(new Set(found).size).toBe(21)
  // The tab whose worker died goes on through the others.
  await first.db.leads.create({ name: 'after' })
  expect(await names(third)).toHaveLength(22)
})

test('a tab that closes hands over; what it wrote is there', async () => {
  const user = newUser()
  const first = await openTab(user)
  const second = await openTab(user)
  await first.db.leads.create({ name: 'kept' })
  await first.db.close()
  expect(await names(second)).toEqual(['kept'])
  await expect(first.db.leads.create({ name: 'late' })).rejects.toMatchObject({ code: 'CLOSED' })
})

test('it syncs by itself, with a token of its own tab, or of another when that one does not answer', async () => {
  const user = newUser()
  const url = `/served-${crypto.randomUUID()}/`
  const asked: Asked[] = []
  const server = new BroadcastChannel('tabs-test-server')
  server.onmessage = ({ data }: MessageEvent<Asked>) => asked.push(data)
  const silent = await openTab(user, { url, token: () => new Promise(() => {}) })
  const second = await openTab(user, { url, token: async () => 'of the second' })
  const write = second.db.leads.create({ name: 'Mona' })
  expect(await write.settled).toMatchObject([{ kind: 'applied' }])
  await silent.db.sync.now()
  expect(silent.db.sync.status).toMatchObject({ kind: 'idle', pending: 0 })
  expect(asked.every(({ token }) => token === 'Bearer of the second')).toBe(true)
  server.close()
}, 20_000)

test('without a private file system it works in memory, and says so', async () => {
  const db = await openClient({
    schema,
    url: '/nobody/',
    user: newUser(),
    token: async () => 'token',
    worker: () => new Worker(new URL('./memory.test.worker.ts', import.meta.url), { type: 'module' }),
  })
  await db.leads.create({ name: 'Mona' })
  expect(db.sync.status.storage).toBe('memory')
  await db.close()
})

test('a tab that is frozen lets go of the database; thawed, it takes part again and answers what was asked', async () => {
  const tab = await openTab(newUser())
  await tab.db.leads.create({ name: 'before' })
  document.dispatchEvent(new Event('freeze'))
  const write = tab.db.leads.create({ name: 'meanwhile' })
  document.dispatchEvent(new Event('resume'))
  await write
  expect(await names(tab)).toEqual(['before', 'meanwhile'])
})

test('the browser is asked to keep the data after the first write, and its answer is in the status', async () => {
  const tab = await openTab(newUser())
  await tab.db.leads.create({ name: 'Mona' })
  await expect.poll(() => tab.db.sync.status.persisted).not.toBeNull()
})

test('a worker that cannot be loaded is said at once', async () => {
  const worker = () => new Worker('data:text/javascript,throw new Error("broken")', { type: 'module' })
  await expect(openClient({ schema, url: '/nobody/', user: newUser(), token: 'token', worker })).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
  })
})

test('[TB3] [L-5] a newer tab takes the database over: what was written is there in the new form, and the older one writes nothing more', async () => {
  const user = newUser()
  const older = await openTab(user)
  const follower = await openTab(user)
  await older.db.leads.create({ name: 'first' })
  const last = follower.db.leads.create({ name: 'asked before' })
  const newer = await openNewer(user)
  await last
  expect(await titles(newer)).toEqual(['asked before', 'first'])
  for (const { db } of [older, follower]) {
    await expect.poll(() => db.sync.status).toMatchObject({ kind: 'attention', code: 'STORAGE_LOCKED' })
    await expect(db.leads.create({ name: 'too late' })).rejects.toMatchObject({
      code: 'STORAGE_LOCKED',
      problem: expect.stringContaining('reload this tab'),
    })
  }
  await newer.leads.create({ title: 'second' })
  // Thawed, an older tab does not take the database back.
  document.dispatchEvent(new Event('freeze'))
  document.dispatchEvent(new Event('resume'))
  await expect.poll(() => titles(newer)).toEqual(['asked before', 'first', 'second'])
  expect(await newer.sync.waiting()).toHaveLength(3)
})

test('[TB3] [L-5] an older tab beside a newer one that leads is told to reload, and does not open', async () => {
  const user = newUser()
  const newer = await openNewer(user)
  await newer.leads.create({ title: 'first' })
  await expect(openTab(user)).rejects.toMatchObject({
    code: 'STORAGE_LOCKED',
    problem: expect.stringContaining('reload this tab'),
  })
  expect(await titles(newer)).toEqual(['first'])
  await newer.close()
  // Nor is the database opened when the newer tab has gone.
  await expect(openTab(user)).rejects.toMatchObject({ code: 'UPGRADE_REQUIRED' })
  expect(await titles(await openNewer(user))).toEqual(['first'])
})

test('[TB3] an older tab that holds the database and does not give way is said within five seconds', async () => {
  const user = newUser()
  const database = await databaseName(new URL('/nobody/', location.href).href, user)
  const release = Promise.withResolvers<void>()
  await new Promise<void>((resolve) => {
    void navigator.locks.request(`holdfast:${database}:leader`, () => {
      resolve()
      return release.promise
    })
  })
  const gossip = new BroadcastChannel(`holdfast:${database}`)
  gossip.onmessage = ({ data }: MessageEvent<{ kind: string; tab: string }>) => {
    if (data.kind !== 'join') return
    const channel = new BroadcastChannel(`holdfast:${database}:${data.tab}`)
    channel.postMessage({ kind: 'joined', leader: { id: 'of before', messages: messagesVersion, schema: 1 } })
    channel.close()
  }
  const startMs = performance.now()
  await expect(openNewer(user)).rejects.toMatchObject({
    code: 'STORAGE_LOCKED',
    problem: expect.stringContaining('older version'),
  })
  expect(performance.now() - startMs).toBeLessThan(5_000)
  gossip.close()
  release.resolve()
})

test('[TB3] a database that somebody holds who does not answer is said within five seconds', async () => {
  const user = newUser()
  const lock = `holdfast:${await databaseName(new URL('/nobody/', location.href).href, user)}:leader`
  const release = Promise.withResolvers<void>()
  await new Promise<void>((resolve) => {
    void navigator.locks.request(lock, () => {
      resolve()
      return release.promise
    })
  })
  const startMs = performance.now()
  await expect(openTab(user)).rejects.toMatchObject({
    code: 'STORAGE_LOCKED',
    problem: expect.stringContaining('does not answer'),
  })
  expect(performance.now() - startMs).toBeLessThan(5_000)
  release.resolve()
})

test('a value that cannot be stored is refused at the call, and does not come back with the next leader', async () => {
  const user = newUser()
  const first = await openTab(user)
  const second = await openTab(user)
  // @ts-expect-error A function is no text.
  await expect(second.db.leads.create({ name: () => 'Mona' })).rejects.toMatchObject({ name: 'UsageError' })
  first.worker.terminate()
  await second.db.leads.create({ name: 'Mona' })
  expect(await names(second)).toEqual(['Mona'])
})

test('a wrong query fails where it was asked', async () => {
  const { db } = await openTab(newUser())
  // @ts-expect-error There is no such column.
  await expect(db.query((q) => q.selectFrom('leads').select('colour'))).rejects.toThrow(/colour/)
})

test('users do not meet: each has a database', async () => {
  const [ada, ben] = [await openTab(newUser()), await openTab(newUser())]
  await ada.db.leads.create({ name: 'of Ada' })
  expect(await names(ben)).toEqual([])
})

test('signing out in one tab ends the others; what waits is kept for the next time', async () => {
  const user = newUser()
  const first = await openTab(user)
  const second = await openTab(user)
  await second.db.leads.create({ name: 'waits' })
  expect(await second.db.signOut()).toEqual({ kept: 1 })
  await expect
    .poll(() => first.db.query((q) => q.selectFrom('leads').select('id')).catch((error) => error.code))
    .toBe('CLOSED')
  const again = await openTab(user)
  expect(await names(again)).toEqual(['waits'])
})

test('settings and status are those of the device, in every tab', async () => {
  const user = newUser()
  const first = await openTab(user)
  const second = await openTab(user)
  const seen: unknown[] = []
  second.db.kv.watch('theme', (value) => seen.push(value))
  await expect.poll(() => seen).toEqual([null])
  await first.db.kv.set('theme', 'dark')
  await expect.poll(() => seen).toEqual([null, 'dark'])
  await first.db.leads.create({ name: 'Mona' })
  await expect.poll(() => second.db.sync.status.pending).toBe(1)
  expect(await second.db.sync.waiting()).toMatchObject([{ collection: 'leads', kind: 'create' }])
})
