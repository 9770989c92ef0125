import {
  collection,
  defineSchema,
  type Json,
  parseUserId,
  type SharedTextType,
  type SyncReply,
  t,
  UsageError,
} from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import { type Arbiter, createArbiter } from '../contract/arbiter.ts'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  type Change,
  createTestWorld,
  draft,
  reply,
  type TestWorld,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createStore } from './create-store.ts'
import type { ConflictItem, Store } from './store.ts'

/** The least that the port asks for: the last change is the text. */
const plainText: SharedTextType = {
  documentOf: (text) => text,
  change: (_, text) => text,
  merge: (_, change) => ({ document: change, text: change }),
  written: (_, change) => change,
  without: (_, seen) => seen,
}

const visits = defineSchema({
  version: 1,
  collections: {
    notes: collection({
      fields: {
        title: t.text({ min: 1 }),
        body: t.text({ default: '', merge: 'manual' }),
        phone: t.text({ default: '', merge: 'manual' }),
        count: t.counter(),
      },
      search: ['title', 'body'],
      deletes: 'ask',
    }),
    plans: collection({ fields: { text: t.shared(plainText), tags: t.set(), count: t.counter() }, deletes: 'ask' }),
    forms: collection({ fields: { a: t.text(), b: t.text() }, merge: { kind: 'record', clash: 'manual' } }),
  },
})

interface Device {
  readonly driver: SqliteDriver
  readonly world: TestWorld
  store: Store
  write(...changes: readonly Change[]): void
  /** Sends what waits and takes what there is. */
  sync(): void
  row(id: string, name?: string): { readonly [column: string]: Json } | null
  settle(results: { readonly [conflict: string]: unknown }): void
  only(): ConflictItem
  reopen(): void
  check(): void
}

async function device(server: Arbiter, world: TestWorld, name = user): Promise<Device> {
  const driver = await nodeSqlite(':memory:')()
  let cursor: string | null = null
  const open = () =>
    createStore({
      driver,
      schema: visits,
      user: name,
      ambient: world,
      report: (problem) => expect.fail(String(problem)),
    })
  const made: Device = {
    driver,
    world,
    store: open(),
    write: (...changes) => void made.store.write(draft(world, ...changes)),
    sync() {
      world.wait(1_000)
      const batch = made.store.nextBatch(wholeBatch)
      const outcomes = server.push(batch.operations)
      const pages: readonly SyncReply[] = server.pull(cursor)
      for (const page of pages) made.store.applyReply(batch.ids, { ...page, outcomes })
      cursor = pages.at(-1)?.cursor ?? cursor
      made.check()
    },
    row: (id, table = 'notes') => {
      const query = { sql: `select * from ${table} where id = ?`, parameters: [id], tables: [table] }
      const { columns, rows } = made.store.query(query)
      const [values] = JSON.parse(rows)
      return values === undefined ? null : Object.fromEntries(columns.map((column, i) => [column, values[i]]))
    },
    settle: (results) => {
      const operationIds = Object.keys(results).map(() => world.operationId())
      made.store.settle({ tx: world.transactionId(), operationIds, results })
      made.check()
    },
    only: () => {
      const [item, ...others] = made.store.conflicts()
      if (item === undefined || others.length > 0) throw new Error('One conflict was expected.')
      return item
    },
    reopen: () => {
      made.store = open()
      made.check()
    },
    check: () => expect(brokenInvariants(driver, visits)).toEqual([]),
  }
  return made
}

const bob = parseUserId('bob')

/** Two devices of two users that hold the note `a` and the form `f`, and a server. */
async function two() {
  const world = createTestWorld()
  const server = createArbiter(visits, () => world.clock.now())
  const [ann, other] = [await device(server, world), await device(server, world, bob)]
  ann.write(['create', 'a', { title: 'A' }], ['create', 'f', { a: 'a0', b: 'b0' }, 'forms'])
  ann.sync()
  other.sync()
  return { world, server, ann, bob: other }
}

