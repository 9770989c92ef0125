/** The shell over a real store and a server in the test's hand. */
import {
  batchOperationsMax,
  collection,
  defineSchema,
  parseGeneration,
  parseOperationId,
  parseTransactionId,
  parseUserId,
  t,
} from '@holdfast/core'
import {
  createFakeClock,
  createFakeConnectivity,
  createFakeTimers,
  createFakeTransport,
  createSeededRandom,
  type FakeTransport,
  problemReply,
  restartReply,
  type SentBody,
  settledReply,
} from '@holdfast/testing'
import { afterEach, expect, test } from 'vitest'
import { failingDriver } from '../contract/failing-driver.ts'
import { brokenInvariants } from '../contract/store-invariants.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SyncAnswer } from '../ports/transport.ts'
import { createStore } from '../store/create-store.ts'
import { progressMsMax } from './attempt.ts'
import { silenceMsMax } from './poke-stream.ts'
import { createSyncEngine } from './sync-engine.ts'

const schemaOf = (version: number) =>
  defineSchema({ version, collections: { leads: collection({ fields: { name: t.text() } }) } })

const pollMs = 600_000
const unreachable: SyncAnswer = { kind: 'unreachable', problem: 'no network.' }
const portal: SyncAnswer = { kind: 'notHoldfast', problem: 'HTML.' }

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function open({
  token = async (_fresh: boolean): Promise<string | null> => 'token',
  seed = 7,
  version = 1,
} = {}) {
  const clock = createFakeClock()
  const timers = createFakeTimers(clock)
  const random = createSeededRandom(seed, clock)
  const ambient = { clock, timers, random }
  const transport = createFakeTransport()
  const connectivity = createFakeConnectivity()
  const driver = failingDriver(await nodeSqlite(':memory:')())
  const store = createStore({ driver, schema: schemaOf(version), user: parseUserId('ada'), ambient })
  const sync = createSyncEngine(
    { store, transport, connectivity, ambient, token },
    { schemaVersion: version, storage: 'durable', pollMs },
  )
  ends.push(async () => {
    await sync.stop()
    store.close()
  })
  function write(count = 1) {
    const operations = Array.from({ length: count }, () => ({
      id: parseOperationId(random.uuid()),
      collection: 'leads',
      record: random.uuid(),
      kind: 'create' as const,
      fields: { name: 'Mona' },
    }))
    store.write({ tx: parseTransactionId(random.uuid()), operations })
    sync.wrote()
  }
  function rename(record: string, name: string) {
    const id = parseOperationId(random.uuid())
    const operation = { id, collection: 'leads', record, kind: 'update' as const, fields: { name } }
    store.write({ tx: parseTransactionId(random.uuid()), operations: [operation] })
    sync.wrote()
    return id
  }
  const id = () => parseOperationId(random.uuid())
  return { clock, timers, transport, connectivity, driver, store, sync, write, rename, id }
}

const size = ({ body }: { readonly body: SentBody }) => body.operations?.length ?? 0

test('a write is sent a few milliseconds later, and leaves idle behind', async () => {
  const { sync, timers, transport, write } = await open()
  sync.start()
  await timers.advance(0)
  expect(transport.requests.map(size)).toEqual([0])
  write()
  await timers.advance(10)
  expect(transport.requests.map(size)).toEqual([0, 1])
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, lastError: null })
})

test('[SM1][SM2] [L-1] single flight: what comes while a request is out goes with the next one, and none is lost', async () => {
  const { sync, timers, transport, write } = await open()
  transport.answerBy(() => 'hold')
  sync.start()
  await timers.advance(0)
  write()
  await timers.advance(1_000)
  transport.streams()[0]?.onPoke()
  expect(transport.requests).toHaveLength(1)
  transport.answerBy(({ body }) => settledReply(body))
  transport.answer(settledReply({}))
  await timers.advance(0)
  expect(transport.requests.map(size)).toEqual([0, 1])
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test.each([
  { name: '408', answer: problemReply(408, null), kind: 'waiting', code: 'SERVER_ERROR' },
  { name: '425', answer: problemReply(425, null), kind: 'waiting', code: 'SERVER_ERROR' },
  { name: '429', answer: problemReply(429, 'OVERLOADED', 5_000), kind: 'waiting', code: 'OVERLOADED' },
  { name: '500', answer: problemReply(500, 'SERVER_ERROR'), kind: 'waiting', code: 'SERVER_ERROR' },
  { name: '502 of a proxy', answer: problemReply(502, null), kind: 'waiting', code: 'SERVER_ERROR' },
  { name: '503 of a proxy', answer: problemReply(503, null), kind: 'waiting', code: 'OVERLOADED' },
  { name: '400', answer: problemReply(400, 'MALFORMED'), kind: 'waiting', code: 'MALFORMED' },
  { name: '404 of somebody else', answer: problemReply(404, null), kind: 'offline', code: 'NOT_HOLDFAST' },
  { name: '401 of a portal', answer: problemReply(401, null), kind: 'offline', code: 'NOT_HOLDFAST' },
  { name: '422 of a proxy', answer: problemReply(422, null), kind: 'offline', code: 'NOT_HOLDFAST' },
  { name: 'HTML with 200', answer: portal, kind: 'offline', code: 'NOT_HOLDFAST' },
  { name: 'no network', answer: unreachable, kind: 'offline', code: 'UNREACHABLE' },
  { name: 'JSON that is no reply', answer: { kind: 'reply', body: { ok: true } }, kind: 'waiting', code: 'MALFORMED' },
  { name: 'a reply without the outcome', answer: settledReply({}), kind: 'waiting', code: 'SERVER_ERROR' },
] as const)('$name: backed off, nothing changes, and sent again', async ({ answer, kind, code }) => {
  const { sync, timers, transport, store, write } = await open()
  write()
  transport.answerBy(() => answer)
  sync.start()
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind, pending: 1, refused: 0, lastError: { code } })
  expect(store.waiting(1)).toMatchObject([{ state: 'pending', lastError: expect.stringContaining(code) }])
  transport.answerBy(({ body }) => settledReply(body))
  await timers.advance(61_000)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 0, lastError: null })
})

