import { parseGeneration } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { applied, createTestWorld, draft, notebook, notes, reply, user, wholeBatch } from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { KeptOperation } from '../ports/queue-copy.ts'
import { createStore } from './create-store.ts'
import { readQueue } from './queue.ts'

const outbox = { operationsMax: 10, bytesMax: 1_000_000 }

async function device(operations: readonly KeptOperation[] = []) {
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld()
  const past = { kept: { owner: null, operations }, broken: null, device: null }
  const store = createStore({ driver, schema: notebook, user, ambient: world, outbox, past })
  onTestFinished(() => store.close())
  const write = (id: string) => store.write(draft(world, ['create', id, { title: 'A' }]))
  const fill = () => {
    for (let count = 0; count < 20; count += 1) write(`f${count}`)
  }
  return { driver, world, store, write, fill }
}

test('[L-4] what waits again after a restart counts for the next write', async () => {
  const d = await device()
  for (const [index, id] of ['a', 'b', 'c', 'd'].entries()) {
    d.write(id)
    const { ids, clock } = d.store.nextBatch(wholeBatch)
    const outcomes = ids.map((sent) => applied(sent, 1, index + 1))
    const through = index + 1
    d.store.applyReply(ids, reply({ outcomes, changes: [notes([[id, 1, {}]])], cursor: `c${through}`, through }), clock)
  }
  expect(d.store.counts().pending).toBe(0)
  // A room that is looked at only when it seems to be full has counted these four and forgotten none.
  for (const id of ['e', 'f', 'g', 'h', 'i', 'j', 'k']) {
    d.write(id)
  }
  const generation = parseGeneration('gen2')
  const serverTimeMs = d.world.clock.now()
  d.store.restart({ kind: 'generation', generation, fork: 0, cursor: null, retentionMs: 1e10, serverTimeMs }, 'c4')
  // Nothing of what comes back is dropped, though it is more than there is room for.
  expect(d.store.counts().pending).toBe(11)
  expect(d.fill).toThrow('11 changes wait to be sent')
  expect(d.store.counts().pending).toBe(11)
})

test('[L-4] [V-1] what is restored from the second copy counts for the next write', async () => {
  const before = await device()
  for (const id of ['a', 'b', 'c', 'd']) before.write(id)
  const after = await device(readQueue(before.driver))
  expect(after.store.counts().pending).toBe(4)
  expect(after.fill).toThrow(/OUTBOX_FULL/)
  expect(after.store.counts().pending).toBe(10)
})

test('[L-4] the refusal says how many changes wait and of how many bytes, and how much there may be', async () => {
  const d = await device()
  const made = draft(d.world, ['create', 'a', { title: 'A', body: 'x'.repeat(990_000) }])
  d.store.write(made)
  const bytes = Buffer.byteLength(String(readQueue(d.driver)[0]?.text))
  expect(() => d.store.write(draft(d.world, ['update', 'a', { body: 'y'.repeat(20_000) }]))).toThrow(
    `1 changes wait to be sent, of ${bytes} bytes; this device keeps 10, of 1000000 bytes.`,
  )
})