/** Both wrote `body` without knowing of each other; bob's arrived first, ann's became a conflict. */
async function disputed() {
  const made = await two()
  made.bob.write(['update', 'a', { body: 'bob' }])
  made.ann.write(['update', 'a', { body: 'ann' }])
  made.bob.sync()
  made.ann.sync()
  return made
}

describe('an open conflict', () => {
  test('[CD1] shows the author the own value and everybody else the server’s', async () => {
    const { ann, bob } = await disputed()
    bob.sync()
    expect(ann.row('a')).toMatchObject({ body: 'ann', $sync: 'conflict', $pending: null, $version: 3 })
    expect(bob.row('a')).toMatchObject({ body: 'bob', $sync: 'synced' })
    const item = { collection: 'notes', record: 'a', field: 'body', base: '', local: 'ann', remote: 'bob', revision: 1 }
    expect(ann.only()).toMatchObject({ ...item, isOwn: true, localBy: { user }, remoteBy: { user: bob.store.user } })
    expect(bob.only()).toMatchObject({ ...item, isOwn: false })
    expect([ann, bob].map(({ store }) => store.counts().conflicts)).toEqual([1, 1])
  })

  test('[I-12] [ST3] a live query never shows the author the other value', async () => {
    const { server, ann, bob } = await two()
    const seen: string[] = []
    const query = { sql: 'select body, "$sync" from notes', parameters: [], tables: ['notes'] }
    ann.store.watch(query, ({ rows }) =>
      seen.push(...JSON.parse(rows).map(([body, sync]: string[]) => `${body} ${sync}`)),
    )
    bob.write(['update', 'a', { body: 'bob' }])
    bob.sync()
    ann.write(['update', 'a', { body: 'ann' }])
    const { ids, operations } = ann.store.nextBatch(wholeBatch)
    const outcomes = server.push(operations)
    const [before, ...rest] = server.pull('1', 1)
    if (before === undefined || rest.length === 0) throw new Error('More pages were expected.')
    ann.store.applyReply(ids, { ...before, outcomes })
    for (const page of rest) ann.store.applyReply([], page)
    ann.check()
    expect(seen).toEqual([' synced', 'ann pending', 'ann conflict'])
  })

  test('[I-12] in a first sync the operation waits for the page with its conflict', async () => {
    const { world, server, ann, bob } = await two()
    ann.write(['update', 'a', { body: 'ann' }])
    bob.write(['update', 'a', { body: 'bob' }])
    bob.sync()
    // A schema that has grown pulls everything anew; here the device is as one that is not complete.
    ann.driver.run(`update _meta set value = '"partial"' where key = 'completeness'`)
    ann.reopen()
    const { ids, operations } = ann.store.nextBatch(wholeBatch)
    const outcomes = server.push(operations)
    const pages = server.pull(null, 1)
    const last = pages.findIndex(({ changes }) => changes.some(({ collection: name }) => name === '_conflicts'))
    expect(last).toBeGreaterThan(0)
    for (const [index, page] of pages.entries()) {
      ann.store.applyReply(index === 0 ? ids : [], { ...page, outcomes: index === 0 ? outcomes : [] })
      ann.check()
      expect(ann.row('a')).toMatchObject({ body: 'ann' })
    }
    expect(ann.row('a')).toMatchObject({ $sync: 'conflict' })
    world.wait(1)
  })

  test('is gone when it was settled elsewhere, also where its end comes on a page of its own', async () => {
    const { server, ann, bob } = await disputed()
    bob.sync()
    bob.settle({ [bob.only().id]: 'bob' })
    bob.sync()
    ann.driver.run(`update _meta set value = '"partial"' where key = 'completeness'`)
    ann.reopen()
    for (const page of server.pull(null, 1)) {
      ann.store.applyReply([], page)
      ann.check()
    }
    expect(ann.row('a')).toMatchObject({ body: 'bob', $sync: 'synced' })
    expect(ann.store.conflicts()).toEqual([])
  })

  test('is still there after a restart, is found by the own words, and stands beside edits of other fields', async () => {
    const { ann, bob } = await disputed()
    ann.reopen()
    expect(ann.store.search('notes', 'ann', 9)).toEqual(['a'])
    expect(ann.store.search('notes', 'bob', 9)).toEqual([])
    bob.write(['update', 'a', { title: 'Bob’s title' }])
    bob.sync()
    ann.sync()
    expect(ann.row('a')).toMatchObject({ title: 'Bob’s title', body: 'ann', $sync: 'conflict' })
    expect(ann.only()).toMatchObject({ remote: 'bob' })
  })

  test('a row with unsent edits is pending; an own edit amends the conflict and not the record', async () => {
    const { server, ann, bob } = await disputed()
    ann.write(['update', 'a', { body: 'ann 2' }])
    expect(ann.row('a')).toMatchObject({ body: 'ann 2', $sync: 'pending', $pending: '["body"]' })
    expect(ann.only()).toMatchObject({ local: 'ann 2', revision: 1 })
    ann.sync()
    bob.sync()
    expect(ann.row('a')).toMatchObject({ body: 'ann 2', $sync: 'conflict' })
    expect([ann.only(), bob.only()]).toMatchObject([
      { local: 'ann 2', remote: 'bob', revision: 2 },
      { local: 'ann 2', remote: 'bob', revision: 2 },
    ])
    expect(server.disputed('notes', 'a').record?.values.fields.body).toBe('bob')
  })

  test('both sides equal: nothing is left to settle', async () => {
    const { ann, bob } = await disputed()
    bob.sync()
    bob.write(['update', 'a', { body: 'ann' }])
    bob.sync()
    ann.sync()
    expect(ann.row('a')).toMatchObject({ body: 'ann', $sync: 'synced' })
    expect(ann.store.counts()).toMatchObject({ conflicts: 0 })
  })

  test('an app cannot write what the engine keeps', async () => {
    const { ann } = await disputed()
    expect(() => ann.write(['delete', ann.only().id, {}, '_conflicts'])).toThrow(/UNKNOWN_COLLECTION/)
  })
})

