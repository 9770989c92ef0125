/**
 * Trouble on the way and at the server, one kind after another: what the device says of it, that nothing is lost, and that it comes
 * to rest by itself, with the timers as apps have them [L-1]. Each runs on a world of its own, several at a time: most of it is waiting.
 */
import type { SyncStatus } from '@holdfast/client'
import { describe, test } from 'vitest'
import { type FrontAnswer, page, pass, problem } from '../support/front.ts'
import { nameTooLong } from '../support/lead-schema.ts'
import { oldToken } from '../support/lead-server.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { readDevice, readServer } from '../support/truth.ts'
import { atRest, reached, until } from '../support/until.ts'
import { createWorld, type LeadClient, type World } from '../support/world.ts'

/** Trouble that passes without anybody's act. */
interface Passing {
  readonly name: string
  /** The way on which it is met. */
  readonly over: 'network' | 'front'
  readonly begin: (w: World) => void | Promise<void>
  readonly end: (w: World) => void | Promise<void>
  readonly shows: { readonly kind: SyncStatus['kind']; readonly error: string }
}

const answering = (name: string, answer: FrontAnswer, shows: Passing['shows']): Passing => ({
  name,
  over: 'front',
  begin: (w) => w.front.answerBy(({ path }) => (path === '/sync' ? answer : pass)),
  end: (w) => w.front.answerBy(() => pass),
  shows,
})

const offline = (error: string) => ({ kind: 'offline', error }) as const
const waits = (error: string) => ({ kind: 'waiting', error }) as const

const passing: readonly Passing[] = [
  {
    // First of all: it takes half a minute, and the others run beside it.
    name: 'a black hole that accepts and never answers',
    over: 'network',
    begin: (w) => w.network.swallow(),
    end: (w) => w.network.restore(),
    shows: offline('UNREACHABLE'),
  },
  {
    name: 'the server stopped',
    over: 'network',
    begin: (w) => w.stopServer(),
    end: (w) => w.startServer(),
    shows: offline('UNREACHABLE'),
  },
  {
    name: 'the line cut',
    over: 'network',
    begin: (w) => w.network.cut(),
    end: (w) => w.network.restore(),
    shows: offline('UNREACHABLE'),
  },
  {
    name: "a hotel's HTML with 200, for every address",
    over: 'front',
    begin: (w) => w.front.answerBy(() => page(200)),
    end: (w) => w.front.answerBy(() => pass),
    shows: offline('NOT_HOLDFAST'),
  },
  answering('half a JSON', { kind: 'half', ending: 'whole' }, offline('UNREACHABLE')),
  answering('a reply that is cut in the middle', { kind: 'half', ending: 'cut' }, offline('UNREACHABLE')),
  answering('a reply that is lost', { kind: 'lose' }, offline('UNREACHABLE')),
  answering('JSON of somebody else with 200', json(200, { weather: 'fine' }), waits('MALFORMED')),
  answering('400', problem(400, 'MALFORMED'), waits('MALFORMED')),
  answering('404 of a proxy', page(404), offline('NOT_HOLDFAST')),
  answering('403 of a portal', page(403), offline('NOT_HOLDFAST')),
  answering('409 that tells no way to go on', problem(409, 'GENERATION_CHANGED'), waits('GENERATION_CHANGED')),
  answering('410 that tells no way to go on', problem(410, 'CURSOR_TOO_OLD'), waits('CURSOR_TOO_OLD')),
  answering('408', page(408), waits('SERVER_ERROR')),
  answering('425', page(425), waits('SERVER_ERROR')),
  answering('429', page(429), waits('OVERLOADED')),
  answering('500', problem(500, 'SERVER_ERROR'), waits('SERVER_ERROR')),
  answering('502', page(502), waits('SERVER_ERROR')),
  answering('503', problem(503, 'OVERLOADED'), waits('OVERLOADED')),
  answering('504', page(504), waits('SERVER_ERROR')),
]

