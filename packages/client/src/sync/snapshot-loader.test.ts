/** A snapshot that loads, over a real store and a server in the test's hand. */
import { collection, defineSchema, parseOperationId, parseTransactionId, parseUserId, t } from '@holdfast/core'
import {
  createFakeClock,
  createFakeConnectivity,
  createFakeTimers,
  createFakeTransport,
  createSeededRandom,
  problemReply,
  type SentBody,
  settledReply,
} from '@holdfast/testing'
import { expect, onTestFinished, test } from 'vitest'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SyncAnswer } from '../ports/transport.ts'
import { createStore } from '../store/create-store.ts'
import { createSyncEngine } from './sync-engine.ts'

const schema = defineSchema({ version: 1, collections: { leads: collection({ fields: { name: t.text() } }) } })
const offer = { id: 'a'.repeat(32), parts: 4, rows: 8 }
const unreachable: SyncAnswer = { kind: 'unreachable', problem: 'no network.' }

/** Two leads a part. */
function partReply(part: number): SyncAnswer {
  const columns = ['id', '$version', 'createdAt', 'updatedAt', 'name']
  const values = [
    [`l${part}a`, `l${part}b`],
    [1, 1],
    [5, 5],
    [5, 5],
    ['Ann', 'Ben'],
  ]
  return { kind: 'reply', body: { cursor: `part${part}`, changes: [{ collection: 'leads', columns, values }] } }
}

/** The first request is answered with the offer, the others with outcomes; who asks for rows gets to the end. */
function answered(body: SentBody & { readonly pull?: string }): SyncAnswer {
  if (body.pull === 'snapshot')
    return settledReply(body, { more: true, snapshot: offer, remaining: 8, cursor: undefined })
  if (body.pull === 'nothing') return settledReply(body, { more: true, cursor: undefined })
  return settledReply(body)
}

async function open() {
  const clock = createFakeClock()
  const timers = createFakeTimers(clock)
  const random = createSeededRandom(7, clock)
  const ambient = { clock, timers, random }
  const transport = createFakeTransport()
  transport.answerBy(({ body }) => answered(body))
  transport.partsBy(partReply)
  const store = createStore({ driver: await nodeSqlite(':memory:')(), schema, user: parseUserId('ada'), ambient })
  const tokens: boolean[] = []
  const sync = createSyncEngine(
    {
      store,
      transport,
      connectivity: createFakeConnectivity(),
      ambient,
      token: async (fresh) => {
        tokens.push(fresh)
        return 'token'
      },
    },
    { schemaVersion: 1, storage: 'durable', pollMs: 600_000 },
  )
  onTestFinished(async () => {
    await sync.stop()
    store.close()
  })
  const write = () => {
    const id = parseOperationId(random.uuid())
    const operation = {
      id,
      collection: 'leads',
      record: random.uuid(),
      kind: 'create' as const,
      fields: { name: 'Mona' },
    }
    store.write({ tx: parseTransactionId(random.uuid()), operations: [operation] })
    sync.wrote()
  }
  const rows = (): number => {
    const query = { sql: 'select count(*) from leads', parameters: [], tables: ['leads'] }
    return JSON.parse(store.query(query).rows)[0][0]
  }
  /** What was asked for in `POST /sync`, with the number of operations. */
  const asked = () =>
    transport.requests.map(({ body }: { readonly body: SentBody & { readonly pull?: string } }) =>
      [body.pull ?? 'page', body.cursor ?? 'start', body.operations?.length ?? 0].join(' '),
    )
  return { timers, transport, store, sync, write, rows, asked, tokens }
}

test('the parts are taken in order, the next one on its way; then what changed since', async () => {
  const { sync, timers, transport, rows, asked } = await open()
  transport.partsBy((part) => (part === 1 ? 'hold' : partReply(part)))
  sync.start()
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind: 'syncing', completeness: 'partial', progress: { rows: 2, total: 8 } })
  transport.answer(partReply(1))
  await timers.advance(0)
  expect(transport.parts).toEqual([0, 1, 2, 3])
  expect(asked()).toEqual(['snapshot start 0', 'page part3 0'])
  expect(rows()).toBe(8)
  expect(sync.status()).toMatchObject({ kind: 'idle', completeness: 'complete', progress: null })
})

test('[SE6] what is written while it loads goes before the next part, for outcomes alone', async () => {
  const { sync, timers, transport, write, asked, store } = await open()
  transport.partsBy((part) => (part === 1 ? 'hold' : partReply(part)))
  sync.start()
  await timers.advance(0)
  write()
  transport.answerBy(({ body }) => {
    if (body.operations !== undefined) expect(transport.parts).toEqual([0, 1, 2])
    return answered(body)
  })
  transport.answer(partReply(1))
  await timers.advance(0)
  expect(asked()).toEqual(['snapshot start 0', 'nothing part1 1', 'page part3 0'])
  expect(store.counts().pending).toBe(0)
})