test.each([
  { status: 403, code: 'ACCOUNT_FORBIDDEN', why: 'forbidden' },
  { status: 403, code: 'USER_MISMATCH', why: 'forbidden' },
  { status: 426, code: 'UPGRADE_REQUIRED', why: 'upgrade' },
] as const)('$status $code pauses ($why) until a person acts, and keeps everything', async ({ status, code, why }) => {
  const { sync, timers, transport, write } = await open()
  write()
  transport.answerBy(() => problemReply(status, code))
  sync.start()
  await timers.advance(3_600_000)
  expect(transport.requests).toHaveLength(1)
  expect(sync.status()).toMatchObject({ kind: 'paused', why, pending: 1, lastError: { code } })
  transport.answerBy(({ body }) => settledReply(body))
  sync.resume()
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

const restored = {
  kind: 'generation',
  generation: parseGeneration('next'),
  fork: 0,
  cursor: null,
  retentionMs: 86_400_000,
  serverTimeMs: 1_795_176_000_000,
} as const

test.each([
  { name: '409', restart: restored, generation: 'next' },
  {
    name: '410',
    restart: { kind: 'tooOld', retentionMs: 86_400_000, serverTimeMs: 1_795_176_000_000 } as const,
    generation: undefined,
  },
])(
  '[SE7] [L-1] $name: the device starts over at once and by itself, and what waits goes with it',
  async ({ restart, generation }) => {
    const { sync, timers, transport, write } = await open()
    sync.start()
    await timers.advance(0)
    write()
    let told = 0
    transport.answerBy(({ body }) => {
      told += 1
      return told === 1 ? restartReply(restart) : settledReply(body, generation === undefined ? {} : { generation })
    })
    await timers.advance(10)
    expect(transport.requests.map(({ body }) => [size({ body }), body.cursor === undefined])).toEqual([
      [0, true],
      [1, false],
      [1, true],
    ])
    expect(sync.status()).toMatchObject({
      kind: 'idle',
      pending: 0,
      refused: 0,
      completeness: 'complete',
      lastError: null,
    })
  },
)

test.each([
  { restart: restored },
  { restart: { kind: 'tooOld', retentionMs: 86_400_000, serverTimeMs: 1_795_176_000_000 } as const },
])(
  '[SE7] a server that says so again and again is trouble: backed off, and everything kept ($restart.kind)',
  async ({ restart }) => {
    const { sync, timers, transport, write } = await open()
    sync.start()
    await timers.advance(0)
    write()
    transport.answerBy(() => restartReply(restart))
    await timers.advance(10)
    expect(transport.requests).toHaveLength(3)
    expect(sync.status()).toMatchObject({ kind: 'waiting', pending: 1, refused: 0 })
    const generation = restart.kind === 'generation' ? { generation: 'next' } : {}
    transport.answerBy(({ body }) => settledReply(body, generation))
    await timers.advance(61_000)
    expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 0, lastError: null })
  },
)

test('[SE7] [L-1] told again after a cut, of a life that came meanwhile: the device starts over again', async () => {
  const { sync, timers, transport, write, store } = await open()
  sync.start()
  await timers.advance(0)
  write()
  const answers = [
    restartReply({ ...restored, cursor: 'n1' }),
    unreachable,
    restartReply({ ...restored, generation: parseGeneration('third') }),
  ]
  transport.answerBy(({ body }) => answers.shift() ?? settledReply(body, { generation: 'third' }))
  await timers.advance(120_000)
  expect(store.generation()).toBe('third')
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 0, lastError: null })
})

