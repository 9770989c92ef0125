/** Clients in Node with files of their own, over real HTTP, against the embedded server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Client, matches, openClient } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import { collection, defineSchema, EngineError, parseUserId, t, UsageError } from '@holdfast/core'
import { createServer, type Serving, serve, sqlite } from '@holdfast/server'
import { afterEach, beforeEach, expect, expectTypeOf, test } from 'vitest'

const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: {
        owner: t.text(),
        name: t.text({ min: 1 }),
        phone: t.text({ default: '' }),
        isHot: t.boolean({ default: false }),
        extra: t.json<{ tags: string[] }>({ optional: true }),
        visits: t.counter(),
      },
      search: ['name', 'phone'],
    }),
    calls: collection({ fields: { lead: t.ref('leads'), note: t.text() } }),
  },
})

let folder: string
let serving: Serving
const clients: Client<typeof schema>[] = []

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'holdfast-clients-'))
  const server = createServer({
    schema,
    store: sqlite(path.join(folder, 'server')),
    // The token is the user's name: who may do what is not what is tested here.
    authenticate: async (request) => {
      const user = request.headers.get('authorization')?.replace('Bearer ', '') ?? ''
      if (user === 'expired') throw new EngineError('UNAUTHENTICATED', 'The token is old.')
      return { userId: parseUserId(user), claims: {} }
    },
    scopes: () => 'all',
    rules: { leads: { write: ({ after }) => after?.name !== 'forbidden' } },
    logLevel: 'silent',
  })
  serving = await serve(server, { port: 0, host: '127.0.0.1' })
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await serving.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(user: string, { token = user, file = user, url = serving.url } = {}) {
  const driver = nodeSqlite(path.join(folder, `${file}.sqlite`))
  const client = await openClient({ schema, url, user, token, driver, pollMs: 600_000 })
  clients.push(client)
  return client
}

const allLeads = (db: Client<typeof schema>) => db.query((q) => q.selectFrom('leads').selectAll().orderBy('name'))

/** What a live query says once it satisfies `isMet`. */
function once(db: Client<typeof schema>, isMet: (names: readonly string[]) => boolean): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const stop = db.watch(
      (q) => q.selectFrom('leads').select('name').orderBy('name'),
      ({ rows }) => {
        const names = rows.map(({ name }) => name)
        if (!isMet(names)) return
        queueMicrotask(() => stop())
        resolve(names)
      },
    )
  })
}

test('what one client writes, the other sees within a second, by a poke', async () => {
  const ada = await open('ada')
  const ben = await open('ben')
  await ben.sync.now()
  await ada.sync.now()
  const seen = once(ben, (names) => names.includes('Mona'))
  const write = ada.leads.create({ owner: 'ada', name: 'Mona' })
  const startMs = performance.now()
  await write
  expect(await seen).toEqual(['Mona'])
  expect(performance.now() - startMs).toBeLessThan(1_000)
  expect(await write.settled).toMatchObject([{ kind: 'applied' }])
  expect(ada.sync.status).toMatchObject({ pending: 0, storage: 'durable' })
})

test('rows are typed and decoded: booleans, JSON, counters, the fields that wait', async () => {
  const db = await open('ada', { url: 'http://127.0.0.1:1' })
  const id = await db.leads.create({ owner: 'ada', name: 'Mona', isHot: true, extra: { tags: ['a'] } })
  await db.leads.increment(id, { visits: 2 })
  const [row] = await allLeads(db)
  expect(row).toMatchObject({ id, isHot: true, extra: { tags: ['a'] }, visits: 2, $sync: 'pending' })
  expect(row?.$pending).toEqual(expect.arrayContaining(['name', 'visits']))
  expect(row).not.toHaveProperty('$version')
  const hot = await db.query((q) =>
    q
      .with('hot', (w) => w.selectFrom('leads').select(['id', 'isHot as warm']).where('isHot', '=', true))
      .selectFrom('hot')
      .innerJoin('leads as l', 'l.id', 'hot.id')
      .select(['hot.warm', 'l.extra as more', 'l.name']),
  )
  expect(hot).toEqual([{ warm: true, more: { tags: ['a'] }, name: 'Mona' }])
  expectTypeOf(hot).items.toHaveProperty('warm').toEqualTypeOf<boolean>()
})

test('offline, a write is saved and waits; when the server is there it arrives, once', async () => {
  const { url, port } = serving
  const db = await open('ada', { url })
  await db.sync.now()
  await serving.close()
  const write = db.leads.create({ owner: 'ada', name: 'Mona' })
  await write
  await db.sync.now()
  expect(db.sync.status).toMatchObject({ kind: 'offline', pending: 1 })
  const server = createServer({
    schema,
    store: sqlite(path.join(folder, 'server')),
    authenticate: async () => ({ userId: parseUserId('ada'), claims: {} }),
    scopes: () => 'all',
    logLevel: 'silent',
  })
  serving = await serve(server, { port, host: '127.0.0.1' })
  await db.sync.now()
  expect(await write.settled).toMatchObject([{ kind: 'applied' }])
  expect(db.sync.status).toMatchObject({ kind: 'idle', pending: 0 })
})

