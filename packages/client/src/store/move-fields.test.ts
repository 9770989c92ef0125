import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { changed, collection, defineSchema, type Json, renamed, type Schema, split, t } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { failingDriver } from '../contract/failing-driver.ts'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  applied,
  createTestWorld,
  draft,
  notebook,
  notes,
  reply,
  type TestWorld,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createStore } from './create-store.ts'
import type { Store } from './store.ts'

const numbers = changed('done', 'state', {
  was: t.boolean(),
  up: (done) => (done ? 'closed' : 'open'),
  down: (state: string) => state === 'closed',
})
const parts = split('title', ['head', 'tail'], {
  was: t.text(),
  up: (title): readonly [string, string] => [title.split(' ')[0] ?? '', title.split(' ').slice(1).join(' ')],
  down: ([head, tail]) => `${head} ${tail}`.trim(),
})
/** The notebook, three versions on. */
const later = laterWith(numbers)

function laterWith(state: typeof numbers) {
  return defineSchema({
    version: 4,
    migrations: {
      2: { notes: [renamed('phone', 'number'), renamed('count', 'visits')] },
      4: { notes: [renamed('number', 'mobile'), state, parts] },
    },
    collections: {
      ...notebook.collections,
      notes: collection({
        fields: {
          head: t.text(),
          tail: t.text(),
          body: t.text({ default: '' }),
          mobile: t.text({ default: '' }),
          state: t.text(),
          visits: t.counter(),
          price: t.real({ optional: true }),
          extra: t.json({ optional: true }),
        },
        indexes: [['state', 'updatedAt']],
        search: ['head', 'tail', 'mobile'],
      }),
    },
  })
}

const all = { sql: 'select * from notes order by id', parameters: [], tables: ['notes'] }
const rowsOf = (store: Store) => {
  const { columns, rows } = store.query(all)
  const parsed: readonly (readonly Json[])[] = JSON.parse(rows)
  return parsed.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])))
}

/** A file with what is confirmed, what is edited over it, what is new, and pages that wait for their last. */
async function filled() {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-move-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const world = createTestWorld()
  const file = path.join(folder, 'before.sqlite')
  const driver = await nodeSqlite(file)()
  const store = open(driver, notebook, world)
  const pulled = notes([
    ['a', 3, { title: 'Mona Adel', phone: '0123456789', done: true, count: 2, price: 1.5, extra: { x: 1 } }],
    ['b', 1, { title: 'Nour Aly', phone: '', done: false, count: 0 }],
  ])
  store.applyReply([], reply({ changes: [pulled], cursor: 'c1' }))
  store.write(draft(world, ['update', 'a', { title: 'Mona Hassan', done: false }], ['increment', 'a', { count: 5 }]))
  store.write(draft(world, ['create', 'n', { title: 'New One', phone: '77', done: true }]))
  store.applyReply(
    [],
    reply({
      changes: [notes([['b', 2, { title: 'Staged Page', phone: '9', done: true, count: 1 }]])],
      cursor: 'c2',
      more: true,
    }),
  )
  driver.close()
  let copies = 0
  const copy = () => {
    copies += 1
    const next = path.join(folder, `${copies}.sqlite`)
    copyFileSync(file, next)
    return next
  }
  return { world, copy }
}

function open(driver: SqliteDriver, schema: Schema, ambient: TestWorld, report = (_: unknown) => {}): Store {
  return createStore({ driver, schema, user, ambient, report })
}

const expected = [
  {
    id: 'a',
    head: 'Mona',
    tail: 'Hassan',
    mobile: '0123456789',
    state: 'open',
    visits: 7,
    price: 1.5,
    $sync: 'pending',
    $version: 3,
  },
  { id: 'b', head: 'Nour', tail: 'Aly', mobile: '', state: 'open', visits: 0, $sync: 'synced', $version: 1 },
  { id: 'n', head: 'New', tail: 'One', mobile: '77', state: 'closed', visits: 0, $sync: 'pending', $version: 0 },
]