describe('a settlement', () => {
  test.each([
    ['the own side', 'ann'],
    ['the server’s side', 'bob'],
    ['a third value', 'both'],
  ])('[I-11] [SM2] %s is shown at once, offline and after a restart, and stands in the end', async (_, result) => {
    const { server, ann, bob } = await disputed()
    ann.settle({ [ann.only().id]: result })
    expect(ann.row('a')).toMatchObject({ body: result, $sync: 'pending' })
    expect(ann.store.conflicts()).toEqual([])
    expect(ann.store.counts()).toEqual({ pending: 1, refused: 0, conflicts: 0 })
    ann.reopen()
    expect(ann.row('a')).toMatchObject({ body: result, $sync: 'pending' })
    ann.sync()
    bob.sync()
    expect([ann, bob].map(({ row }) => row('a'))).toMatchObject([
      { body: result, $sync: 'synced' },
      { body: result, $sync: 'synced' },
    ])
    expect(server.disputed('notes', 'a').conflicts).toEqual([])
    expect(bob.store.conflicts()).toEqual([])
    const [decision] = bob.store.history('notes', 'a')
    expect(decision).toMatchObject({ strategy: 'manual', result, local: 'ann', remote: 'bob', settledBy: { user } })
  })

  test('[SM1] of another person closes it on both devices', async () => {
    const { ann, bob } = await disputed()
    bob.sync()
    bob.settle({ [bob.only().id]: 'ann' })
    expect(bob.row('a')).toMatchObject({ body: 'ann', $sync: 'pending' })
    bob.sync()
    ann.sync()
    expect(ann.row('a')).toMatchObject({ body: 'ann', $sync: 'synced' })
    expect(ann.store.conflicts()).toEqual([])
  })

  test('[CD2] asks again with the new side when the record has moved meanwhile', async () => {
    const { ann, bob } = await disputed()
    ann.settle({ [ann.only().id]: 'ann' })
    bob.sync()
    bob.write(['update', 'a', { body: 'bob 2' }])
    bob.sync()
    ann.sync()
    expect(ann.row('a')).toMatchObject({ body: 'ann', $sync: 'conflict' })
    expect(ann.only()).toMatchObject({ base: 'bob', local: 'ann', remote: 'bob 2' })
    ann.settle({ [ann.only().id]: 'bob 2' })
    ann.sync()
    bob.sync()
    expect([ann.row('a'), bob.row('a')]).toMatchObject([{ body: 'bob 2' }, { body: 'bob 2' }])
  })

  test('[CD2] that was refused leaves the conflict open as it was', async () => {
    const { server, ann } = await disputed()
    ann.settle({ [ann.only().id]: 'bob' })
    const batch = ann.store.nextBatch(wholeBatch)
    const outcomes = server.push(batch.operations, () => true)
    for (const page of server.pull(batch.cursor)) ann.store.applyReply(batch.ids, { ...page, outcomes })
    ann.check()
    expect(ann.only()).toMatchObject({ local: 'ann', remote: 'bob' })
    expect(ann.row('a')).toMatchObject({ body: 'ann', $sync: 'conflict' })
    const [group] = ann.store.inbox()
    if (group === undefined) throw new Error('A refused settlement was expected.')
    ann.store.requeue({ id: group.id, by: ann.world.operationId(), patch: null })
    expect(ann.store.conflicts()).toEqual([])
    ann.sync()
    expect(ann.row('a')).toMatchObject({ body: 'bob', $sync: 'synced' })
  })

  test('[SM3] with results that contradict each other is none', async () => {
    const { server, world, ann, bob } = await disputed()
    const sara = await device(server, world, parseUserId('sara'))
    sara.sync()
    sara.write(['update', 'a', { phone: '3' }])
    bob.write(['update', 'a', { phone: '1' }])
    ann.write(['update', 'a', { phone: '2' }])
    for (const one of [bob, ann, sara, bob]) one.sync()
    const [ofAnn, ofSara] = bob.store.conflicts().filter(({ field }) => field === 'phone')
    if (ofAnn === undefined || ofSara === undefined) throw new Error('Two conflicts were expected.')
    expect(() => bob.settle({ [ofAnn.id]: '2', [ofSara.id]: '3' })).toThrow(UsageError)
    expect(bob.store.counts()).toMatchObject({ pending: 0, conflicts: 3 })
    bob.settle({ [ofAnn.id]: '23', [ofSara.id]: '23' })
    bob.sync()
    expect(bob.only()).toMatchObject({ field: 'body' })
    expect(bob.row('a')).toMatchObject({ phone: '23' })
  })

  test('[SM3] that deletes a record says nothing of its fields', async () => {
    const { server, world, ann, bob } = await two()
    const sara = await device(server, world, parseUserId('sara'))
    sara.sync()
    bob.write(['update', 'a', { body: 'bob' }])
    ann.write(['update', 'a', { body: 'ann' }])
    sara.write(['delete', 'a'])
    for (const one of [bob, ann, sara, bob]) one.sync()
    const [body, whole] = bob.store.conflicts()
    if (body === undefined || whole === undefined) throw new Error('Two conflicts were expected.')
    expect([body.field, whole.field]).toEqual(['body', ''])
    expect(() => bob.settle({ [whole.id]: null, [body.id]: 'both' })).toThrow(UsageError)
    bob.settle({ [whole.id]: { title: 'Kept' }, [body.id]: 'both' })
    bob.sync()
    expect(bob.store.conflicts()).toEqual([])
    expect(bob.row('a')).toMatchObject({ title: 'Kept', body: 'both' })
  })

  test('[I-5] made twice by both people counts once each; said twice with the same ids it counts once', async () => {
    const { ann, bob } = await disputed()
    bob.sync()
    const request = {
      tx: ann.world.transactionId(),
      operationIds: [ann.world.operationId()],
      results: { [ann.only().id]: 'x' },
    }
    expect(ann.store.settle(request)).toBe(true)
    expect(ann.store.settle(request)).toBe(true)
    expect(ann.store.counts().pending).toBe(1)
    bob.settle({ [bob.only().id]: 'x' })
    ann.sync()
    bob.sync()
    ann.sync()
    expect([ann, bob].map(({ row }) => row('a')?.body)).toEqual(['x', 'x'])
    expect([ann, bob].flatMap(({ store }) => store.conflicts())).toEqual([])
  })

  test('[UN5] is not undone, sent or not: nothing changes, and a side comes back by the history', async () => {
    const { world, ann, bob } = await disputed()
    const tx = world.transactionId()
    ann.store.settle({ tx, operationIds: [world.operationId()], results: { [ann.only().id]: 'ann' } })
    const undo = () => ann.store.undo(tx, { tx: world.transactionId(), operationId: world.operationId })
    expect(undo).toThrow(UsageError)
    ann.sync()
    expect(undo).toThrow(/settled a conflict cannot be undone/)
    ann.sync()
    bob.sync()
    expect([ann, bob].map(({ row }) => row('a')?.body)).toEqual(['ann', 'ann'])
    expect(bob.store.history('notes', 'a')).toMatchObject([{ winner: 'local', local: 'ann', dropped: ['remote'] }])
  })

  test('of several conflicts at once is one transaction with one operation per record', async () => {
    const { world, ann, bob } = await two()
    bob.write(['update', 'a', { body: 'b1', phone: 'p1' }], ['update', 'f', { a: 'a1' }, 'forms'])
    ann.write(['update', 'a', { body: 'b2', phone: 'p2' }], ['update', 'f', { b: 'b2' }, 'forms'])
    bob.sync()
    ann.sync()
    const items = ann.store.conflicts()
    expect(items).toMatchObject([
      { field: 'body' },
      { field: 'phone' },
      { field: '', local: { a: 'a0', b: 'b2' }, remote: { a: 'a1', b: 'b0' } },
    ])
    const chosen: readonly Json[] = ['b2', 'p1', { a: 'a1', b: 'b2' }]
    const results = Object.fromEntries(items.map(({ id }, index) => [id, chosen[index] ?? null]))
    const tx = world.transactionId()
    ann.store.settle({ tx, operationIds: items.map(() => world.operationId()), results })
    ann.check()
    expect(ann.store.counts()).toMatchObject({ pending: 2, conflicts: 0 })
    ann.sync()
    bob.sync()
    for (const { row } of [ann, bob]) {
      expect(row('a')).toMatchObject({ body: 'b2', phone: 'p1' })
      expect(row('f', 'forms')).toMatchObject({ a: 'a1', b: 'b2' })
    }
    expect(bob.store.conflicts()).toEqual([])
  })

  test('[ST1] that breaks a rule, or speaks of no open conflict, writes nothing', async () => {
    const { ann } = await disputed()
    const { id } = ann.only()
    expect(() => ann.settle({ [id]: 5 })).toThrow(/INVALID_VALUE/)
    expect(() => ann.settle({ [id]: undefined })).toThrow(/INVALID_VALUE/)
    expect(() => ann.settle({ [id]: 'x', nothing: 'y' })).toThrow(/NOT_FOUND/)
    ann.settle({ [id]: 'x' })
    expect(() => ann.settle({ [id]: 'y' })).toThrow(/NOT_FOUND/)
    expect(ann.store.counts()).toEqual({ pending: 1, refused: 0, conflicts: 0 })
  })

  test('[CD1] after an unsent edit of the same field it is the result that stands', async () => {
    const { ann, bob } = await disputed()
    ann.write(['update', 'a', { body: 'ann 2' }])
    ann.settle({ [ann.only().id]: 'bob' })
    expect(ann.row('a')).toMatchObject({ body: 'bob' })
    ann.sync()
    bob.sync()
    expect([ann, bob].map(({ row }) => row('a')?.body)).toEqual(['bob', 'bob'])
    expect(ann.store.conflicts()).toEqual([])
  })
})