test('[SE7] [I-9] a reply of another life than the data is not taken: the device starts over', async () => {
  const { sync, timers, transport, store } = await open()
  sync.start()
  await timers.advance(0)
  transport.answerBy(({ body }) => settledReply(body, { generation: 'next' }))
  await sync.now()
  expect(store.generation()).toBe('next')
  expect(transport.requests.map(({ body }) => body.cursor === undefined)).toEqual([true, false, true])
  expect(sync.status()).toMatchObject({ kind: 'idle', completeness: 'complete' })
})

test('401: a fresh token is asked for once and used', async () => {
  const asked: boolean[] = []
  const { sync, timers, transport } = await open({
    token: async (fresh) => {
      asked.push(fresh)
      return fresh ? 'new' : 'old'
    },
  })
  transport.answerBy(({ body, token }) => (token === 'new' ? settledReply(body) : problemReply(401, 'UNAUTHENTICATED')))
  sync.start()
  await timers.advance(0)
  expect(asked).toEqual([false, true])
  expect(transport.requests.map(({ token }) => token)).toEqual(['old', 'new'])
  expect(sync.status().kind).toBe('idle')
})

test('401 twice: paused, signed out, everything kept; a new token goes on', async () => {
  let token: string | null = 'old'
  const { sync, timers, transport, write } = await open({ token: async () => token })
  write()
  transport.answerBy((request) =>
    request.token === 'new' ? settledReply(request.body) : problemReply(401, 'UNAUTHENTICATED'),
  )
  sync.start()
  await timers.advance(3_600_000)
  expect(transport.requests).toHaveLength(2)
  expect(sync.status()).toMatchObject({ kind: 'paused', why: 'signedOut', pending: 1 })
  token = 'new'
  sync.tokenChanged()
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('a token function that never answers does not hold sync for ever', async () => {
  let asked = 0
  const { sync, timers } = await open({
    token: () => {
      asked += 1
      return asked === 1 ? new Promise(() => {}) : Promise.resolve('token')
    },
  })
  sync.start()
  await timers.advance(30_000)
  expect(sync.status()).toMatchObject({ kind: 'offline', lastError: { code: 'UNREACHABLE' } })
  await timers.advance(2_000)
  expect(sync.status().kind).toBe('idle')
})

test('a black hole that accepts and never answers ends after 30 s without progress', async () => {
  const { sync, timers, transport, store, write } = await open()
  write()
  transport.answerBy(() => 'hold')
  sync.start()
  await timers.advance(progressMsMax - 1_000)
  expect(transport.requests).toHaveLength(1)
  await timers.advance(3_000)
  expect(transport.requests).toHaveLength(2)
  expect(sync.status()).toMatchObject({ pending: 1, lastError: { code: 'UNREACHABLE' } })
  expect(store.waiting(1)).toMatchObject([{ attempts: 2, lastError: expect.stringContaining('has not moved') }])
})

test('a slow answer that moves is waited for', async () => {
  const { sync, timers, transport } = await open()
  transport.answerBy(() => 'hold')
  sync.start()
  for (let minute = 0; minute < 5; minute += 1) {
    await timers.advance(20_000)
    transport.progress()
  }
  expect(sync.status().kind).toBe('syncing')
  transport.answer(settledReply({}))
  await timers.advance(0)
  expect(sync.status().kind).toBe('idle')
})

test('Retry-After is obeyed; a person does not wait for it', async () => {
  const { sync, timers, transport, write } = await open()
  transport.answerBy(() => problemReply(503, 'OVERLOADED', 100_000))
  sync.start()
  await timers.advance(99_000)
  write()
  sync.foreground()
  await timers.advance(500)
  expect(transport.requests).toHaveLength(1)
  transport.answerBy(({ body }) => settledReply(body))
  await sync.now()
  expect(transport.requests).toHaveLength(2)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('[SM3] [L-1] who asks while a round runs that then fails gets a round at once, and one only', async () => {
  const { sync, timers, transport, write } = await open()
  transport.answerBy(() => 'hold')
  write()
  sync.start()
  await timers.advance(0)
  let told = 'nothing'
  const asked = sync.now().then(() => {
    told = sync.status().kind
  })
  transport.answerBy(({ body }) => settledReply(body))
  transport.answer(unreachable)
  await timers.advance(0)
  await asked
  expect(told).toBe('idle')
  expect(transport.requests.map(size)).toEqual([1, 1])
  expect(sync.status()).toMatchObject({ pending: 0, lastError: null })
  // A server that stays in trouble gets that one round, and the backoff holds from then on.
  transport.answerBy(() => problemReply(503, 'OVERLOADED', 100_000))
  write()
  const again = sync.now()
  void sync.now()
  await timers.advance(0)
  await again
  expect(sync.status()).toMatchObject({ kind: 'waiting', pending: 1 })
  await timers.advance(90_000)
  expect(transport.requests).toHaveLength(4)
})

test('413: the batch is halved until it fits; an operation alone that is too large is refused, the others go on', async () => {
  const { sync, timers, transport, store, write } = await open()
  for (let count = 0; count < 5; count += 1) write()
  const tooLarge = JSON.parse(store.nextBatch({ operationsMax: 3, bytesMax: 1e6 }).operations[2] ?? '').id
  transport.answerBy((request) =>
    request.body.operations?.some(({ id }) => id === tooLarge)
      ? problemReply(413, 'TOO_LARGE')
      : settledReply(request.body),
  )
  store.batchFailed(
    store.waiting(10).map(({ id }) => id),
    'test',
  )
  sync.start()
  await timers.advance(1_000)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 1 })
  expect(store.inbox()).toMatchObject([{ id: tooLarge, code: 'TOO_LARGE' }])
})

test('413 on an app transaction: it is never cut, and refused as a whole', async () => {
  const { sync, timers, transport, store, write } = await open()
  write(4)
  write()
  transport.answerBy((request) => (size(request) > 1 ? problemReply(413, 'TOO_LARGE') : settledReply(request.body)))
  sync.start()
  await timers.advance(1_000)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
  expect(store.inbox().map(({ items }) => items.length)).toEqual([4])
})

test('[ST5] a lost answer: the operations are sent again with the same ids', async () => {
  const { sync, timers, transport, write } = await open()
  write(2)
  transport.answerBy(() => unreachable)
  sync.start()
  await timers.advance(0)
  transport.answerBy(({ body }) => settledReply(body))
  await timers.advance(61_000)
  const [first, second] = transport.requests.map(({ body }) => body.operations)
  expect(second).toEqual(first)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('[SE3] while a page is applied the next is on its way, from the cursor of the first', async () => {
  const { sync, timers, transport, store } = await open()
  const page = (index: number) => ({
    more: index < 3,
    cursor: `page${index}`,
    remaining: 6 - 2 * index,
    changes: [
      {
        collection: 'leads',
        columns: ['id', '$version', 'createdAt', 'updatedAt', 'name'],
        rows: [
          [`a${index}`, 1, 1, 1, 'A'],
          [`b${index}`, 1, 1, 1, 'B'],
        ],
      },
    ],
  })
  let requestsAtFirstPage = 0
  store.watch({ sql: 'select id from leads', parameters: [], tables: ['leads'] }, ({ rows }) => {
    if (rows !== '[]' && requestsAtFirstPage === 0) requestsAtFirstPage = transport.requests.length
  })
  transport.answerBy(({ body }, index) => settledReply(body, page(index)))
  sync.start()
  await timers.advance(0)
  expect(requestsAtFirstPage).toBe(2)
  expect(transport.requests.map(({ body }) => body.cursor)).toEqual([undefined, 'page0', 'page1', 'page2'])
  expect(sync.status()).toMatchObject({ kind: 'idle', completeness: 'complete', progress: null })
})

test.each([
  { outcome: 'taken', ahead: true },
  { outcome: 'refused', ahead: false },
  { outcome: 'missing', ahead: false },
])(
  '[SE3] while a batch is applied the next is on its way, but not past an operation that was $outcome',
  async (round) => {
    const { sync, timers, transport, store, write } = await open()
    sync.start()
    await timers.advance(0)
    const writes = batchOperationsMax / 500 + 1
    for (let count = 0; count < writes; count += 1) write(500)
    let requestsAtFirstOutcome = 0
    store.onCommit(() => {
      if (store.counts().pending < writes * 500 && requestsAtFirstOutcome === 0) {
        requestsAtFirstOutcome = transport.requests.length
      }
    })
    transport.answerBy(({ body }, index) => {
      const applied = (body.operations ?? []).map(({ id }) => ({ kind: 'applied', id, version: 1, place: 9 }))
      const last = applied.at(-1)
      if (index > 1 || last === undefined || round.outcome === 'taken') return settledReply(body)
      const refused = { kind: 'rejected', id: last.id, code: 'FORBIDDEN', field: null, problem: 'no.' }
      const rest = applied.slice(0, -1)
      return settledReply(body, { outcomes: round.outcome === 'refused' ? [...rest, refused] : rest })
    })
    await timers.advance(60_000)
    expect(requestsAtFirstOutcome).toBe(round.ahead ? 3 : 2)
    expect(sync.status().pending).toBe(0)
  },
)

const pageOf = (...records: readonly string[]) => ({
  changes: [
    {
      collection: 'leads',
      columns: ['id', '$version', 'createdAt', 'updatedAt', 'name'],
      rows: records.map((record) => [record, 1, 1, 1, 'Mona']),
    },
  ],
})

test('[SE3] [I-8] a page that is fetched ahead carries no later write past an operation without an outcome', async () => {
  const { sync, timers, transport, rename } = await open()
  transport.answerBy(({ body }) => settledReply(body, pageOf('a')))
  sync.start()
  await timers.advance(10)
  transport.answerBy(() => 'hold')
  const earlier = rename('a', 'earlier')
  await timers.advance(10)
  const later = rename('a', 'later')
  transport.answerBy(({ body }) => settledReply(body))
  transport.answer(settledReply({}, { more: true, cursor: 'page1' }))
  await timers.advance(60_000)
  const sent = transport.requests.flatMap(({ body }) => body.operations?.map(({ id }) => id) ?? [])
  expect(sent).toEqual([earlier, earlier, later])
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

/** A server or a proxy that cannot take some operations. */
function stubborn(transport: FakeTransport, bad: ReadonlySet<string>, answer: (body: SentBody) => SyncAnswer) {
  transport.answerBy(({ body }) => (body.operations?.some(({ id }) => bad.has(id)) ? answer(body) : settledReply(body)))
}
const without = (bad: ReadonlySet<string>) => (body: SentBody) =>
  settledReply({ ...body, operations: body.operations?.filter(({ id }) => !bad.has(id)) ?? [] })

test.each([
  { name: 'no outcome', answer: without, code: 'SERVER_ERROR' },
  { name: '413 of a proxy', answer: () => () => problemReply(413, null), code: 'TOO_LARGE' },
  { name: '500', answer: () => () => problemReply(500, 'SERVER_ERROR'), code: 'SERVER_ERROR' },
  { name: '400', answer: () => () => problemReply(400, 'MALFORMED'), code: 'MALFORMED' },
])(
  '[SE5] [SA1] [I-8] $name: what hangs on the operation waits behind it, all else is sent at once; nothing is refused',
  async ({ answer, code }) => {
    const { sync, timers, transport, store, rename } = await open()
    transport.answerBy(({ body }) => settledReply(body, pageOf('a', 'b')))
    sync.start()
    await timers.advance(10)
    const bad = new Set<string>([rename('a', 'first')])
    stubborn(transport, bad, answer(bad))
    for (let count = 0; count < 20; count += 1) rename('b', `before ${count}`)
    await timers.advance(10_000)
    rename('a', 'second')
    let slowestMs = 0
    for (let count = 0; count < 30; count += 1) {
      rename('b', `good ${count}`)
      let ms = 0
      for (; store.counts().pending > 2 && ms < 5_000; ms += 5) await timers.advance(5)
      slowestMs = Math.max(slowestMs, ms)
      await timers.advance(300)
    }
    expect(slowestMs).toBeLessThanOrEqual(10)
    await timers.advance(2_000)
    expect(sync.status()).toMatchObject({ kind: 'waiting', pending: 2, refused: 0, lastError: { code } })
    const [first, second] = store.waiting(2)
    expect(first?.attempts).toBeGreaterThan(3)
    expect(second?.attempts).toBe(0)
    transport.answerBy(({ body }) => settledReply(body))
    await timers.advance(61_000)
    expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 0, lastError: null })
  },
)

const hourMs = 3_600_000

test.each([
  { name: 'no outcome', answer: without },
  { name: '500', answer: () => () => problemReply(500, 'SERVER_ERROR') },
  { name: '400', answer: () => () => problemReply(400, 'MALFORMED') },
] as const)(
  '[SA4] [I-4] [I-10] $name, eight times on one operation alone: it is parked, what hung on it goes on, and a retry works',
  async ({ answer }) => {
    const { sync, timers, transport, store, rename, id } = await open()
    transport.answerBy(({ body }) => settledReply(body, pageOf('a', 'b')))
    sync.start()
    await timers.advance(10)
    const bad = new Set<string>([rename('a', 'first')])
    stubborn(transport, bad, answer(bad))
    const after = rename('a', 'second')
    rename('b', 'another')
    await timers.advance(hourMs)
    const sends = transport.requests.filter(({ body }) => body.operations?.some((sent) => bad.has(sent.id)))
    // The first failure may have come in a batch with others: by leaving it out the server told which, by a status not.
    expect(sends.filter(({ body }) => body.operations?.length === 1)).toHaveLength(answer === without ? 7 : 8)
    expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 1, lastError: null })
    expect(store.inbox()).toMatchObject([{ code: 'GAVE_UP', items: [{ fields: { name: 'first' } }] }])
    expect(transport.requests.flatMap(({ body }) => body.operations ?? []).some((sent) => sent.id === after)).toBe(true)
    transport.answerBy(({ body }) => settledReply(body))
    store.requeue({ id: store.inbox()[0]?.id ?? id(), by: id(), patch: null })
    sync.wrote()
    await timers.advance(10)
    expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 0 })
  },
)

