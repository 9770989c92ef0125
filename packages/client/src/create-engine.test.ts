/** The engine over a store and a sync in the test's hand. */
import { collection, defineSchema, parseOperationId, parseTransactionId, parseUserId, t } from '@holdfast/core'
import {
  createFakeClock,
  createFakeConnectivity,
  createFakeTimers,
  createFakeTransport,
  createSeededRandom,
} from '@holdfast/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createEngine } from './create-engine.ts'
import { nodeSqlite } from './drivers/node-sqlite.ts'
import { createStore } from './store/create-store.ts'
import type { Store } from './store/store.ts'
import { createSyncEngine } from './sync/sync-engine.ts'
import { write } from './write-handle.ts'

const schema = defineSchema({ version: 1, collections: { leads: collection({ fields: { name: t.text() } }) } })

async function open() {
  const clock = createFakeClock()
  const timers = createFakeTimers(clock)
  const random = createSeededRandom(7, clock)
  const ambient = { clock, timers, random }
  const store = createStore({ driver: await nodeSqlite(':memory:')(), schema, user: parseUserId('ada'), ambient })
  let looks = 0
  const counted: Store = {
    ...store,
    fate(tx) {
      looks += 1
      return store.fate(tx)
    },
  }
  const sync = createSyncEngine(
    {
      store,
      transport: createFakeTransport(),
      connectivity: createFakeConnectivity(),
      ambient,
      token: async () => 'token',
    },
    { schemaVersion: 1, storage: 'durable', pollMs: 600_000 },
  )
  const engine = createEngine({ store: counted, sync, schema, wipe: async () => {}, keeper: null, isDurable: true })
  onTestFinished(() => engine.close())
  async function create() {
    const tx = parseTransactionId(random.uuid())
    const id = parseOperationId(random.uuid())
    const fields = { name: 'Mona' }
    const operations = [{ id, collection: 'leads', record: random.uuid(), kind: 'create' as const, fields }]
    await engine.ask('write', { tx, operations })
    return tx
  }
  return { engine, random, sync, timers, create, looks: () => looks }
}

test('a write does not look at those who wait for the server; its answer does, once for each', async () => {
  const { engine, sync, timers, create, looks } = await open()
  const waiting: Promise<unknown>[] = []
  for (let count = 0; count < 50; count += 1) waiting.push(engine.ask('settled', { tx: await create() }))
  expect(looks()).toBe(50)
  sync.start()
  await timers.advance(10)
  expect(await Promise.all(waiting)).toHaveLength(50)
  expect(looks()).toBe(100)
})

test('a write that changes nothing has settled, and there is nothing to undo', async () => {
  const { engine, random } = await open()
  const parts = { engine, random, onSaved: () => {} }
  const draft = (kind: 'create' | 'update') => ({
    tx: parseTransactionId(random.uuid()),
    operations: [
      { id: parseOperationId(random.uuid()), collection: 'leads', record: 'a', kind, fields: { name: 'Mona' } },
    ],
  })
  await write(parts, draft('create'), undefined)
  const idle = write(parts, draft('update'), undefined)
  expect(await idle.settled).toEqual([])
  expect(await idle.undo().settled).toEqual([])
})