test('[SE4] no part is stored while operations may have arrived whose reply was lost', async () => {
  const { sync, timers, transport, write, rows, asked } = await open()
  transport.partsBy((part) => (part === 1 ? 'hold' : partReply(part)))
  sync.start()
  await timers.advance(0)
  write()
  transport.answerBy(() => unreachable)
  transport.answer(partReply(1))
  await timers.advance(0)
  expect(sync.status().kind).toBe('offline')
  expect(rows()).toBe(4 + 1)
  transport.answerBy(({ body }) => answered(body))
  await sync.now()
  expect(asked().slice(1)).toEqual(['nothing part1 1', 'nothing part1 1', 'page part3 0'])
  // What was written is not among the rows of this server.
  expect(rows()).toBe(8)
})

test.each([
  { name: '404 of ours', answer: problemReply(404, 'NOT_FOUND') },
  { name: '410 of ours', answer: problemReply(410, 'CURSOR_TOO_OLD') },
  { name: '500 of ours', answer: problemReply(500, 'SERVER_ERROR') },
  { name: 'JSON that is no part', answer: { kind: 'reply', body: { cursor: 'x', changes: 7 } } },
] as const)('[SL1] $name: the snapshot is dropped, and pages go on from the last part', async ({ answer }) => {
  const { sync, timers, transport, rows, asked, store } = await open()
  transport.partsBy((part) => (part === 2 ? answer : partReply(part)))
  sync.start()
  await timers.advance(0)
  expect(asked()).toEqual(['snapshot start 0', 'page part1 0'])
  expect(store.snapshotLoad()).toBe(null)
  expect(rows()).toBe(4)
  expect(sync.status()).toMatchObject({ kind: 'idle', completeness: 'complete' })
})

test.each([
  { name: 'no network', answer: unreachable, kind: 'offline' },
  { name: '404 of a portal', answer: problemReply(404, null), kind: 'offline' },
  { name: '503', answer: problemReply(503, 'OVERLOADED'), kind: 'waiting' },
  { name: '429', answer: problemReply(429, 'OVERLOADED', 5_000), kind: 'waiting' },
] as const)('[SL1] $name: backed off, and the same part is asked for again', async ({ answer, kind }) => {
  const { sync, timers, transport, rows } = await open()
  transport.partsBy((part) => (part === 2 ? answer : partReply(part)))
  sync.start()
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind, completeness: 'partial' })
  expect(rows()).toBe(4)
  transport.partsBy(partReply)
  await timers.advance(61_000)
  expect(transport.parts).toEqual([0, 1, 2, 2, 3])
  expect(rows()).toBe(8)
  expect(sync.status()).toMatchObject({ kind: 'idle', completeness: 'complete' })
})

test('a token that has run out is asked for anew, and the part with it', async () => {
  const { sync, timers, transport, rows, tokens } = await open()
  let refused = 0
  transport.partsBy((part) => {
    if (part !== 2 || refused > 0) return partReply(part)
    refused += 1
    return problemReply(401, 'UNAUTHENTICATED')
  })
  sync.start()
  await timers.advance(0)
  expect(tokens).toContain(true)
  expect(transport.parts).toEqual([0, 1, 2, 2, 3])
  expect(rows()).toBe(8)
})

test('a pause ends the part that is under way; it is asked for again afterwards', async () => {
  const { sync, timers, transport, rows } = await open()
  transport.partsBy((part) => (part === 2 ? 'hold' : partReply(part)))
  sync.start()
  await timers.advance(0)
  sync.pause('user')
  await timers.advance(0)
  expect(sync.status()).toMatchObject({ kind: 'paused', why: 'user', completeness: 'partial' })
  transport.partsBy(partReply)
  sync.resume()
  await timers.advance(0)
  expect(transport.parts).toEqual([0, 1, 2, 2, 3])
  expect(rows()).toBe(8)
})

test('[L-1] a server that accepts and never answers a part holds nobody', async () => {
  const { sync, timers, transport } = await open()
  transport.partsBy((part) => (part === 1 ? 'hold' : partReply(part)))
  sync.start()
  await timers.advance(30_000)
  expect(sync.status()).toMatchObject({ kind: 'offline', lastError: { code: 'UNREACHABLE' } })
  transport.partsBy(partReply)
  await timers.advance(61_000)
  expect(sync.status()).toMatchObject({ kind: 'idle', completeness: 'complete' })
})