test.each([
  { name: 'a proxy says 500', answer: problemReply(500, null) },
  { name: 'a proxy says 413', answer: problemReply(413, null) },
  { name: '502', answer: problemReply(502, null) },
  { name: '503', answer: problemReply(503, 'OVERLOADED') },
  { name: '429', answer: problemReply(429, 'OVERLOADED', 1_000) },
  { name: '408', answer: problemReply(408, null) },
  { name: 'no network', answer: unreachable },
  { name: 'a portal', answer: portal },
] as const)(
  '[SA4] [I-4] $name where one operation is sent: that counts for nothing, however long',
  async ({ answer }) => {
    const { sync, timers, transport, store, rename } = await open()
    transport.answerBy(({ body }) => settledReply(body, pageOf('a', 'b')))
    sync.start()
    await timers.advance(10)
    const bad = new Set<string>([rename('a', 'first')])
    stubborn(transport, bad, () => answer)
    for (let count = 0; count < 60; count += 1) {
      await sync.now()
      await timers.advance(60_000)
    }
    expect(store.waiting(1)[0]?.attempts).toBeGreaterThan(20)
    expect(store.counts()).toMatchObject({ pending: 1, refused: 0 })
  },
)

test('[SA4] [I-4] a server that fails on everything has parked nothing when it is well again', async () => {
  const { sync, timers, transport, store, write } = await open()
  for (let count = 0; count < 3; count += 1) write()
  for (let outage = 0; outage < 12; outage += 1) {
    transport.answerBy(() => problemReply(500, 'SERVER_ERROR'))
    if (outage === 0) sync.start()
    await timers.advance(600_000)
    transport.answerBy(({ body }) => (size({ body }) === 0 ? settledReply(body) : problemReply(503, 'OVERLOADED')))
    await timers.advance(600_000)
  }
  expect(store.counts()).toMatchObject({ pending: 3, refused: 0 })
  transport.answerBy(({ body }) => settledReply(body))
  await timers.advance(180_000)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 0 })
})

