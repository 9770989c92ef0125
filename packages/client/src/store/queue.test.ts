import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { EngineError, parseDeviceId, parseOperation } from '@holdfast/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { failingDriver } from '../contract/failing-driver.ts'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  createModelServer,
  createTestWorld,
  draft,
  notebook,
  reply,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { KeptOperation, KeptQueue } from '../ports/queue-copy.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createStore } from './create-store.ts'
import type { Past, Store } from './store.ts'

const nothingSalvaged: Past['broken'] = {
  over: new Map(),
  settled: [],
  generation: null,
  settings: { values: new Map(), areWhole: true },
}
const nothing: Past = { kept: { owner: null, operations: [] }, broken: null, device: null }

const step = fc.record({
  kind: fc.constantFrom('write', 'unit', 'broken', 'round', 'refusing', 'discard', 'undiscard', 'retry', 'copy'),
  n: fc.integer({ min: 0, max: 3 }),
})

test('[QU1] the noted changes, laid one over the other, are the queue: whatever happens to it in between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const driver = await nodeSqlite(':memory:')()
      const world = createTestWorld()
      const server = createModelServer()
      const store = createStore({ driver, schema: notebook, user, ambient: world, past: nothing })
      const mirror = new Map<string, KeptOperation>()
      const discarded: Parameters<Store['undiscard']>[0][] = []
      for (const { kind, n } of [...steps, { kind: 'copy', n: 0 }]) {
        try {
          perform(kind, n)
        } catch (error) {
          if (!(error instanceof EngineError)) throw error // A rule of the device.
        }
      }
      driver.close()

      function perform(kind: string, n: number): void {
        const [item] = store.inbox()
        switch (kind) {
          case 'write':
            store.write(draft(world, ['create', `r${n}`, { title: 't' }]))
            return
          case 'unit':
            store.write(draft(world, ['update', `r${n}`, { title: 'u' }], ['increment', `r${n}`, { count: 1 }]))
            return
          case 'broken':
            store.write(draft(world, ['create', world.operationId(), { title: 't' }], ['update', 'nobody', {}]))
            return
          case 'round':
          case 'refusing': {
            const batch = store.nextBatch(wholeBatch)
            const outcomes = server.push(batch.operations, () => kind === 'refusing')
            // Without the rows now and then: then what was acknowledged stays in the outbox.
            const pages = n === 0 ? [{}] : server.pull(batch.cursor, 100)
            for (const page of pages) store.applyReply(batch.ids, reply({ ...page, outcomes }))
            return
          }
          case 'discard':
            if (item !== undefined) {
              store.discard(item.id)
              discarded.push(item.id)
            }
            return
          case 'undiscard': {
            const last = discarded.pop()
            if (last !== undefined) store.undiscard(last)
            return
          }
          case 'retry':
            if (item !== undefined) store.requeue({ id: item.id, by: world.operationId(), patch: null })
            return
          default: {
            const { put, remove } = store.takeQueueChanges()
            for (const operation of put) mirror.set(operation.id, operation)
            for (const id of remove) mirror.delete(id)
            expect([...mirror.values()].sort((a, b) => a.seq - b.seq)).toEqual(store.queue())
            expect(store.takeQueueChanges()).toEqual({ put: [], remove: [] })
          }
        }
      }
    }),
    { numRuns: 150 },
  )
})

/** A queue as a device leaves it: a refused operation, a transaction of two, an increment on a record that is on the server. */
async function leftQueue(): Promise<KeptQueue> {
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld()
  const store = createStore({ driver, schema: notebook, user, ambient: world, past: nothing })
  const server = createModelServer()
  store.write(draft(world, ['create', 'refused', { title: 'r' }]))
  const { ids, operations } = store.nextBatch(wholeBatch)
  store.applyReply(ids, reply({ outcomes: server.push(operations, () => true) }))
  store.write(draft(world, ['create', 'a', { title: 'A' }], ['create', 'b', { title: 'B' }]))
  store.write(draft(world, ['update', 'a', { title: 'A2' }]))
  store.write(draft(world, ['increment', 'a', { count: 3 }]))
  const kept = { owner: { user: store.user, device: store.device }, operations: store.queue() }
  driver.close()
  return kept
}

