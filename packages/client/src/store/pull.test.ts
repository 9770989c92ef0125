import { collection, defineSchema, type Json, t, UsageError } from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  applied,
  createTestWorld,
  draft,
  notebook,
  noteColumns,
  notes,
  reply,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createStore } from './create-store.ts'
import type { Store } from './store.ts'

const titles = { sql: 'select id, title from notes order by id', parameters: [], tables: ['notes'] }

const rowsOf = (store: Store): Json => JSON.parse(store.query(titles).rows)
const indexNames = (driver: SqliteDriver) =>
  driver.all(`select name from sqlite_master where type = 'index' and tbl_name = 'notes' and sql is not null`).flat()

async function device(reports: unknown[] = []) {
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld()
  const open = (schema = notebook) =>
    createStore({ driver, schema, user, ambient: world, report: (problem) => reports.push(problem) })
  return { driver, world, open, store: open(), check: () => expect(brokenInvariants(driver, notebook)).toEqual([]) }
}

describe('first sync', () => {
  test('[ST6] pages are shown one by one as partial; indexes come with the last; a killed one goes on from its cursor', async () => {
    const d = await device()
    expect(d.store.completeness()).toBe('empty')
    d.store.write(draft(d.world, ['create', 'local', { title: 'Before the sync' }]))
    expect(indexNames(d.driver)).toEqual(['notes_done_updatedAt'])
    d.store.applyReply([], reply({ changes: [notes([['a', 1, { title: 'A' }]])], cursor: 'c1', more: true }))
    expect([d.store.completeness(), indexNames(d.driver)]).toEqual(['partial', []])
    expect(rowsOf(d.store)).toEqual([
      ['a', 'A'],
      ['local', 'Before the sync'],
    ])
    expect(d.store.search('notes', 'a', 9)).toEqual(['a'])
    d.check()

    const again = d.open()
    expect([again.completeness(), again.nextBatch(wholeBatch).cursor]).toEqual(['partial', 'c1'])
    again.write(draft(d.world, ['update', 'a', { title: 'mine' }], ['create', 'late', { title: 'later' }]))
    expect(again.search('notes', 'mine', 9)).toEqual(['a'])
    // The server repeats the page: its commit was not known to have arrived.
    again.applyReply(
      [],
      reply({
        changes: [
          notes([
            ['a', 1, { title: 'A' }],
            ['b', 1, { title: 'B' }],
          ]),
        ],
        cursor: 'c2',
        more: true,
      }),
    )
    again.applyReply([], reply({ changes: [notes([['c', 1, { title: 'C' }]])], cursor: 'c3' }))
    expect([again.completeness(), indexNames(d.driver)]).toEqual(['complete', ['notes_done_updatedAt']])
    expect(rowsOf(again)).toEqual([
      ['a', 'mine'],
      ['b', 'B'],
      ['c', 'C'],
      ['late', 'later'],
      ['local', 'Before the sync'],
    ])
    expect(again.nextBatch(wholeBatch).cursor).toBe('c3')
    d.check()
  })

  test('a first sync of one page keeps its indexes', async () => {
    const d = await device()
    d.store.applyReply([], reply({ changes: [notes([['a', 1, { title: 'A' }]])], cursor: 'c1' }))
    expect([d.store.completeness(), indexNames(d.driver)]).toEqual(['complete', ['notes_done_updatedAt']])
  })
})