test('[SA4] where none of several is settled, each has to show alone whether it is at fault', async () => {
  const { sync, timers, transport, store, rename, write } = await open()
  transport.answerBy(({ body }) => settledReply(body, pageOf('a', 'b', 'c')))
  sync.start()
  await timers.advance(10)
  const bad = new Set<string>([rename('a', 'first'), rename('b', 'first')])
  stubborn(transport, bad, without(bad))
  await timers.advance(hourMs)
  expect(store.inbox()).toMatchObject([{ code: 'GAVE_UP' }, { code: 'GAVE_UP' }])
  // A rule that breaks for everything, mended in time.
  transport.answerBy(() => settledReply({}))
  for (let count = 0; count < 20; count += 1) write()
  await timers.advance(20_000)
  transport.answerBy(({ body }) => settledReply(body))
  await timers.advance(180_000)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 2 })
})

test('[SA4] [I-4] what waits for a server that is older than the app is not parked', async () => {
  const { sync, timers, transport, store, rename } = await open({ version: 2 })
  transport.answerBy(({ body }) => settledReply(body, pageOf('a')))
  sync.start()
  await timers.advance(10)
  const newer = new Set<string>([rename('a', 'first')])
  const settled = without(newer)
  stubborn(transport, newer, (body) => {
    const answer = settled(body)
    return answer.kind === 'reply' ? { kind: 'reply', body: { ...Object(answer.body), schema: 1 } } : answer
  })
  await timers.advance(hourMs)
  expect(store.waiting(1)[0]?.attempts).toBeGreaterThan(20)
  expect(store.counts()).toMatchObject({ pending: 1, refused: 0 })
})