const shownIn = (driver: SqliteDriver) => driver.all('select id, title, count, "$sync" from notes order by id')

test('[QU2] [QU3] [I-5] what is restored keeps ids and texts, stands before what is written next, and is shown', async () => {
  const kept = await leftQueue()
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld()
  for (let n = 0; n < 100; n += 1) world.operationId() // Those of the other device are taken.
  const store = createStore({ driver, schema: notebook, user, ambient: world, past: { ...nothing, kept } })
  expect(store.queue().map(({ id, text, refused }) => ({ id, text, refused }))).toEqual(
    kept.operations.map(({ id, text, refused }) => ({ id, text, refused })),
  )
  expect(store.notice()).toMatchObject({ kind: 'recovered', rescued: 5 })
  expect(shownIn(driver)).toEqual([
    ['a', 'A2', 3, 'pending'],
    ['b', 'B', 0, 'pending'],
  ])
  store.write(draft(world, ['create', 'c', { title: 'C' }]))
  const texts = store.nextBatch(wholeBatch).operations
  const [last, ...before] = texts.map((text) => parseOperation(JSON.parse(text))).reverse()
  expect(last?.record).toBe('c')
  for (const { device, time } of before) {
    expect(last?.device).not.toBe(device)
    expect(last?.time.epoch).toBeGreaterThan(time.epoch)
  }
  expect(brokenInvariants(driver, notebook)).toEqual([])
})

test('[QU2] a transaction of which a part is lost waits for a person; what is not this user’s, or no operation, is left', async () => {
  const kept = await leftQueue()
  const operations = kept.operations.flatMap((one, index): readonly KeptOperation[] => {
    if (index === 1) return [] // The first of the two.
    if (index === 3) return [{ ...one, text: one.text.replace('"user":"user-1"', '"user":"user-2"') }]
    return index === 4 ? [{ ...one, text: one.text.slice(0, -9) }] : [one]
  })
  const problems: unknown[] = []
  const driver = await nodeSqlite(':memory:')()
  const past: Past = { ...nothing, kept: { ...kept, operations } }
  const report = (problem: unknown) => problems.push(problem)
  const store = createStore({ driver, schema: notebook, user, ambient: createTestWorld(), past, report })
  expect(store.queue().map(({ refused }) => refused?.code)).toEqual(['FORBIDDEN', 'TRANSACTION_INCOMPLETE'])
  expect(problems.map((problem) => problem instanceof EngineError && problem.code)).toEqual([
    'USER_MISMATCH',
    'STORAGE_CORRUPT',
  ])
  expect(store.hasNext({ aside: new Set(), only: null })).toBe(false)
})

test('[QU4] [V-1] a copy that is left behind and the file that was made from it are in order together, whatever breaks next', async () => {
  const left = await leftQueue()
  // The device had settled others before.
  const kept = { ...left, operations: left.operations.map((one) => ({ ...one, seq: one.seq + 20 })) }
  const world = createTestWorld()
  for (let n = 0; n < 100; n += 1) world.operationId()
  const openWith = async (operations: readonly KeptOperation[]) => {
    const past: Past = { ...nothing, kept: { ...kept, operations }, broken: nothingSalvaged }
    return createStore({ driver: await nodeSqlite(':memory:')(), schema: notebook, user, ambient: world, past })
  }
  const second = await openWith(kept.operations)
  second.write(draft(world, ['update', 'b', { title: 'B2' }]))
  second.write(draft(world, ['update', 'b', { title: 'B3' }]))
  const order = second.queue().map(({ id }) => id)
  // What the copy says of an operation counts, and the rest is from the file.
  const fromFile = second.queue().filter(({ id }) => !kept.operations.some((one) => one.id === id))
  expect(fromFile).toHaveLength(2)
  const third = await openWith([...fromFile, ...kept.operations])
  expect(third.queue().map(({ id }) => id)).toEqual(order)
  second.close()
  third.close()
})