describe('later pulls', () => {
  async function synced() {
    const d = await device()
    d.store.applyReply(
      [],
      reply({
        changes: [
          notes([
            ['a', 1, { title: 'A' }],
            ['b', 1, { title: 'B' }],
          ]),
        ],
        cursor: 'c1',
      }),
    )
    return d
  }

  test('[ST6] the pages of a pull become visible together, with the last; outcomes count at once', async () => {
    const d = await synced()
    const seen: Json[] = []
    d.store.watch(titles, ({ rows }) => seen.push(JSON.parse(rows)))
    d.store.write(draft(d.world, ['update', 'b', { title: 'mine' }]))
    const { ids } = d.store.nextBatch(wholeBatch)
    const outcomes = ids.map((id) => applied(id, 2))
    d.store.applyReply(
      ids,
      reply({ outcomes, changes: [notes([['a', 2, { title: 'A2' }]])], cursor: 'c2', more: true }),
    )
    expect(d.store.counts().pending).toBe(0)
    expect(rowsOf(d.store)).toEqual([
      ['a', 'A'],
      ['b', 'mine'],
    ])
    d.check()

    const again = d.open()
    expect(again.nextBatch(wholeBatch).cursor).toBe('c2')
    again.applyReply([], reply({ changes: [notes([['c', 1, { title: 'C' }]])], cursor: 'c3', more: true }))
    expect(rowsOf(again)).toEqual([
      ['a', 'A'],
      ['b', 'mine'],
    ])
    const gone = [{ record: 'c', version: 2, why: 'left' as const }]
    again.applyReply(
      [],
      reply({
        changes: [
          notes(
            [
              ['a', 3, { title: 'A3' }],
              ['b', 2, { title: 'mine' }],
            ],
            gone,
          ),
        ],
        cursor: 'c4',
        through: 9,
      }),
    )
    expect(rowsOf(again)).toEqual([
      ['a', 'A3'],
      ['b', 'mine'],
    ])
    expect([again.waiting(9), again.nextBatch(wholeBatch).cursor, again.search('notes', 'c', 9)]).toEqual([
      [],
      'c4',
      [],
    ])
    expect(d.driver.all('select count(*) from _staged')).toEqual([[0]])
    expect(seen).toEqual([
      [
        ['a', 'A'],
        ['b', 'B'],
      ],
      [
        ['a', 'A'],
        ['b', 'mine'],
      ],
    ])
    d.check()
  })

  test('[BR2] values that break the schema are shown as far as the column holds them, reported, and stop no page', async () => {
    const reports: unknown[] = []
    const d = await device(reports)
    const broken = notes([
      ['a', 1, { title: 5, done: 'maybe', count: 1.5, price: 'much', extra: 'text' }],
      ['b', 1, { title: 'B', done: true }],
    ])
    d.store.applyReply([], reply({ changes: [broken] }))
    const answer = d.store.query({ ...titles, sql: 'select title, done, count, price, extra from notes order by id' })
    expect(JSON.parse(answer.rows)).toEqual([
      ['5', null, null, null, '"text"'],
      ['B', 1, 0, null, null],
    ])
    expect(reports).toHaveLength(1)
    expect(d.store.search('notes', '5', 9)).toEqual(['a'])
    d.check()
    // The same of a record with operations of its own.
    d.store.write(draft(d.world, ['update', 'b', { body: 'x' }]))
    d.store.applyReply([], reply({ changes: [notes([['b', 2, { title: 'B', done: 'maybe' }]])] }))
    d.check()
  })

  test('unknown collections and columns are left out, missing fields get what a new record has', async () => {
    const d = await device()
    d.store.applyReply(
      [],
      reply({
        changes: [
          {
            collection: 'later',
            columns: ['id', '$version', 'createdAt', 'updatedAt'],
            rows: [['x', 1, 1, 1]],
            gone: [],
          },
          {
            collection: 'notes',
            columns: ['id', '$version', 'createdAt', 'updatedAt', 'color', 'title'],
            rows: [['a', 1, 1, 2, 'red', 'A']],
            gone: [],
          },
        ],
      }),
    )
    const sql = `select ${noteColumns.map((name) => `"${name}"`).join(', ')}, "$sync" from notes`
    expect(JSON.parse(d.store.query({ ...titles, sql }).rows)).toEqual([
      ['a', 1, 1, 2, 'A', '', '', 0, 0, null, null, 'synced'],
    ])
    d.check()
  })

  test('a page of large rows goes in pieces', async () => {
    const d = await synced()
    const rows = Array.from(
      { length: 30 },
      (_, i) => [`big${i}`, 1, { title: `Big ${i}`, body: 'word '.repeat(60_000) }] as const,
    )
    d.store.applyReply([], reply({ changes: [notes(rows)] }))
    expect(d.store.search('notes', 'big', 99)).toHaveLength(30)
    d.check()
  })
})