test('[SE1] [I-4] a fault of the storage, at any moment, changes nothing about what becomes of an operation', {
  timeout: 60_000,
}, async () => {
  let isReached = true
  let n = 0
  for (; isReached; n += 1) {
    const { sync, timers, transport, driver, store, rename } = await open()
    transport.answerBy(({ body }) => settledReply(body, pageOf('a', 'b', 'c')))
    sync.start()
    await timers.advance(10)
    const refused = rename('a', 'refused')
    const failing = rename('b', 'fails three times')
    rename('c', 'good')
    let failures = 0
    transport.answerBy(({ body }) => {
      const ids = (body.operations ?? []).map((sent) => sent.id)
      if (ids.includes(failing) && failures < 3) {
        failures += ids.length === 1 ? 1 : 0
        return problemReply(500, 'SERVER_ERROR')
      }
      const rejected = { kind: 'rejected', id: refused, code: 'FORBIDDEN', field: null, problem: 'no.' }
      const taken = ids.filter((sent) => sent !== refused)
      const outcomes = taken.map((sent) => ({ kind: 'applied', id: sent, version: 1, place: 9 }))
      return settledReply(body, { outcomes: ids.includes(refused) ? [...outcomes, rejected] : outcomes })
    })
    driver.arm('fault', n + 1)
    for (let minute = 0; minute < 6; minute += 1) {
      await sync.now().catch(() => {})
      await timers.advance(60_000)
    }
    isReached = driver.wasReached
    driver.disarm()
    await sync.now()
    expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, refused: 1, lastError: null })
    expect(store.inbox()).toMatchObject([{ id: refused, code: 'FORBIDDEN', items: { length: 1 } }])
    expect(brokenInvariants(driver, schemaOf(1))).toEqual([])
    await ends.pop()?.()
  }
  expect(n).toBeGreaterThan(50)
})

