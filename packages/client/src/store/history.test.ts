import { collection, defineSchema, type Json, parseUserId, t } from '@holdfast/core'
import { expect, test } from 'vitest'
import { type Arbiter, createArbiter } from '../contract/arbiter.ts'
import { brokenInvariants } from '../contract/store-invariants.ts'
import { type Change, createTestWorld, draft, type TestWorld, user, wholeBatch } from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { createStore } from './create-store.ts'
import type { DecisionItem, Side } from './store.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    notes: collection({
      fields: { title: t.text(), body: t.text({ default: '', merge: 'manual' }), count: t.counter() },
    }),
    kept: collection({ fields: { title: t.text(), count: t.counter() }, deletes: 'editWins' }),
  },
})

async function device(server: Arbiter, world: TestWorld, name = user) {
  const driver = await nodeSqlite(':memory:')()
  const store = createStore({ driver, schema, user: name, ambient: world })
  let cursor: string | null = null
  return {
    store,
    write: (...changes: readonly Change[]) => void store.write(draft(world, ...changes)),
    sync() {
      world.wait(1_000)
      const batch = store.nextBatch(wholeBatch)
      const outcomes = server.push(batch.operations)
      for (const page of server.pull(cursor)) {
        store.applyReply(batch.ids, { ...page, outcomes })
        cursor = page.cursor ?? cursor
      }
      expect(brokenInvariants(driver, schema)).toEqual([])
    },
    row: (id: string, table = 'notes') => {
      const query = { sql: `select * from ${table} where id = ?`, parameters: [id], tables: [table] }
      const { columns, rows } = store.query(query)
      const [values]: readonly (readonly Json[])[] = JSON.parse(rows)
      return values === undefined ? null : Object.fromEntries(columns.map((column, i) => [column, values[i] ?? null]))
    },
    restore: (decision: DecisionItem | undefined, side: Side) => {
      const tx = world.transactionId()
      const operationIds = [world.operationId(), world.operationId()]
      const request = { decision: decision?.id ?? 'none', side, tx, operationIds }
      const isWritten = store.restoreDropped(request)
      // A call that is repeated counts once.
      if (isWritten) expect(store.restoreDropped(request)).toBe(true)
      expect(brokenInvariants(driver, schema)).toEqual([])
      return { tx, isWritten }
    },
    explain: (field: string, table = 'notes') => store.explain(table, 'a', field),
  }
}

const bob = parseUserId('bob')

async function two() {
  const world = createTestWorld()
  const server = createArbiter(schema, () => world.clock.now())
  const [ann, other] = [await device(server, world), await device(server, world, bob)]
  ann.write(['create', 'a', { title: 'A' }], ['create', 'a', { title: 'A' }, 'kept'])
  ann.sync()
  other.sync()
  return { world, server, ann, bob: other }
}

/** Both wrote the title; bob's write was the later one, and arrived first. */
async function dropped() {
  const made = await two()
  made.ann.write(['update', 'a', { title: 'ann' }])
  made.world.wait(1_000)
  made.bob.write(['update', 'a', { title: 'bob' }])
  made.bob.sync()
  made.ann.sync()
  made.bob.sync()
  return made
}

test('a dropped value is in the history of every device that holds the record, with all that is known of it', async () => {
  const { ann, bob: other } = await dropped()
  for (const { store } of [ann, other]) {
    expect(store.history('notes', 'a')).toMatchObject([
      {
        collection: 'notes',
        record: 'a',
        field: 'title',
        strategy: 'lww',
        winner: 'remote',
        base: 'A',
        local: 'ann',
        remote: 'bob',
        result: 'bob',
        localBy: { user, device: ann.store.device },
        remoteBy: { user: bob, device: other.store.device },
        settledBy: null,
        dropped: ['local'],
      },
    ])
    expect(store.history('notes', 'b')).toEqual([])
    expect(store.history('kept', 'a')).toEqual([])
  }
})

test('newest first', async () => {
  const { world, ann, bob: other } = await dropped()
  ann.write(['update', 'a', { title: 'ann 2' }])
  world.wait(1_000)
  other.write(['update', 'a', { title: 'bob 2' }])
  other.sync()
  ann.sync()
  expect(ann.store.history('notes', 'a').map(({ local }) => local)).toEqual(['ann 2', 'ann'])
})

test('[I-5] a dropped value is written again as a new operation, and the undo takes it back', async () => {
  const { world, ann, bob: other } = await dropped()
  const [decision] = other.store.history('notes', 'a')
  const { tx } = other.restore(decision, 'local')
  expect(other.row('a')).toMatchObject({ title: 'ann', $sync: 'pending' })
  other.sync()
  ann.sync()
  expect([ann.row('a'), other.row('a')]).toMatchObject([{ title: 'ann' }, { title: 'ann' }])
  other.store.undo(tx, { tx: world.transactionId(), operationId: world.operationId })
  other.sync()
  ann.sync()
  expect([ann.row('a'), other.row('a')]).toMatchObject([{ title: 'bob' }, { title: 'bob' }])
})