/** Trouble that somebody has to end. */
const pausing = [
  { name: '403', answer: problem(403, 'ACCOUNT_FORBIDDEN'), why: 'forbidden', error: 'ACCOUNT_FORBIDDEN' },
  { name: '426', answer: problem(426, 'UPGRADE_REQUIRED'), why: 'upgrade', error: 'UPGRADE_REQUIRED' },
] as const

export function describeNetwork(store: StoreKind): void {
  describe.concurrent(`trouble on the way to ${store.name}`, { timeout: 90_000 }, () => {
    test.for(passing)('[L-1] $name', async ({ over, begin, end, shows }, { expect, onTestFinished }) => {
      const w = await createWorld(store, onTestFinished)
      const db = await w.open('ada', { url: w[over].url })
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      await atRest(db)

      await begin(w)
      await db.leads.update(lead, { note: 'meanwhile' })
      await db.leads.increment(lead, { visits: 1 })
      const { kind, error } = shows
      const shown = await reached(db, (status) => status.kind === kind && status.lastError?.code === error, 40_000)
      expect(shown).toMatchObject({ pending: 2, refused: 0 })
      expect(await db.sync.waiting()).toHaveLength(2)
      expect(await leadsOf(db)).toMatchObject([{ note: 'meanwhile', visits: 1, $sync: 'pending' }])
      // Work goes on.
      await db.leads.increment(lead, { visits: 1 })
      expect(await leadsOf(db)).toMatchObject([{ visits: 2 }])

      await end(w)
      await atRest(db)
      expect(db.sync.status).toMatchObject({ kind: 'idle', pending: 0, refused: 0, lastError: null })
      expect(await leadsOf(db)).toMatchObject([{ note: 'meanwhile', visits: 2, $sync: 'synced' }])
      expect((await readServer(w.database)).rows.leads?.[lead]).toMatchObject({ visits: 2, $version: 4 })
      await expectEachOnce(w, db)
    })

    test.for(pausing)(
      '$name: paused, with the reason; all is kept, and goes on when a person says so',
      async ({ answer, why, error }, { expect, onTestFinished }) => {
        const w = await createWorld(store, onTestFinished)
        const db = await w.open('ada', { url: w.front.url })
        await db.sync.now()
        w.front.answerBy(({ path }) => (path === '/sync' ? answer : pass))
        const write = db.leads.create({ owner: 'ada', name: 'Mona' })
        await write
        const shown = await reached(db, ({ kind }) => kind === 'paused')
        expect(shown).toMatchObject({ why, pending: 1, lastError: { code: error } })
        const asked = w.front.exchanges.length
        await db.leads.create({ owner: 'ada', name: 'Adam' })
        w.front.answerBy(() => pass)
        // It does not ask again by itself: the answer would be the same.
        await new Promise((resolve) => setTimeout(resolve, 300))
        expect(w.front.exchanges).toHaveLength(asked)
        await db.sync.resume()
        await write.settled
        await atRest(db)
        expect(await leadsOf(db)).toHaveLength(2)
        await expectEachOnce(w, db)
      },
    )

    test('401: a new token is asked for, and nothing is shown when it is taken', async ({ expect, onTestFinished }) => {
      const w = await createWorld(store, onTestFinished)
      const tokens = [oldToken, 'ada']
      const db = await w.open('ada', { url: w.front.url, token: () => tokens.shift() ?? 'ada' })
      const seen: string[] = []
      db.sync.watch(({ kind }) => seen.push(kind))
      await db.leads.create({ owner: 'ada', name: 'Mona' }).settled
      expect(w.front.exchanges.map(({ token }) => token)).toEqual(expect.arrayContaining([oldToken, 'ada']))
      expect(seen).not.toContain('paused')
      await atRest(db)
      await expectEachOnce(w, db)
    })

    test('401 twice: paused until there is a token; then all arrives', async ({ expect, onTestFinished }) => {
      const w = await createWorld(store, onTestFinished)
      let token = oldToken
      const db = await w.open('ada', { url: w.front.url, token: () => token })
      const write = db.leads.create({ owner: 'ada', name: 'Mona' })
      await write
      const shown = await reached(db, ({ kind }) => kind === 'paused')
      expect(shown).toMatchObject({ why: 'signedOut', pending: 1, lastError: { code: 'UNAUTHENTICATED' } })
      expect(w.front.exchanges.length).toBeLessThanOrEqual(2)
      token = 'ada'
      await db.sync.resume()
      expect(await write.settled).toMatchObject([{ kind: 'applied' }])
      await atRest(db)
      await expectEachOnce(w, db)
    })

    const atNoon = 'Fri, 20 Nov 2026 12:00:00 GMT'
    test.for([
      { form: 'seconds', headers: { 'retry-after': '2' } },
      { form: 'a date', headers: { date: atNoon, 'retry-after': 'Fri, 20 Nov 2026 12:00:02 GMT' } },
    ])('429 with Retry-After in $form: shown, and waited for', async ({ headers }, { expect, onTestFinished }) => {
      const w = await createWorld(store, onTestFinished)
      const db = await w.open('ada', { url: w.front.url })
      await db.sync.now()
      await until('the stream of pokes has begun', () => w.front.exchanges.length >= 2)
      w.front.answerBy(({ path }) => (path === '/sync' ? problem(429, 'OVERLOADED', headers) : pass))
      await db.leads.create({ owner: 'ada', name: 'Mona' })
      const shown = await reached(db, ({ kind }) => kind === 'waiting')
      const inMs = shown.kind === 'waiting' ? shown.retryAtMs - Date.now() : 0
      expect(inMs).toBeGreaterThan(1_000)
      expect(inMs).toBeLessThanOrEqual(2_200) // And a tenth at most.
      w.front.answerBy(() => pass)
      await db.leads.create({ owner: 'ada', name: 'Adam' }) // Does not hurry it.
      await atRest(db)
      const refusedAt = w.front.exchanges.findIndex(({ kind }) => kind === 'say')
      const [refused, next] = w.front.exchanges.slice(refusedAt)
      expect((next?.atMs ?? 0) - (refused?.atMs ?? 0)).toBeGreaterThan(1_900)
      await expectEachOnce(w, db)
    })

    test('413: the batch is halved until it fits; an operation that is too large alone is refused, the others go on', async ({
      expect,
      onTestFinished,
    }) => {
      const w = await createWorld(store, onTestFinished)
      const db = await w.open('ada', { url: w.front.url })
      await db.sync.now()
      w.front.answerBy(() => ({ kind: 'drop' }))
      for (let index = 0; index < 16; index += 1) await db.leads.create({ owner: 'ada', name: `lead ${index}` })
      const large = (await db.sync.waiting())[6]?.id ?? ''
      w.front.answerBy(({ ids }) => (ids.length > 4 || ids.includes(large) ? problem(413, 'TOO_LARGE') : pass))
      await db.sync.now()
      await atRest(db)
      expect(db.sync.status).toMatchObject({ refused: 1 })
      expect(await db.inbox.list()).toMatchObject([{ id: large, code: 'TOO_LARGE', collection: 'leads' }])
      expect((await readServer(w.database)).operations).toHaveLength(15)
      const sizes = w.front.exchanges.filter(({ kind }) => kind === 'pass').map(({ ids }) => ids.length)
      expect(Math.max(...sizes)).toBeLessThanOrEqual(4)
      await expectEachOnce(w, db)
    })

    test('422: the operation with another payload is refused, the others go on', async ({ expect, onTestFinished }) => {
      const w = await createWorld(store, onTestFinished)
      const db = await w.open('ada', { url: w.front.url })
      await db.sync.now()
      w.front.answerBy(() => ({ kind: 'drop' }))
      for (let index = 0; index < 4; index += 1) await db.leads.create({ owner: 'ada', name: `lead ${index}` })
      const reused = (await db.sync.waiting())[1]?.id ?? ''
      w.front.answerBy(({ ids }) => (ids.includes(reused) ? problem(422, 'KEY_REUSED') : pass))
      await db.sync.now()
      await atRest(db)
      expect(await db.inbox.list()).toMatchObject([{ id: reused, code: 'KEY_REUSED' }])
      expect((await readServer(w.database)).operations).toHaveLength(3)
      await expectEachOnce(w, db)
    })

    test('a line that trickles: nothing is given up, and all arrives', async ({ expect, onTestFinished }) => {
      const w = await createWorld(store, onTestFinished)
      const db = await w.open('ada', { url: w.network.url })
      await db.sync.now()
      w.network.slow(4_000)
      const failed: unknown[] = []
      db.sync.watch(({ lastError }) => lastError !== null && failed.push(lastError))
      const writes = Array.from({ length: 40 }, (_, index) => db.leads.create({ owner: 'ada', name: `lead ${index}` }))
      await Promise.all(writes)
      await reached(db, ({ kind }) => kind === 'syncing')
      await atRest(db)
      expect(failed).toEqual([])
      expect(Object.keys((await readServer(w.database)).rows.leads ?? {})).toHaveLength(40)
      await expectEachOnce(w, db)
    })

    test('an operation that the server refuses lies in the inbox with code and field; the others go on', async ({
      expect,
      onTestFinished,
    }) => {
      const w = await createWorld(store, onTestFinished)
      const db = await w.open('ada')
      const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
      const told: number[] = []
      db.inbox.watch((items) => told.push(items.length))
      const refused = db.leads.update(lead, { name: nameTooLong })
      const dependant = db.leads.update(lead, { note: 'after it' })
      const stolen = db.calls.create({ lead: 'nobody’s', owner: 'ada' })
      const other = await db.leads.create({ owner: 'ada', name: 'Adam' })
      expect(await refused.settled).toMatchObject([{ kind: 'rejected', code: 'INVALID_VALUE', field: 'name' }])
      expect(await stolen.settled).toMatchObject([{ kind: 'rejected', field: 'lead' }])
      expect(await dependant.settled).toMatchObject([{ kind: 'applied' }])
      await atRest(db)
      expect(await db.inbox.list()).toMatchObject([
        { record: lead, code: 'INVALID_VALUE', field: 'name', fields: { name: nameTooLong }, was: { name: 'Mona' } },
        { collection: 'calls', code: 'REFERENCE_MISSING', field: 'lead' },
      ])
      expect(told.at(-1)).toBe(2)
      expect(db.sync.status).toMatchObject({ kind: 'idle', pending: 0, refused: 2 })
      expect(await leadsOf(db)).toMatchObject([
        { id: lead, name: 'Mona', note: 'after it', $sync: 'refused' },
        { id: other, $sync: 'synced' },
      ])
      await expectEachOnce(w, db)
    })
  })
}