test('[QU4] [I-4] numbers that are taken already: what is restored stands behind what is there, in its old order', async () => {
  const kept = await leftQueue()
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld()
  for (let n = 0; n < 100; n += 1) world.operationId()
  const before = createStore({ driver, schema: notebook, user, ambient: world, past: nothing })
  before.write(draft(world, ['create', 'c', { title: 'C' }]))
  before.write(draft(world, ['update', 'c', { title: 'C2' }]))
  const own = before.queue().map(({ id }) => id)
  const store = createStore({ driver, schema: notebook, user, ambient: world, past: { ...nothing, kept } })
  expect(store.queue().map(({ id }) => id)).toEqual([...own, ...kept.operations.map(({ id }) => id)])
  store.write(draft(world, ['update', 'c', { title: 'C3' }]))
  expect(brokenInvariants(driver, notebook)).toEqual([])
  driver.close()
})

// Each call of it, on a disk that others use as well.
test.each(['fault', 'kill'] as const)(
  '[V-1] [I-4] %s at each call of an opening that restores',
  { timeout: 60_000 },
  async (how) => {
    const kept = await leftQueue()
    const saved = new Set(kept.operations.map(({ id }) => String(id)))
    const past: Past = { ...nothing, kept }
    const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-restore-'))
    try {
      let n = 0
      let wasReached = true
      while (wasReached) {
        n += 1
        const file = path.join(folder, `${n}.db`)
        const opened = await nodeSqlite(file)()
        opened.exec('pragma synchronous = off')
        const driver = failingDriver(opened)
        driver.arm(how, n)
        const open = () => createStore({ driver, schema: notebook, user, ambient: createTestWorld(), past })
        if (attempt(open) instanceof Error) expect(driver.wasReached).toBe(true)
        wasReached = driver.wasReached
        // What lies on the disk, WAL included: closing would tidy it up.
        const left = path.join(folder, `${n}-left.db`)
        for (const end of ['', '-wal']) if (existsSync(file + end)) copyFileSync(file + end, left + end)
        attempt(() => opened.close())
        const again = await nodeSqlite(left)()
        const store = createStore({ driver: again, schema: notebook, user, ambient: createTestWorld(), past })
        expect(brokenInvariants(again, notebook, saved)).toEqual([])
        expect(store.queue().map(({ text }) => text)).toEqual(kept.operations.map(({ text }) => text))
        again.close()
      }
      expect(n).toBeGreaterThan(20)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

test('[V-2] a new database beside a mark was removed; beside no mark, or with its copy, it was not', async () => {
  const device = parseDeviceId('00000000-0000-7000-8000-0000000000ff')
  const noticeWith = async (past: Past) => {
    const driver = await nodeSqlite(':memory:')()
    const store = createStore({ driver, schema: notebook, user, ambient: createTestWorld(), past })
    const { previousDevice } = store.nextBatch(wholeBatch)
    driver.close()
    return [store.notice()?.kind ?? null, previousDevice]
  }
  const owner = { user, device }
  expect(await noticeWith({ ...nothing, device })).toEqual(['evicted', device])
  expect(await noticeWith(nothing)).toEqual([null, null])
  expect(await noticeWith({ ...nothing, kept: { owner, operations: [] }, device })).toEqual(['recovered', null])
  expect(await noticeWith({ ...nothing, broken: nothingSalvaged, device })).toEqual(['recovered', null])
  expect(await noticeWith({ ...nothing, kept: null, device })).toEqual([null, null])
})

function attempt(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return error
  }
}