describe('the undo of an edit that became a conflict', () => {
  test('[UN2] takes the question back: the server’s value stands', async () => {
    const { world, server, ann, bob } = await two()
    bob.write(['update', 'a', { body: 'bob' }])
    const written = draft(world, ['update', 'a', { body: 'ann', title: 'Ann’s' }])
    ann.store.write(written)
    bob.sync()
    ann.sync()
    ann.store.undo(written.tx, { tx: world.transactionId(), operationId: world.operationId })
    ann.check()
    expect(ann.row('a')).toMatchObject({ body: 'bob', title: 'A', $sync: 'pending' })
    ann.sync()
    bob.sync()
    expect([ann.row('a'), bob.row('a')]).toMatchObject([
      { body: 'bob', title: 'A', $sync: 'synced' },
      { body: 'bob', title: 'A', $sync: 'synced' },
    ])
    expect(server.disputed('notes', 'a').conflicts).toEqual([])
  })

  test('does so with a record that is judged as a whole, and with one that somebody else has deleted', async () => {
    const { world, server, ann, bob } = await two()
    bob.write(['update', 'f', { a: 'bob' }, 'forms'], ['delete', 'a'])
    const written = draft(world, ['update', 'f', { b: 'ann' }, 'forms'], ['update', 'a', { title: 'Ann’s' }])
    ann.store.write(written)
    bob.sync()
    ann.sync()
    expect(ann.store.counts().conflicts).toBe(2)
    ann.store.undo(written.tx, { tx: world.transactionId(), operationId: world.operationId })
    ann.check()
    expect([ann.row('f', 'forms'), ann.row('a')]).toMatchObject([{ a: 'bob', b: 'b0' }, null])
    ann.sync()
    expect([ann.row('f', 'forms'), ann.row('a')]).toMatchObject([{ a: 'bob', b: 'b0', $sync: 'synced' }, null])
    expect(server.disputed('forms', 'f').conflicts).toEqual([])
    expect(server.disputed('notes', 'a').conflicts).toEqual([])
  })

  test('leaves the question where the author has written on: the own side is what it was before', async () => {
    const { world, ann } = await disputed()
    const written = draft(world, ['update', 'a', { body: 'ann 2' }])
    ann.store.write(written)
    ann.sync()
    ann.store.undo(written.tx, { tx: world.transactionId(), operationId: world.operationId })
    ann.sync()
    expect(ann.only()).toMatchObject({ local: 'ann', remote: 'bob' })
    expect(ann.row('a')).toMatchObject({ body: 'ann', $sync: 'conflict' })
  })
})