test('what stands already is not written again', async () => {
  const { ann } = await dropped()
  expect(ann.restore(ann.store.history('notes', 'a')[0], 'remote').isWritten).toBe(false)
  expect(() => ann.restore(undefined, 'local')).toThrow(/NOT_FOUND/)
})

test('[I-20] of a record that is gone a dropped value brings it back, deleted here or by somebody else', async () => {
  for (const deletes of ['ann', 'bob'] as const) {
    const { ann, ...others } = await dropped()
    const deleter = deletes === 'ann' ? ann : others.bob
    deleter.write(['delete', 'a'])
    deleter.sync()
    ann.sync()
    expect(ann.row('a')).toBeNull()
    expect(ann.restore(ann.store.history('notes', 'a')[0], 'local').isWritten).toBe(true)
    if (deletes === 'ann') expect(ann.row('a')).toMatchObject({ title: 'ann', $sync: 'pending' })
    ann.sync()
    others.bob.sync()
    expect([ann.row('a'), others.bob.row('a')]).toMatchObject([{ title: 'ann' }, { title: 'ann' }])
  }
})

test('[I-20] a dropped deletion deletes; an edit that a deletion dropped brings the record back with its values', async () => {
  const { ann, bob: other } = await two()
  other.write(['update', 'a', { title: 'bob' }, 'kept'], ['update', 'a', { title: 'bob' }])
  ann.write(['delete', 'a', {}, 'kept'])
  ann.write(['delete', 'a'])
  other.sync()
  ann.sync()
  other.sync()
  expect(ann.row('a', 'kept')).toMatchObject({ title: 'bob' })
  expect(other.row('a')).toBeNull()
  const [deletion] = ann.store.history('kept', 'a')
  expect(deletion).toMatchObject({ field: '', strategy: 'editWins', local: null, dropped: ['local'] })
  ann.restore(deletion, 'local')
  expect(ann.row('a', 'kept')).toBeNull()
  const [edit] = other.store.history('notes', 'a')
  expect(edit).toMatchObject({ field: '', strategy: 'deleteWins', remote: { title: 'bob' }, dropped: ['remote'] })
  other.restore(edit, 'remote')
  expect(other.row('a')).toMatchObject({ title: 'bob', $sync: 'pending' })
  ann.sync()
  other.sync()
  ann.sync()
  expect([ann, other].map(({ row }) => [row('a')?.title, row('a', 'kept')])).toEqual([
    ['bob', null],
    ['bob', null],
  ])
  expect(ann.restore(deletion, 'local').isWritten).toBe(false)
})

test('with a record that leaves its decisions leave', async () => {
  const { server, ann } = await dropped()
  server.leave('notes', 'a')
  ann.sync()
  expect(ann.store.history('notes', 'a')).toEqual([])
})

test('why a field shows what it shows is said in one sentence', async () => {
  const { world, ann, bob: other } = await dropped()
  expect(ann.explain('count')).toEqual({
    value: 0,
    sync: 'synced',
    decisions: [],
    conflict: null,
    refused: [],
    because: 'It is the value that the server has. Nobody’s change of it was dropped.',
  })
  expect(ann.explain('title')).toMatchObject({
    value: 'bob',
    decisions: [{ local: 'ann' }],
    because: 'You and bob changed it without knowing of each other. The later change counts, so what bob wrote stands.',
  })
  expect(other.explain('title').because).toBe(
    'user-1 and you changed it without knowing of each other. The later change counts, so what you wrote stands.',
  )
  ann.write(['update', 'a', { title: 'new' }])
  expect(ann.explain('title')).toMatchObject({
    value: 'new',
    sync: 'pending',
    because: 'You changed it on this device, and the server has not confirmed that yet.',
  })
  ann.write(['update', 'a', { body: 'ann' }])
  other.write(['update', 'a', { body: 'bob' }])
  other.sync()
  ann.sync()
  other.sync()
  expect(ann.explain('body')).toMatchObject({
    value: 'ann',
    sync: 'conflict',
    conflict: { local: 'ann', remote: 'bob' },
    because:
      'You and bob changed it without knowing of each other. A person has to settle it. Until then this device shows what was written here.',
  })
  expect(other.explain('body').because).toMatch(/Until then the server’s value is shown\.$/)
  const [asked] = other.store.conflicts()
  other.store.settle({
    tx: world.transactionId(),
    operationIds: [world.operationId()],
    results: { [asked?.id ?? '']: 'both' },
  })
  other.sync()
  ann.sync()
  expect(ann.explain('body')).toMatchObject({
    value: 'both',
    because: 'You and bob changed it without knowing of each other. bob settled it: a third value stands.',
  })
  expect(() => ann.explain('nothing')).toThrow(/UNKNOWN_FIELD/)
  expect(ann.store.explain('notes', 'none', 'title')).toMatchObject({ value: null, sync: null })
})