test('a write against a rule of the server: refused, seen in the inbox, the others go on', async () => {
  const db = await open('ada')
  const refused = db.leads.create({ owner: 'ada', name: 'forbidden' })
  const other = db.leads.create({ owner: 'ada', name: 'Mona' })
  expect(await refused.settled).toMatchObject([{ kind: 'rejected' }])
  expect(await other.settled).toMatchObject([{ kind: 'applied' }])
  expect(await db.inbox.list()).toMatchObject([{ collection: 'leads', code: 'FORBIDDEN' }])
})

test('a write against a rule of the device: refused at the call, nothing written', async () => {
  const db = await open('ada', { url: 'http://127.0.0.1:1' })
  await expect(db.leads.create({ owner: 'ada', name: '' })).rejects.toMatchObject({
    code: 'INVALID_VALUE',
    field: 'name',
  })
  expect(await allLeads(db)).toEqual([])
  expect(await db.sync.waiting()).toEqual([])
})

test('an app transaction is written together; its callback may not be async, nor write after its end', async () => {
  const db = await open('ada', { url: 'http://127.0.0.1:1' })
  const write = db.write((tx) => {
    const lead = tx.leads.create({ owner: 'ada', name: 'Mona' })
    tx.calls.create({ lead, note: 'answered' })
    return lead
  })
  const lead = await write
  expect(await db.query((q) => q.selectFrom('calls').select('lead'))).toEqual([{ lead }])
  // @ts-expect-error An async callback would write after the transaction has gone.
  expect(() => db.write(async (tx) => tx.leads.delete(lead))).toThrow(UsageError)
  let late = () => {}
  await db.write((tx) => {
    late = () => tx.leads.delete(lead)
  })
  expect(late).toThrow(UsageError)
  await write.undo()
  expect(await allLeads(db)).toEqual([])
})

test('search finds words by their beginning and numbers by their end; matches filters a query', async () => {
  const db = await open('ada', { url: 'http://127.0.0.1:1' })
  await db.leads.create({ owner: 'ada', name: 'Mona Hassan', phone: '+20 100 555 1234' })
  await db.leads.create({ owner: 'ada', name: 'Adam' })
  expect((await db.search('leads', 'hass')).map(({ name, isHot }) => [name, isHot])).toEqual([['Mona Hassan', false]])
  expect(await db.search('leads', '1234')).toHaveLength(1)
  const found = await db.query((q) =>
    q
      .selectFrom('leads as l')
      .select('l.name')
      .where(matches('leads', 'mon', 'l')),
  )
  expect(found).toEqual([{ name: 'Mona Hassan' }])
  expect(await db.query((q) => q.selectFrom('leads').select('id').where(matches('leads', '')))).toHaveLength(2)
})

test('a live query keeps its rows while they are the same; two watchers share them', async () => {
  const db = await open('ada', { url: 'http://127.0.0.1:1' })
  const seen: unknown[] = []
  const watch = (listener: (rows: unknown) => void) =>
    db.watch(
      (q) => q.selectFrom('leads').select('name').where('owner', '=', 'ada'),
      ({ rows }) => listener(rows),
    )
  watch((rows) => seen.push(rows))
  await db.leads.create({ owner: 'ada', name: 'Mona' })
  await db.leads.create({ owner: 'ben', name: 'Adam' })
  expect(seen).toEqual([[], [{ name: 'Mona' }]])
  let shared: unknown = null
  watch((rows) => {
    shared = rows
  })
  expect(shared).toBe(seen[1])
})

test('settings of the device are kept, watched and not synced', async () => {
  const db = await open('ada', { url: 'http://127.0.0.1:1' })
  const seen: unknown[] = []
  db.kv.watch('theme', (value) => seen.push(value))
  await db.kv.set('theme', { dark: true })
  await db.kv.set('other', 1)
  await db.kv.set('theme', null)
  expect(seen).toEqual([null, { dark: true }, null])
})

test('signing out deletes the data when all has arrived, and keeps it when something waits', async () => {
  const db = await open('ada')
  await db.leads.create({ owner: 'ada', name: 'Mona' }).settled
  expect(await db.signOut()).toEqual({ kept: 0 })
  await expect(db.leads.create({ owner: 'ada', name: 'late' })).rejects.toMatchObject({ code: 'CLOSED' })
  const again = await open('ada', { url: 'http://127.0.0.1:1' })
  expect(await allLeads(again)).toEqual([])
  await again.leads.create({ owner: 'ada', name: 'Mona' })
  expect(await again.signOut()).toEqual({ kept: 1 })
  const kept = await open('ada')
  expect(await allLeads(kept)).toMatchObject([{ name: 'Mona' }])
  await kept.sync.now()
  expect(kept.sync.status).toMatchObject({ kind: 'idle', pending: 0 })
})

test('a token that is refused twice pauses sync and keeps everything', async () => {
  const db = await open('ada', { token: 'expired' })
  await db.leads.create({ owner: 'ada', name: 'Mona' })
  await db.sync.now()
  expect(db.sync.status).toMatchObject({ kind: 'paused', why: 'signedOut', pending: 1 })
})

test('[I-26] a token of another user fills nothing into this user’s database: sync pauses and says why', async () => {
  const bob = await open('bob')
  await bob.leads.create({ owner: 'bob', name: 'secret of bob' }).settled
  const ann = await open('ann', { token: 'bob' })
  await ann.sync.now()
  expect(ann.sync.status).toMatchObject({ kind: 'paused', why: 'forbidden', lastError: { code: 'USER_MISMATCH' } })
  expect(await allLeads(ann)).toEqual([])
})