test('[DM2] rows, what is folded over them, search and staged pages have the new form, and nothing is pulled for it', async () => {
  const { world, copy } = await filled()
  const driver = await nodeSqlite(copy())()
  const store = open(driver, later, world)
  const rows = rowsOf(store)
  expect(rows).toMatchObject(expected)
  expect(JSON.parse(String(rows[0]?.$pending))).toEqual(['head', 'state', 'tail', 'visits'])
  expect(rows[0]).not.toHaveProperty('title')
  expect(store.search('notes', 'hassan', 9)).toEqual(['a'])
  expect(store.search('notes', '789', 9)).toEqual(['a'])
  expect(brokenInvariants(driver, later)).toEqual([])
  const batch = store.nextBatch(wholeBatch)
  expect(batch.cursor).toBe('c2')
  expect(batch.operations.map((text) => JSON.parse(text).schemaVersion)).toEqual([1, 1, 1])
  const [first, second] = batch.ids
  if (first === undefined || second === undefined) throw new Error('The queue lost something.')
  store.applyReply(batch.ids, reply({ cursor: 'c3', outcomes: [applied(first, 4), applied(second, 5)] }))
  expect(rowsOf(store)[1]).toMatchObject({
    id: 'b',
    head: 'Staged',
    tail: 'Page',
    mobile: '9',
    state: 'closed',
    visits: 1,
    $version: 2,
  })
  driver.close()
})

test('[DM2] after a newer server had brought rows down, everything is pulled again; meanwhile it is shown', async () => {
  const { world, copy } = await filled()
  const file = copy()
  const driver = await nodeSqlite(file)()
  open(driver, notebook, world).applyReply([], { ...reply({ cursor: 'c3' }), serverSchema: 4 })
  driver.close()
  const again = await nodeSqlite(file)()
  const store = open(again, later, world)
  expect(store.nextBatch(wholeBatch).cursor).toBeNull()
  expect(rowsOf(store).map(({ head }) => head)).toEqual(['Mona', 'Staged', 'New'])
  again.close()
})

test('[DM1] killed at each step, the database is of the old version or of the new one, with all that waits', async () => {
  const { world, copy } = await filled()
  for (let n = 1; ; n += 1) {
    const file = copy()
    const inner = await nodeSqlite(file)()
    const failing = failingDriver(inner)
    failing.arm('kill', n)
    let isOpen = false
    try {
      open(failing, later, world)
      isOpen = true
    } catch {}
    inner.close()
    if (isOpen && !failing.wasReached) {
      expect(n).toBeGreaterThan(20)
      return
    }
    const next = await nodeSqlite(file)()
    const store = open(next, later, world)
    expect(rowsOf(store), `killed at call ${n}`).toMatchObject(expected)
    expect(store.counts().pending).toBe(3)
    expect(brokenInvariants(next, later)).toEqual([])
    next.close()
  }
}, 30_000)

test('[DM3] an app that is older than what was moved does not touch the database', async () => {
  const { world, copy } = await filled()
  const file = copy()
  open(await nodeSqlite(file)(), later, world).close()
  const driver = await nodeSqlite(file)()
  expect(() => open(driver, notebook, world)).toThrow('UPGRADE_REQUIRED')
  const again = await nodeSqlite(file)()
  expect(rowsOf(open(again, later, world))).toMatchObject(expected)
  again.close()
})

test('a value that a migration cannot take is told, its field is pulled again, and the rest is moved', async () => {
  const { world, copy } = await filled()
  const broken = laterWith({
    ...numbers,
    up: () => {
      throw new Error('no')
    },
  })
  const reports: unknown[] = []
  const driver = await nodeSqlite(copy())()
  const store = open(driver, broken, world, (problem) => reports.push(problem))
  expect(reports[0]).toMatchObject({ name: 'MigrationFault' })
  expect(rowsOf(store)[1]).toMatchObject({ id: 'b', mobile: '', visits: 0 })
  expect(store.counts().pending).toBe(3)
  expect(store.nextBatch(wholeBatch).cursor).toBeNull()
  driver.close()
})

test('an undo goes back to what was shown, by the names of now', async () => {
  const { world, copy } = await filled()
  const file = copy()
  const driver = await nodeSqlite(file)()
  const before = open(driver, notebook, world)
  before.applyReply(
    [],
    reply({ changes: [notes([['b', 5, { title: 'Nour Sami', phone: '5', done: false, count: 0 }]])], cursor: 'c9' }),
  )
  const write = draft(world, ['update', 'b', { title: 'Nour Lee' }])
  const [operation] = write.operations
  if (operation === undefined) throw new Error('Nothing is written.')
  before.write({ ...write, operations: [{ ...operation, seen: { title: 'Nour Aly', phone: '' } }] })
  driver.close()
  const again = await nodeSqlite(file)()
  const store = open(again, later, world)
  expect(rowsOf(store)[1]).toMatchObject({ head: 'Nour', tail: 'Lee', mobile: '5' })
  store.undo(write.tx, { tx: world.transactionId(), operationId: world.operationId })
  expect(rowsOf(store)[1]).toMatchObject({ head: 'Nour', tail: 'Sami', mobile: '5' })
  again.close()
})