describe('deletion against edit, where a person is asked', () => {
  /** ann deleted what bob edited; bob's edit arrived first. */
  async function deletedByAnn() {
    const made = await two()
    made.bob.write(['update', 'a', { title: 'Bob’s' }])
    made.ann.write(['delete', 'a'])
    made.bob.sync()
    made.ann.sync()
    return made
  }

  /** ann edited what bob deleted; bob's deletion arrived first. */
  async function editedByAnn() {
    const made = await two()
    made.bob.write(['delete', 'a'])
    made.ann.write(['update', 'a', { title: 'Ann’s' }])
    made.bob.sync()
    made.ann.sync()
    return made
  }

  test('the record is gone for who deleted it, and there for all others; it stays so after a restart', async () => {
    const { ann, bob } = await deletedByAnn()
    bob.sync()
    ann.reopen()
    expect([ann.row('a'), bob.row('a')]).toMatchObject([null, { title: 'Bob’s', $sync: 'synced' }])
    expect(ann.only()).toMatchObject({ field: '', local: null, remote: { title: 'Bob’s' } })
    expect(ann.store.search('notes', 'Bob', 9)).toEqual([])
  })

  test.each([
    ['deleted', null],
    ['kept', { title: 'Bob’s' }],
    ['kept with another title', { title: 'Both' }],
  ])('[I-20] settled as %s', async (_, result) => {
    const { server, ann, bob } = await deletedByAnn()
    ann.settle({ [ann.only().id]: result })
    expect(ann.row('a')?.title ?? null).toBe(result?.title ?? null)
    ann.sync()
    bob.sync()
    expect([ann, bob].map(({ row }) => row('a')?.title ?? null)).toEqual([result?.title ?? null, result?.title ?? null])
    expect(server.disputed('notes', 'a').conflicts).toEqual([])
  })

  test('[I-20] to restore it, or to undo the deletion, is to keep what the others have', async () => {
    const { ann, bob } = await deletedByAnn()
    ann.write(['restore', 'a'])
    ann.check()
    expect(ann.row('a')).toMatchObject({ title: 'Bob’s', $sync: 'pending' })
    ann.sync()
    bob.sync()
    expect(ann.row('a')).toMatchObject({ title: 'Bob’s', $sync: 'synced' })
    expect(bob.row('a')).toMatchObject({ title: 'Bob’s' })
    expect(ann.store.conflicts()).toEqual([])
  })

  test('the record stays for who edited it, and is gone for all others', async () => {
    const { ann, bob } = await editedByAnn()
    bob.sync()
    expect([ann.row('a'), bob.row('a')]).toMatchObject([{ title: 'Ann’s', $sync: 'conflict' }, null])
    expect(bob.only()).toMatchObject({ field: '', local: { title: 'Ann’s' }, remote: null, isOwn: false })
    ann.reopen()
    ann.write(['update', 'a', { phone: '1' }])
    expect(ann.only()).toMatchObject({ local: { title: 'Ann’s', phone: '1' } })
    ann.sync()
    expect(ann.row('a')).toMatchObject({ title: 'Ann’s', phone: '1', $sync: 'conflict' })
  })

  test.each([
    ['ann', null],
    ['ann', { title: 'Ann’s' }],
    ['ann', { title: 'Both' }],
    ['bob', null],
    ['bob', { title: 'Ann’s' }],
  ] as const)('[I-20] settled by %s as %o', async (name, result) => {
    const { server, ...devices } = await editedByAnn()
    const { ann, bob } = devices
    bob.sync()
    const settler = devices[name]
    settler.settle({ [settler.only().id]: result })
    expect(settler.row('a')?.title ?? null).toBe(result?.title ?? null)
    settler.sync()
    ann.sync()
    bob.sync()
    expect([ann, bob].map(({ row }) => row('a')?.title ?? null)).toEqual([result?.title ?? null, result?.title ?? null])
    expect(server.disputed('notes', 'a').conflicts).toEqual([])
    expect(ann.store.counts()).toEqual({ pending: 0, refused: 0, conflicts: 0 })
  })
})