describe('a schema that grows', () => {
  const { notes: before, tags } = notebook.collections
  const grown = defineSchema({
    version: 2,
    collections: {
      notes: collection({
        fields: { ...before.fields, color: t.text({ default: 'grey' }), rank: t.integer({ optional: true }) },
        indexes: [['rank']],
        search: ['title', 'color'],
      }),
      tags,
      people: collection({ fields: { name: t.text() }, search: ['name'] }),
    },
  })

  test('new fields, collections, indexes and search are there after opening; nothing is lost', async () => {
    const d = await device()
    d.store.applyReply(
      [],
      reply({
        changes: [
          notes([
            ['a', 1, { title: 'A', body: 'inside' }],
            ['b', 1, { title: 'B' }],
          ]),
        ],
      }),
    )
    d.store.write(draft(d.world, ['update', 'b', { title: 'mine' }]))
    const store = d.open(grown as never)
    const answer = store.query({ ...titles, sql: 'select id, title, color, rank from notes order by id' })
    expect(JSON.parse(answer.rows)).toEqual([
      ['a', 'A', 'grey', null],
      ['b', 'mine', 'grey', null],
    ])
    expect([store.search('notes', 'grey', 9), store.search('notes', 'inside', 9)]).toEqual([['a', 'b'], []])
    expect(indexNames(d.driver)).toEqual(['notes_rank'])
    store.write(draft(d.world, ['create', 'p', { name: 'Mona' }, 'people'], ['update', 'b', { rank: 3 }]))
    expect(store.search('people', 'mona', 9)).toEqual(['p'])
    expect(brokenInvariants(d.driver, grown)).toEqual([])
  })

  const colored = (rows: readonly (readonly [id: string, version: number, title: string, color: string])[]) => ({
    collection: 'notes',
    columns: ['id', '$version', 'createdAt', 'updatedAt', 'title', 'color'],
    rows: rows.map(([id, version, title, color]) => [id, version, 1, 1, title, color]),
    gone: [],
  })
  const colors = { ...titles, sql: 'select id, title, color from notes order by id' }

  test('[I-16] what was pulled without a field or collection is pulled again, and stays shown meanwhile', async () => {
    const d = await device()
    d.store.applyReply(
      [],
      reply({
        changes: [
          notes([
            ['a', 1, { title: 'A' }],
            ['b', 1, { title: 'B' }],
          ]),
        ],
        cursor: 'c1',
      }),
    )
    d.store.write(draft(d.world, ['update', 'b', { title: 'mine' }]))
    d.store.applyReply([], reply({ changes: [notes([['c', 1, { title: 'C' }]])], cursor: 'c2', more: true }))
    const store = d.open(grown as never)
    const batch = store.nextBatch(wholeBatch)
    expect([batch.cursor, batch.ids.length, store.completeness()]).toEqual([null, 1, 'complete'])
    expect(JSON.parse(store.query(colors).rows)).toEqual([
      ['a', 'A', 'grey'],
      ['b', 'mine', 'grey'],
    ])
    const first = colored([
      ['a', 1, 'A', 'red'],
      ['b', 1, 'B', 'blue'],
    ])
    store.applyReply([], reply({ changes: [first], cursor: 'd1', more: true }))
    expect(store.nextBatch(wholeBatch).cursor).toBe('d1')
    store.applyReply([], reply({ changes: [colored([['c', 1, 'C', 'green']])], cursor: 'd2' }))
    expect(JSON.parse(store.query(colors).rows)).toEqual([
      ['a', 'A', 'red'],
      ['b', 'mine', 'blue'],
      ['c', 'C', 'green'],
    ])
    expect(brokenInvariants(d.driver, grown)).toEqual([])
    expect(d.open(grown as never).nextBatch(wholeBatch).cursor).toBe('d2')
  })

  test('[I-16] also after an older app was at work between two openings by the newer one', async () => {
    const d = await device()
    d.open(grown as never).applyReply([], reply({ changes: [colored([['a', 1, 'A', 'red']])], cursor: 'c1' }))
    const older = d.open()
    expect(older.nextBatch(wholeBatch).cursor).toBe('c1')
    older.applyReply([], reply({ changes: [colored([['a', 2, 'A2', 'blue']])], cursor: 'c2' }))
    const newer = d.open(grown as never)
    expect(newer.nextBatch(wholeBatch).cursor).toBeNull()
    newer.applyReply([], reply({ changes: [colored([['a', 2, 'A2', 'blue']])], cursor: 'c2' }))
    expect(JSON.parse(newer.query(colors).rows)).toEqual([['a', 'A2', 'blue']])
  })

  test('a field whose type changed is refused in words', async () => {
    const d = await device()
    const changed = defineSchema({
      version: 2,
      collections: { ...notebook.collections, tags: collection({ fields: { name: t.integer() } }) },
    })
    expect(() => d.open(changed as never)).toThrow(UsageError)
  })
})