function json(status: number, value: unknown): FrontAnswer {
  return { kind: 'say', status, body: JSON.stringify(value), headers: { 'content-type': 'application/json' } }
}

const leadsOf = (db: LeadClient) =>
  db.query((q) => q.selectFrom('leads').selectAll().orderBy('createdAt').orderBy('id'))

/** Closes the device and compares what it ever saved with what the server ever took: the same operations, none missing, none more. */
async function expectEachOnce(w: World, db: LeadClient): Promise<void> {
  const refusedHere = new Set((await db.inbox.list()).flatMap(({ items }) => items.map(({ id }) => String(id))))
  await db.close()
  const device = await readDevice(w.fileOf('ada'))
  const taken = (await readServer(w.database)).operations.map(({ id }) => id)
  const missing = device.operations.map(({ operation }) => operation.id).filter((id) => !taken.includes(id))
  const lost = missing.filter((id) => !refusedHere.has(id))
  const known = new Set(device.operations.map(({ operation }) => String(operation.id)))
  const strange = taken.filter((id) => !known.has(id))
  const waiting = device.operations.filter(({ place }) => place === '_outbox')
  if (lost.length + strange.length + waiting.length === 0) return
  throw new Error(`Lost: ${lost.join()}; never saved: ${strange.join()}; still waiting: ${waiting.length}.`)
}