describe('a record that leaves', () => {
  test('[I-4] leaves the own side of its conflict in the inbox, and nothing of the other', async () => {
    const { server, ann, bob } = await disputed()
    server.leave('notes', 'a')
    ann.sync()
    bob.sync()
    expect(ann.row('a')).toBeNull()
    expect(ann.store.counts()).toEqual({ pending: 0, refused: 1, conflicts: 0 })
    const [group] = ann.store.inbox()
    expect(group).toMatchObject({ code: 'NOT_FOUND', kind: 'update', fields: { body: 'ann' }, was: { body: '' } })
    expect(JSON.stringify(ann.store.exportInbox())).not.toContain('bob')
    expect(ann.store.history('notes', 'a')).toEqual([])
    expect(bob.store.counts()).toEqual({ pending: 0, refused: 0, conflicts: 0 })
    expect(JSON.stringify(ann.driver.all('select * from _conflicts'))).toBe('[]')
  })

  test('[I-4] [LC1] of a whole record it keeps the fields that were changed, and nothing that the record holds already', async () => {
    const { server, ann, bob } = await two()
    bob.write(['delete', 'a'])
    ann.write(['update', 'a', { title: 'Ann’s' }])
    ann.write(['increment', 'a', { count: 2 }])
    bob.sync()
    ann.sync()
    server.leave('notes', 'a')
    ann.sync()
    const [group] = ann.store.inbox()
    expect(group?.items).toMatchObject([{ kind: 'update', fields: { title: 'Ann’s' } }])
    expect(server.disputed('notes', 'a').record?.values.fields.count).toBe(2)
  })

  test('[I-4] [LC1] what was added to sets and counters and written into a shared text stands in the record, and is not kept', async () => {
    const { server, ann, bob } = await two()
    ann.write(['create', 'p', { text: 'Go', tags: ['old'] }, 'plans'])
    ann.sync()
    bob.sync()
    bob.write(['delete', 'p', {}, 'plans'])
    bob.sync()
    ann.write(
      ['edit', 'p', { text: 'Go on' }, 'plans'],
      ['add', 'p', { tags: ['new'] }, 'plans'],
      ['remove', 'p', { tags: ['old'] }, 'plans'],
      ['increment', 'p', { count: 3 }, 'plans'],
    )
    ann.sync()
    const sides = ann.store.conflicts().map(({ local }) => local)
    server.leave('plans', 'p')
    ann.sync()
    expect(sides).toEqual([{ text: 'Go on', tags: ['new'], count: 3 }])
    expect(ann.store.inbox()).toEqual([])
    expect(server.disputed('plans', 'p').record?.values.fields).toEqual({ text: 'Go on', tags: ['new'], count: 3 })
  })

  test('[I-4] keeps its deletion', async () => {
    const { server, ann, bob } = await two()
    bob.write(['update', 'a', { body: 'bob' }])
    ann.write(['delete', 'a'])
    bob.sync()
    ann.sync()
    expect(ann.only()).toMatchObject({ field: '', local: null })
    server.leave('notes', 'a')
    ann.sync()
    expect(ann.store.inbox()).toMatchObject([{ kind: 'delete' }])
  })

  test.each([
    ['in one round', true],
    ['after the refusal was heard', false],
  ])('[LC2] what was written after its side is the last word, and lies there once (%s)', async (_, isOneRound) => {
    const { server, ann } = await disputed()
    ann.world.wait(1_000)
    ann.write(['update', 'a', { body: 'ann 2' }])
    server.leave('notes', 'a')
    if (!isOneRound) {
      const batch = ann.store.nextBatch(wholeBatch)
      ann.store.applyReply(batch.ids, reply({ outcomes: server.push(batch.operations) }))
    }
    ann.sync()
    const groups = ann.store.inbox()
    expect(groups).toMatchObject([{ fields: { body: 'ann 2' } }])
    server.enter('notes', 'a')
    ann.sync()
    for (const { id } of groups) ann.store.requeue({ id, by: ann.world.operationId(), patch: null })
    ann.sync()
    expect(ann.row('a')).toMatchObject({ body: 'ann 2' })
    expect(ann.store.counts()).toEqual({ pending: 0, refused: 0, conflicts: 1 })
  })

  test('[LC2] of several fields those are kept that were not written again; of a side that was settled, nothing', async () => {
    const { server, ann, bob } = await two()
    bob.write(['delete', 'a'])
    ann.write(['update', 'a', { title: 'Ann’s', body: 'ann' }])
    bob.sync()
    ann.sync()
    ann.write(['update', 'a', { body: 'ann 2' }])
    server.leave('notes', 'a')
    ann.sync()
    expect(ann.store.inbox()).toMatchObject([{ fields: { body: 'ann 2' } }, { fields: { title: 'Ann’s' } }])

    const other = await disputed()
    other.ann.settle({ [other.ann.only().id]: 'both' })
    other.server.leave('notes', 'a')
    other.ann.sync()
    expect(other.ann.store.inbox()).toMatchObject([{ fields: { body: 'both' } }])
  })

  test('comes back with its conflict, which its author is asked about again', async () => {
    const { server, ann } = await disputed()
    server.leave('notes', 'a')
    ann.sync()
    server.enter('notes', 'a')
    ann.sync()
    expect(ann.row('a')).toMatchObject({ body: 'ann', $sync: 'conflict' })
    expect(ann.only()).toMatchObject({ local: 'ann', remote: 'bob', isOwn: true })
    ann.settle({ [ann.only().id]: 'bob' })
    ann.sync()
    expect(ann.row('a')).toMatchObject({ body: 'bob', $sync: 'refused' })
    // The copy in the inbox is the person's to discard.
    expect(ann.store.counts()).toEqual({ pending: 0, refused: 1, conflicts: 0 })
  })

  test('a conflict that was settled just goes', async () => {
    const { ann, bob } = await disputed()
    bob.sync()
    bob.settle({ [bob.only().id]: 'bob' })
    bob.sync()
    ann.sync()
    expect(ann.store.counts()).toEqual({ pending: 0, refused: 0, conflicts: 0 })
    // What is remembered for restores is about records of the app.
    expect(ann.driver.all('select * from _deleted')).toEqual([])
  })
})