test('[SE4] [I-13] a row with the effect of an operation whose reply was lost is shown only once that is known', async () => {
  const { sync, timers, transport, store, rename } = await open()
  transport.answerBy(({ body }) => settledReply(body, pageOf('a')))
  sync.start()
  await timers.advance(10)
  const seen: string[] = []
  store.watch({ sql: 'select "$version" from leads', parameters: [], tables: ['leads'] }, ({ rows }) => seen.push(rows))
  transport.answerBy(() => unreachable)
  rename('a', 'first')
  rename('a', 'second')
  await timers.advance(5)
  // Both have arrived: the row comes with the effect of both to whoever asks first.
  const row = { ...pageOf('a').changes[0], rows: [['a', 3, 1, 2, 'second']] }
  transport.answerBy(({ body }) =>
    settledReply(body, {
      changes: [row],
      outcomes: (body.operations ?? []).map(({ id }) => ({ kind: 'applied', id, version: 3, place: 3 })),
    }),
  )
  await timers.advance(5_000)
  expect(transport.requests.map(size).slice(1, 4)).toEqual([2, 1, 1])
  expect(seen).toEqual(['[[1]]', '[[3]]'])
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('[SA3] a server that settles nothing is not asked more often for the number of operations', async () => {
  const { sync, timers, transport, write } = await open()
  for (let count = 0; count < 200; count += 1) write()
  transport.answerBy(({ body }) => (size({ body }) === 0 ? settledReply(body) : problemReply(500, 'SERVER_ERROR')))
  sync.start()
  await timers.advance(60_000)
  const before = transport.requests.length
  await timers.advance(600_000)
  expect(transport.requests.length - before).toBeLessThan(600)
  transport.answerBy(({ body }) => settledReply(body))
  await timers.advance(180_000)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('a person does not wait for what was set aside', async () => {
  const { sync, timers, transport, write } = await open()
  write()
  transport.answerBy(() => settledReply({}))
  sync.start()
  for (let count = 0; count < 8; count += 1) await timers.advance(60_000)
  transport.answerBy(({ body }) => settledReply(body))
  await sync.now()
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('[I-8] an app transaction that was answered in part is sent again as a whole', async () => {
  const { sync, timers, transport, write } = await open()
  write(2)
  transport.answerBy(({ body }) => settledReply({ operations: body.operations?.slice(1) ?? [] }))
  sync.start()
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind: 'waiting', pending: 2 })
  transport.answerBy(({ body }) => settledReply(body))
  await timers.advance(61_000)
  expect(transport.requests.map(size).filter((count) => count > 0)).toEqual([2, 2])
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('a proxy that refuses an app transaction of two operations for its size puts nothing into the inbox', async () => {
  const { sync, timers, transport, write } = await open()
  write(2)
  write()
  transport.answerBy(({ body }) => (size({ body }) > 1 ? problemReply(413, null) : settledReply(body)))
  sync.start()
  await timers.advance(5_000)
  expect(sync.status()).toMatchObject({ kind: 'waiting', pending: 2, refused: 0, lastError: { code: 'TOO_LARGE' } })
})

test('a network that comes is confirmed by /health within 3 s before a round starts', async () => {
  const { sync, timers, transport, connectivity } = await open()
  transport.answerBy(() => unreachable)
  transport.setReachable(false)
  sync.start()
  await timers.advance(0)
  connectivity.tell('online')
  connectivity.tell('online')
  await timers.advance(999)
  expect([transport.probes, transport.requests.length]).toEqual([0, 1])
  await timers.advance(1)
  expect([transport.probes, transport.requests.length]).toEqual([1, 1])
  expect(sync.status().kind).toBe('offline')
  transport.setReachable(true)
  transport.answerBy(({ body }) => settledReply(body))
  connectivity.tell('online')
  await timers.advance(1_000)
  expect(sync.status().kind).toBe('idle')
})

test('a poke starts a round at once, with the timer at 10 minutes', async () => {
  const { sync, timers, transport } = await open()
  sync.start()
  await timers.advance(1_000)
  transport.streams()[0]?.onPoke()
  await timers.advance(0)
  expect(transport.requests).toHaveLength(2)
})

test('[PS3] [L-1] a stream that begins is pulled for once: a commit before its beginning poked nobody', async () => {
  const { sync, timers, transport } = await open()
  sync.start()
  await timers.advance(1_000)
  expect(transport.requests).toHaveLength(1)
  transport.streams()[0]?.onAlive()
  transport.streams()[0]?.onAlive()
  await timers.advance(1_000)
  expect(transport.requests).toHaveLength(2)
})

test('a poke stream that ends is asked about and opened again; a silent one counts as ended', async () => {
  const { sync, timers, transport } = await open()
  sync.start()
  await timers.advance(0)
  transport.streams()[0]?.onAlive()
  await timers.advance(0)
  transport.streams()[0]?.onEnd('lost')
  expect(transport.streams()).toHaveLength(0)
  await timers.advance(2_500)
  expect(transport.streams()).toHaveLength(1)
  expect(transport.requests).toHaveLength(3)
  transport.streams()[0]?.onAlive()
  await timers.advance(silenceMsMax + 3_000)
  expect(transport.streamsOpened).toBe(3)
})

test('a server that is gone is said within seconds, by the end of its poke stream', async () => {
  const { sync, timers, transport } = await open()
  sync.start()
  await timers.advance(0)
  transport.streams()[0]?.onAlive()
  transport.answerBy(() => unreachable)
  transport.setReachable(false)
  transport.streams()[0]?.onEnd('lost')
  await timers.advance(1_500)
  expect(sync.status()).toMatchObject({ kind: 'offline', lastError: { code: 'UNREACHABLE' } })
  expect(transport.streams()).toHaveLength(0)
})

test('[PS4] a network that goes while the poke stream is just being opened is said within seconds, too', async () => {
  const { sync, timers, transport } = await open()
  sync.start()
  await timers.advance(0)
  transport.answerBy(() => unreachable)
  transport.setReachable(false)
  transport.streams()[0]?.onEnd('lost')
  await timers.advance(1_500)
  expect(sync.status()).toMatchObject({ kind: 'offline', lastError: { code: 'UNREACHABLE' } })
})

test('paused by the person: the request that is out is ended and nothing more is sent, until resumed', async () => {
  const { sync, timers, transport, store, write } = await open()
  write()
  transport.answerBy(() => 'hold')
  sync.start()
  await timers.advance(0)
  sync.pause('user')
  await timers.advance(3_600_000)
  expect(store.waiting(1)).toMatchObject([{ state: 'pending' }])
  expect(sync.status()).toMatchObject({ kind: 'paused', why: 'user', pending: 1 })
  await sync.now()
  expect(transport.requests).toHaveLength(1)
  transport.answerBy(({ body }) => settledReply(body))
  sync.resume()
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0 })
})

test('storage in trouble is shown, and tried again after a minute', async () => {
  const { sync, timers, transport, store } = await open()
  sync.start()
  await timers.advance(0)
  store.close()
  sync.now().catch(() => {})
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind: 'attention', code: 'CLOSED' })
  expect(transport.requests).toHaveLength(1)
})

const troubles: readonly (SyncAnswer | 'hold' | 'good')[] = [
  'good',
  'good',
  'hold',
  unreachable,
  portal,
  problemReply(401, null),
  problemReply(413, 'TOO_LARGE'),
  problemReply(429, 'OVERLOADED', 20_000),
  problemReply(500, 'SERVER_ERROR'),
  problemReply(502, null),
  { kind: 'reply', body: {} },
]

test.each(Array.from({ length: 60 }, (_, index) => index + 1))(
  '[L-1] whatever happened, once the faults stop all arrives within three backoffs, seed %i',
  async (seed) => {
    const { sync, timers, transport, connectivity, write } = await open({ seed })
    const chance = createSeededRandom(seed + 1_000)
    const pick = <T>(items: readonly [T, ...T[]]): T => items[Math.floor(chance.next() * items.length)] ?? items[0]
    transport.answerBy(({ body }) => {
      const trouble = pick([unreachable, ...troubles])
      return trouble === 'good' ? settledReply(body, chance.next() < 0.3 ? { behind: true } : {}) : trouble
    })
    sync.start()
    for (let count = 0; count < 40; count += 1) {
      const act = pick<() => void>([
        () => write(1 + Math.floor(chance.next() * 3)),
        () => connectivity.tell(pick(['online', 'offline', 'foreground'])),
        () => transport.setReachable(chance.next() < 0.5),
        () => transport.streams()[0]?.onPoke(),
        () => transport.streams()[0]?.onEnd('lost'),
        () => void sync.now(),
        () => sync.tokenChanged(),
      ])
      act()
      await timers.advance(chance.next() * 5_000)
    }
    write()
    transport.setReachable(true)
    transport.answerBy(({ body }) => settledReply(body))
    await timers.advance(180_000)
    expect(sync.status()).toMatchObject({ kind: 'idle', pending: 0, lastError: null })
    const quiet = transport.requests.length
    await timers.advance(500_000)
    expect(transport.requests.length).toBeLessThanOrEqual(quiet + 1)
  },
)
