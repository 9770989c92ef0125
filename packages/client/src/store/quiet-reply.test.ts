import { expect, test } from 'vitest'
import { applied, createTestWorld, draft, notebook, notes, reply, user, wholeBatch } from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { createStore } from './create-store.ts'

async function idleDevice() {
  const world = createTestWorld()
  const driver = await nodeSqlite(':memory:')()
  const open = () => createStore({ driver, schema: notebook, user, ambient: world, report: () => undefined })
  const store = open()
  const now = () => world.clock.now()
  store.applyReply(
    [],
    reply({ changes: [notes([['a', 1, { title: 'A' }]])], cursor: '1', through: 1, serverTimeMs: now() }),
  )
  /** How many rows were written meanwhile. */
  const writes = (work: () => unknown): number => {
    const count = () => Number(driver.all('select total_changes()')[0]?.[0])
    const before = count()
    work()
    return count() - before
  }
  const round = () => store.applyReply([], reply({ through: 1, serverTimeMs: now() }))
  return { world, store, open, now, writes, round }
}

test('a reply that brings nothing writes nothing; when it came is known, and on the disk with the next transaction', async () => {
  const { world, store, open, now, writes, round } = await idleDevice()
  const first = now()
  world.wait(60_000)
  expect(writes(round)).toBe(0)
  expect(store.lastSyncedAt()).toBe(now())
  expect(open().lastSyncedAt()).toBe(first)
  world.wait(1_000)
  store.applyReply(
    [],
    reply({ changes: [notes([['a', 2, { title: 'B' }]])], cursor: '2', through: 2, serverTimeMs: now() }),
  )
  expect(open().lastSyncedAt()).toBe(now())
})

test('once an hour an idle device writes down that it has synced', async () => {
  const { world, open, now, writes, round } = await idleDevice()
  world.wait(3_599_000)
  expect(writes(round)).toBe(0)
  world.wait(1_000)
  expect(writes(round)).toBeGreaterThan(0)
  expect(open().lastSyncedAt()).toBe(now())
})

test('what says something is taken in: a cursor, an outcome, the end of an operation, another clock', async () => {
  const { world, store, now, writes, round } = await idleDevice()
  expect(writes(() => store.applyReply([], reply({ cursor: '2', through: 2, serverTimeMs: now() })))).toBeGreaterThan(0)
  expect(store.nextBatch(wholeBatch).cursor).toBe('2')

  store.write(draft(world, ['create', 'b', { title: 'B' }]))
  const { ids } = store.nextBatch(wholeBatch)
  const outcomes = ids.map((id) => applied(id, 1, 5))
  store.applyReply(ids, reply({ outcomes, through: 2, serverTimeMs: now() }))
  expect(store.counts().pending).toBe(0)
  // Acknowledged, and in no scope of this device: it ends with a reply that has nothing but the place.
  expect(writes(() => store.applyReply([], reply({ through: 5, serverTimeMs: now() })))).toBeGreaterThan(0)
  expect(writes(round)).toBe(0)

  const hoursAhead = now() + 7_200_000
  expect(writes(() => store.applyReply([], reply({ through: 5, serverTimeMs: hoursAhead })))).toBeGreaterThan(0)
})
