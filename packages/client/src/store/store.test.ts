import {
  collection,
  defineSchema,
  EngineError,
  type Json,
  parseOperationId,
  parseTransactionId,
  parseUserId,
  t,
  UsageError,
} from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  applied,
  type Change,
  createTestWorld,
  draft,
  notebook,
  notes,
  rejected,
  reply,
  type TestWorld,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createStore } from './create-store.ts'
import { searchCondition } from './search.ts'
import type { Store } from './store.ts'

const titles = {
  sql: 'select id, title, "$sync", "$pending" from notes order by id',
  parameters: [],
  tables: ['notes'],
}
const all = { sql: 'select * from notes order by id', parameters: [], tables: ['notes'] }

interface Device {
  readonly world: TestWorld
  readonly driver: SqliteDriver
  readonly store: Store
  write(...changes: readonly Change[]): void
  rows(query?: typeof titles): readonly (readonly Json[])[]
  row(id: string): { readonly [column: string]: Json } | null
  check(): void
}

async function device(world = createTestWorld(), reports: unknown[] = []): Promise<Device> {
  const driver = await nodeSqlite(':memory:')()
  const store = createStore({
    driver,
    schema: notebook,
    user,
    ambient: world,
    report: (problem) => reports.push(problem),
  })
  const rows = (query = titles) => JSON.parse(store.query(query).rows)
  return {
    world,
    driver,
    store,
    rows,
    write: (...changes) => store.write(draft(world, ...changes)),
    row: (id) => {
      const { columns, rows: text } = store.query({ ...all, sql: 'select * from notes where id = ?', parameters: [id] })
      const [values] = JSON.parse(text)
      return values === undefined ? null : Object.fromEntries(columns.map((column, i) => [column, values[i]]))
    },
    check: () => expect(brokenInvariants(driver, notebook)).toEqual([]),
  }
}

/** A device that has synced some notes. */
async function syncedDevice(
  ...given: readonly (readonly [id: string, version: number, fields: { [name: string]: Json }])[]
) {
  const made = await device()
  made.store.applyReply([], reply({ changes: [notes(given)], cursor: '1', through: 1 }))
  return made
}

describe('write', () => {
  test('[I-2] rows, operation, marks and search are there after a write, together', async () => {
    const d = await device()
    d.write(['create', 'a', { title: 'Hello' }])
    d.write(['update', 'a', { done: true }])
    expect(d.row('a')).toMatchObject({ title: 'Hello', done: 1, count: 0, $sync: 'pending', $version: 0 })
    expect(d.store.counts()).toMatchObject({ pending: 2, refused: 0 })
    expect(d.store.search('notes', 'hel', 10)).toEqual(['a'])
    d.check()
  })

  test.each([
    ['an unknown collection', ['create', 'a', {}, 'nope'], 'UNKNOWN_COLLECTION', /nope.*notes, tags/],
    ['an unknown field', ['create', 'a', { title: 'x', color: 1 }], 'UNKNOWN_FIELD', /color.*title/],
    ['a value against a rule', ['create', 'a', { title: '' }], 'INVALID_VALUE', /notes\.title is "".*filled in/],
    ['a missing field', ['create', 'a', {}], 'INVALID_VALUE', /notes\.title is missing/],
    ['a counter that is given', ['create', 'a', { title: 'x', count: 3 }], 'INVALID_VALUE', /counter/],
    ['an update of a record that is not here', ['update', 'zz', { title: 'x' }], 'NOT_FOUND', /zz/],
    ['an increment of a record that is not here', ['increment', 'zz', { count: 1 }], 'NOT_FOUND', /zz/],
    ['a delete of a record that is not here', ['delete', 'zz'], 'NOT_FOUND', /zz/],
    ['a create of a record that is here', ['create', 'here', { title: 'x' }], 'ALREADY_EXISTS', /here/],
    ['a counter beyond 2^53', ['increment', 'here', { count: Number.MAX_SAFE_INTEGER }], 'INVALID_VALUE', /2\^53/],
    [
      'an operation of two megabytes',
      ['create', 'a', { title: 'x', extra: ['y'.repeat(2_000_000)] }],
      'TRANSACTION_TOO_LARGE',
      /bytes/,
    ],
  ] as const)('[ST1] %s is refused at the call, with nothing written', async (_, change, code, message) => {
    const d = await device()
    d.write(['create', 'here', { title: 'Here' }], ['increment', 'here', { count: 5 }])
    const before = [d.rows(all), d.store.counts()]
    const failing = () => d.write(['update', 'here', { title: 'Changed' }], change)
    expect(failing).toThrow(message)
    expect(failing).toThrow(expect.objectContaining({ code }))
    expect([d.rows(all), d.store.counts()]).toEqual(before)
    d.check()
  })

  test('[ST1] a write of too many operations is refused', async () => {
    const d = await device()
    const changes = Array.from({ length: 501 }, (_, i): Change => ['create', `n${i}`, { title: 'x' }])
    expect(() => d.write(...changes)).toThrow(/at most 500/)
    expect(d.store.counts().pending).toBe(0)
  })

  test('[ST7] a repeated write counts once, wherever its operations are by then', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    const repeated = draft(d.world, ['increment', 'a', { count: 1 }])
    const again = () => {
      d.store.write(repeated)
      expect(d.row('a')?.count).toBe(1)
      d.check()
    }
    d.store.write(repeated)
    again()
    const { ids } = d.store.nextBatch(wholeBatch)
    again()
    const outcomes = ids.map((id) => applied(id, 2))
    d.store.applyReply(ids, reply({ outcomes, changes: [notes([['a', 2, { title: 'A', count: 1 }]])], through: 2 }))
    expect(d.store.counts().pending).toBe(0)
    again()
    const refused = draft(d.world, ['increment', 'a', { count: 5 }])
    d.store.write(refused)
    const batch = d.store.nextBatch(wholeBatch)
    d.store.applyReply(batch.ids, reply({ outcomes: batch.ids.map(rejected) }))
    d.store.write(refused)
    again()
  })

  test('what changes nothing is not written', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A', extra: { x: 1, y: [2] } }])
    d.write(['update', 'a', {}])
    d.write(['update', 'a', { title: 'A', extra: { y: [2], x: 1 } }])
    d.write(['increment', 'a', { count: 0 }])
    d.write(['restore', 'a'])
    expect(d.store.counts().pending).toBe(0)
    d.write(['update', 'a', { title: 'A', body: 'new' }], ['update', 'a', { body: 'new' }])
    const [text] = d.store.nextBatch(wholeBatch).operations
    expect(JSON.parse(String(text))).toMatchObject({
      fields: { body: 'new' },
      was: { body: '' },
      tx: { index: 0, count: 1 },
    })
    expect(d.row('a')).toMatchObject({ $pending: '["body"]', $version: 1 })
    d.check()
  })

  test('an operation carries what its writer saw, the version it saw, and sequence numbers without gaps', async () => {
    const d = await syncedDevice(['a', 7, { title: 'A', count: 2, done: true }])
    d.write(['update', 'a', { title: 'B', done: false }], ['increment', 'a', { count: 3 }])
    d.write(['delete', 'a'])
    const operations = d.store.nextBatch(wholeBatch).operations.map((text) => JSON.parse(text))
    expect(operations.map(({ seq, kind, was, base }) => ({ seq, kind, was, base }))).toEqual([
      { seq: 1, kind: 'update', was: { title: 'A', done: true }, base: { generation: 'gen1', version: 7 } },
      { seq: 2, kind: 'increment', was: { count: 2 }, base: { generation: 'gen1', version: 7 } },
      {
        seq: 3,
        kind: 'delete',
        was: { title: 'B', body: '', phone: '', done: false, count: 5, price: null, extra: null },
        base: { generation: 'gen1', version: 7 },
      },
    ])
    expect(d.row('a')).toBeNull()
    d.check()
  })

  test('a deleted id is never created again, and comes back by restore', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.write(['delete', 'a'])
    expect(() => d.write(['create', 'a', { title: 'B' }])).toThrow(/RECORD_DELETED/)
    d.write(['restore', 'a'])
    expect(d.row('a')).toMatchObject({ title: 'A', $sync: 'pending' })
    expect(d.store.search('notes', 'a', 10)).toEqual(['a'])
    d.check()
  })

  test('undo writes the opposite, also after the sync', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A', count: 2 }], ['b', 1, { title: 'B' }])
    const change = draft(
      d.world,
      ['create', 'c', { title: 'C' }],
      ['update', 'a', { title: 'A2' }],
      ['increment', 'a', { count: 4 }],
      ['delete', 'b'],
    )
    const undo = () => d.store.undo(change.tx, { tx: d.world.transactionId(), operationId: d.world.operationId })
    const before = d.rows()
    d.store.write(change)
    undo()
    expect(d.rows().map(([id, title]) => [id, title])).toEqual(before.map(([id, title]) => [id, title]))
    expect(d.row('a')?.count).toBe(2)
    d.check()
    expect(() =>
      d.store.undo(d.world.transactionId(), { tx: d.world.transactionId(), operationId: d.world.operationId }),
    ).toThrow(/NOT_FOUND/)
  })

  test('a late reply does not move dates: an offset that the time of the exchange allows is kept', async () => {
    const d = await device()
    const dates = { sql: 'select "createdAt" from notes', parameters: [], tables: ['notes'] }
    const seen: string[] = []
    d.store.watch(dates, ({ rows }) => seen.push(rows))
    d.store.write(draft(d.world, ['create', 'a', { title: 'A' }]))
    const { clock } = d.store.nextBatch(wholeBatch)
    const serverTimeMs = d.world.clock.now() + 500
    d.world.wait(30_000)
    d.store.applyReply([], reply({ serverTimeMs }), clock)
    expect(seen).toEqual(['[]', '[[1800000000000]]'])
    // Out of the span: to its nearer end.
    const next = d.store.nextBatch(wholeBatch)
    d.world.wait(5_000)
    d.store.applyReply([], reply({ serverTimeMs: d.world.clock.now() + 60_000 }), next.clock)
    expect(seen.at(-1)).toBe('[[1800000060000]]')
  })

  test('a record that is deleted and restored offline keeps the date of its creation', async () => {
    const d = await device()
    d.store.applyReply([], reply({ changes: [notes([['a', 1, { title: 'A' }]])] }))
    d.store.write(draft(d.world, ['delete', 'a']))
    d.store.write(draft(d.world, ['restore', 'a']))
    const { rows } = d.store.query({ sql: 'select "createdAt" from notes', parameters: [], tables: ['notes'] })
    expect(rows).toBe('[[1000]]')
    d.check()
  })

  test('[C9] a restore names the deletion by another device that was pulled; the oldest are forgotten', async () => {
    const d = await device()
    d.store.applyReply([], reply({ changes: [notes([['a', 1, { title: 'A' }]])] }))
    d.store.applyReply([], reply({ changes: [notes([], [{ record: 'a', version: 4, why: 'deleted' }])] }))
    d.store.write(draft(d.world, ['restore', 'a']))
    const [text] = d.store.nextBatch(wholeBatch).operations
    expect(JSON.parse(text ?? '')).toMatchObject({ kind: 'restore', fields: {}, base: { version: 4 } })
    d.check()
    const many = Array.from({ length: 10_010 }, (_, i) => ({ record: `r${i}`, version: 2, why: 'deleted' as const }))
    d.store.applyReply([], reply({ changes: [notes([], many)] }))
    expect(d.driver.all('select count(*) from _deleted')).toEqual([[10_000]])
  })

  test('[UN1] undo leaves out what somebody wrote since; what an increment added goes in any case', async () => {
    const d = await device()
    const base = [['a', 1, { title: 'A', body: 'b' }]] as const
    d.store.applyReply([], reply({ changes: [notes(base)] }))
    const change = draft(
      d.world,
      ['update', 'a', { title: 'mine', body: 'x' }],
      ['update', 'a', { title: 'mine 2' }],
      ['increment', 'a', { count: 2 }],
    )
    d.store.write(change)
    const { ids } = d.store.nextBatch(wholeBatch)
    const row = ['a', 5, { title: 'of another', body: 'x', count: 2 }] as const
    d.store.applyReply(ids, reply({ outcomes: ids.map((id) => applied(id, 4)), changes: [notes([row])] }))
    d.store.undo(change.tx, { tx: d.world.transactionId(), operationId: d.world.operationId })
    const answer = d.store.query({ sql: 'select title, body, count from notes', parameters: [], tables: ['notes'] })
    expect(JSON.parse(answer.rows)).toEqual([['of another', 'b', 0]])
  })

  test('undo of a delete that has settled restores at the version of the tombstone', async () => {
    const d = await syncedDevice(['b', 1, { title: 'B' }])
    const change = draft(d.world, ['delete', 'b'])
    d.store.write(change)
    const { ids } = d.store.nextBatch(wholeBatch)
    const outcomes = ids.map((id) => applied(id, 2))
    d.store.applyReply(
      ids,
      reply({ outcomes, changes: [notes([], [{ record: 'b', version: 2, why: 'deleted' }])], through: 2 }),
    )
    expect(d.store.counts().pending).toBe(0)
    d.store.undo(change.tx, { tx: d.world.transactionId(), operationId: d.world.operationId })
    expect(d.row('b')).toMatchObject({ title: 'B', $sync: 'pending' })
    const [text] = d.store.nextBatch(wholeBatch).operations
    expect(JSON.parse(String(text))).toMatchObject({ kind: 'restore', base: { version: 2 }, fields: { title: 'B' } })
    d.check()
  })
})

describe('settling', () => {
  test('[I-12] no emission shows the old value between write, acknowledgement and page', async () => {
    const d = await syncedDevice(['a', 1, { title: 'old' }])
    const seen: string[] = []
    d.store.watch(titles, ({ rows }) => seen.push(rows))
    d.write(['update', 'a', { title: 'new' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    d.store.applyReply(ids, reply({ outcomes: ids.map((id) => applied(id, 2)), through: 1 }))
    d.check()
    expect(d.store.counts().pending).toBe(0)
    expect(d.store.waiting(5)).toMatchObject([{ state: 'acknowledged', attempts: 1 }])
    // An older state of the record comes first: somebody else's edit, made before ours.
    d.store.applyReply([], reply({ changes: [notes([['a', 1, { title: 'old' }]])], through: 1 }))
    d.store.applyReply([], reply({ changes: [notes([['a', 2, { title: 'new' }]])], through: 2 }))
    expect(seen.map((rows) => JSON.parse(rows))).toEqual([
      [['a', 'old', 'synced', null]],
      [['a', 'new', 'pending', '["title"]']],
      [['a', 'new', 'synced', null]],
    ])
    d.check()
  })

  const afterAck = [
    ['a page with the version', { changes: [notes([['a', 2, { title: 'new' }]])], through: 2 }, 0, 'new'],
    ['a page with a later version', { changes: [notes([['a', 5, { title: 'theirs' }]])], through: 5 }, 0, 'theirs'],
    ['a page with an earlier version', { changes: [notes([['a', 1, { title: 'old' }]])], through: 2 }, 1, 'new'],
    ['a caught-up reply without the record', { through: 2 }, 1, 'new'],
    [
      'the record was deleted',
      { changes: [notes([], [{ record: 'a', version: 3, why: 'deleted' }])], through: 3 },
      0,
      null,
    ],
    ['the record has left', { changes: [notes([], [{ record: 'a', version: 2, why: 'left' }])], through: 2 }, 0, null],
  ] as const
  test.each(afterAck)('[ST3] after the acknowledgement: %s', async (_, page, waiting, title) => {
    const d = await syncedDevice(['a', 1, { title: 'old' }])
    d.write(['update', 'a', { title: 'new' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    d.store.applyReply(ids, reply({ outcomes: ids.map((id) => applied(id, 2)), through: 1 }))
    d.store.applyReply([], reply(page))
    expect(d.store.waiting(9)).toHaveLength(waiting)
    expect(d.row('a')?.title ?? null).toBe(title)
    d.check()
  })

  test('[ST3] a record that never comes to this device goes when a caught-up pull has passed its place', async () => {
    const d = await syncedDevice()
    d.write(['create', 'a', { title: 'Theirs' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    d.store.applyReply(ids, reply({ outcomes: ids.map((id) => applied(id, 1, 9)), through: 8 }))
    expect(d.row('a')).not.toBeNull()
    d.store.applyReply([], reply({ more: true, cursor: '2', through: 9 }))
    expect(d.row('a')).not.toBeNull()
    d.store.applyReply([], reply({ through: 9 }))
    expect(d.row('a')).toBeNull()
    expect(d.store.waiting(9)).toEqual([])
    d.check()
  })

  test('[I-13] a confirmed row never goes back, clean or not', async () => {
    const d = await syncedDevice(['a', 5, { title: 'five' }], ['b', 5, { title: 'five' }])
    d.write(['update', 'b', { body: 'mine' }])
    const older = [
      notes(
        [
          ['a', 4, { title: 'four' }],
          ['b', 4, { title: 'four' }],
        ],
        [],
      ),
      notes([], [{ record: 'a', version: 3, why: 'left' }]),
    ]
    d.store.applyReply([], reply({ changes: older }))
    expect([d.row('a')?.title, d.row('b')?.title]).toEqual(['five', 'five'])
    d.check()
  })

  test('[ST5] a reply applied twice has the effect of once', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.write(['increment', 'a', { count: 1 }])
    d.write(['update', 'a', { title: 'B' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    const [first, second] = ids
    if (first === undefined || second === undefined) throw new Error('two operations were written')
    const answer = reply({
      outcomes: [applied(first, 2), rejected(second)],
      changes: [notes([['a', 2, { title: 'A', count: 1 }]])],
      through: 2,
    })
    d.store.applyReply(ids, answer)
    const once = [d.rows(all), d.store.counts(), d.store.inbox()]
    d.store.applyReply(ids, answer)
    expect([d.rows(all), d.store.counts(), d.store.inbox()]).toEqual(once)
    expect(d.row('a')).toMatchObject({ title: 'A', count: 1, $sync: 'refused' })
    d.check()
  })

  test('[I-4] what got no outcome goes again, with the same text', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.write(['update', 'a', { title: 'B' }])
    const lost = d.store.nextBatch(wholeBatch)
    expect(d.store.nextBatch(wholeBatch).ids).toEqual([])
    d.store.applyReply(lost.ids, reply())
    const again = d.store.nextBatch(wholeBatch)
    expect(again.operations).toEqual(lost.operations)
    d.store.batchFailed(again.ids, 'UNREACHABLE')
    expect(d.store.waiting(5)).toMatchObject([{ state: 'pending', attempts: 2, lastError: 'UNREACHABLE' }])
    expect(d.store.nextBatch(wholeBatch).operations).toEqual(lost.operations)
    d.check()
  })

  test('an outcome of an unknown operation is ignored', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.store.applyReply([], reply({ outcomes: [applied(d.world.operationId(), 4), rejected(d.world.operationId())] }))
    expect(d.store.counts()).toMatchObject({ pending: 0, refused: 0 })
    d.check()
  })

  test('a reply of another generation changes nothing', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    const other = { ...reply({ changes: [notes([['a', 9, { title: 'B' }]])] }), generation: 'gen2' }
    // @ts-expect-error A generation is made by its parser only.
    expect(() => d.store.applyReply([], other)).toThrow(/GENERATION_CHANGED/)
    expect(d.row('a')?.title).toBe('A')
  })

  test('the fate of a write: unsettled, then its outcomes', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    const [kept, refused] = [
      draft(d.world, ['update', 'a', { body: 'x' }]),
      draft(d.world, ['update', 'a', { title: 'B' }]),
    ]
    d.store.write(kept)
    d.store.write(refused)
    expect(d.store.fate(kept.tx)).toEqual({ kind: 'unsettled' })
    const { ids } = d.store.nextBatch(wholeBatch)
    const [first, second] = ids
    if (first === undefined || second === undefined) throw new Error('two operations were written')
    d.store.applyReply(ids, reply({ outcomes: [applied(first, 2), rejected(second)] }))
    expect(d.store.fate(kept.tx)).toEqual({ kind: 'settled', outcomes: [applied(first, 2)] })
    expect(d.store.fate(refused.tx)).toEqual({ kind: 'settled', outcomes: [rejected(second)] })
    expect(d.store.fate(parseTransactionId(d.world.transactionId()))).toEqual({ kind: 'unknown' })
  })
})

describe('refused operations', () => {
  test('[IB2] a refused update lies in the inbox with its reason, the row is rolled back, all others go on', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }], ['b', 1, { title: 'B' }])
    d.write(['update', 'a', { title: 'A2' }])
    d.write(['update', 'a', { body: 'kept' }])
    d.write(['update', 'b', { title: 'B2' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    const [refused] = ids
    if (refused === undefined) throw new Error('operations were written')
    const applying = d.store.applyReply(ids, reply({ outcomes: [rejected(refused)] }))
    expect(applying).toMatchObject({ refused: [refused], changed: true })
    expect(d.rows()).toEqual([
      ['a', 'A', 'pending', '["body"]'],
      ['b', 'B2', 'pending', '["title"]'],
    ])
    expect(d.store.inbox()).toMatchObject([
      { id: refused, record: 'a', code: 'FORBIDDEN', problem: 'No.', fields: { title: 'A2' }, was: { title: 'A' } },
    ])
    expect(d.store.counts()).toMatchObject({ pending: 2, refused: 1 })
    expect(d.store.nextBatch(wholeBatch).ids).toEqual(ids.slice(1))
    d.check()
  })

  test('[IB1] a refused create takes its row, its later operations and their transactions with it', async () => {
    const d = await syncedDevice(['b', 1, { title: 'B' }])
    d.write(['create', 'a', { title: 'A' }])
    d.write(['update', 'a', { title: 'A2' }], ['update', 'b', { title: 'B2' }])
    d.write(['update', 'b', { body: 'kept' }])
    const { ids } = d.store.nextBatch({ ...wholeBatch, operationsMax: 1 })
    const { refused } = d.store.applyReply(ids, reply({ outcomes: ids.map(rejected) }))
    expect(refused).toHaveLength(3)
    expect(d.store.inbox().map(({ record, items }) => [record, items.length])).toEqual([['a', 3]])
    expect(d.store.inbox()[0]?.items.map(({ code, record }) => [code, record])).toEqual([
      ['FORBIDDEN', 'a'],
      ['BLOCKED', 'a'],
      ['BLOCKED', 'b'],
    ])
    expect(d.rows()).toEqual([['b', 'B', 'pending', '["body"]']])
    expect(d.store.search('notes', 'a', 9)).toEqual([])
    d.check()
  })

  test('[ST2] a record that somebody else has deleted is gone at once, and the operation waits for its refusal', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.write(['update', 'a', { title: 'mine' }])
    d.store.applyReply([], reply({ changes: [notes([], [{ record: 'a', version: 2, why: 'deleted' }])], through: 2 }))
    expect([d.row('a'), d.store.counts()]).toEqual([null, { pending: 1, refused: 0, conflicts: 0 }])
    d.check()
    const { ids } = d.store.nextBatch(wholeBatch)
    d.store.applyReply(ids, reply({ outcomes: ids.map(rejected), through: 2 }))
    expect([d.row('a'), d.store.counts()]).toEqual([null, { pending: 0, refused: 1, conflicts: 0 }])
    d.check()
  })

  test('an operation refused on the device takes its transaction along', async () => {
    const d = await syncedDevice(['b', 1, { title: 'B' }])
    d.write(['update', 'b', { title: 'B2' }], ['create', 'a', { title: 'A' }])
    const [id] = d.store.nextBatch(wholeBatch).ids
    if (id === undefined) throw new Error('operations were written')
    d.store.batchFailed([id], 'TOO_LARGE')
    d.store.refuse(id, { code: 'TOO_LARGE', problem: 'The server does not read it.' })
    expect(d.rows()).toEqual([['b', 'B', 'refused', null]])
    expect(d.store.inbox().map(({ items }) => items.map(({ code }) => code))).toEqual([['TOO_LARGE', 'BLOCKED']])
    d.check()
  })
})

describe('batches', () => {
  test('[ST4] a batch is whole app transactions, oldest first, within its limits', async () => {
    const d = await device()
    d.write(['create', 'a', { title: 'A' }])
    d.write(['create', 'b', { title: 'B' }], ['create', 'c', { title: 'C' }], ['create', 'd', { title: 'D' }])
    d.write(['create', 'e', { title: 'E' }])
    const recordsOf = (batch: { operations: readonly string[] }) =>
      batch.operations.map((text) => JSON.parse(text).record)
    expect(recordsOf(d.store.nextBatch({ ...wholeBatch, operationsMax: 2 }))).toEqual(['a'])
    expect(recordsOf(d.store.nextBatch({ ...wholeBatch, operationsMax: 2 }))).toEqual(['b', 'c', 'd'])
    expect(recordsOf(d.store.nextBatch({ ...wholeBatch, bytesMax: 1 }))).toEqual(['e'])
    expect(recordsOf(d.store.nextBatch(wholeBatch))).toEqual([])
    d.check()
  })
})

describe('batches by bytes', () => {
  test('[ST4] a batch takes what fits, commas included, and never less than one app transaction', async () => {
    const d = await device()
    for (const id of ['a', 'b', 'c']) d.write(['create', id, { title: 'Ä' }])
    const [one] = d.driver.all('select octet_length(operation) from _outbox limit 1').flat()
    const taken = (bytesMax: number) => {
      const { ids } = d.store.nextBatch({ ...wholeBatch, bytesMax })
      d.store.batchFailed(ids, 'UNREACHABLE')
      return ids.length
    }
    const bytes = Number(one) + 1
    expect([taken(1), taken(bytes), taken(2 * bytes - 1), taken(2 * bytes), taken(3 * bytes)]).toEqual([1, 1, 1, 2, 3])
  })
})

describe('clocks', () => {
  test("rows are dated by the server's clock once it is known, and anew when the offset changes", async () => {
    const world = createTestWorld(1_000_000)
    const d = await device(world)
    d.write(['create', 'a', { title: 'A' }])
    expect(d.row('a')?.createdAt).toBe(1_000_000)
    d.store.applyReply([], reply({ serverTimeMs: 5_000_000 }))
    expect(d.row('a')?.createdAt).toBe(5_000_000)
    d.check()
    d.store.applyReply([], reply({ serverTimeMs: 5_001_000 })) // Latency, not skew.
    world.wait(10)
    d.write(['create', 'b', { title: 'B' }])
    expect(d.row('b')?.createdAt).toBe(5_000_010)
    d.check()
  })

  test('a jump of the wall clock starts an epoch that outlives the process; stamps go on from the new time', async () => {
    const world = createTestWorld(1_000_000)
    const d = await device(world)
    d.write(['create', 'a', { title: 'A' }])
    world.wait(60_000)
    d.write(['create', 'b', { title: 'B' }])
    world.jump(-500_000)
    d.write(['create', 'c', { title: 'C' }])
    const times = d.store.nextBatch(wholeBatch).operations.map((text) => JSON.parse(text).time)
    expect(times).toEqual([
      { at: 1_000_000, epoch: 0, hlc: [1_000_000, 0] },
      { at: 1_060_000, epoch: 0, hlc: [1_060_000, 0] },
      { at: 560_000, epoch: 1, hlc: [560_000, 1] },
    ])
    const reopened = createStore({ driver: d.driver, schema: notebook, user, ambient: world })
    expect(reopened.nextBatch(wholeBatch).clock).toEqual({
      nowMs: 560_000,
      epoch: 2,
      offsetMs: 0,
      guessedFrom: 0,
      earlier: [
        [0, -500_000],
        [1, 0],
      ],
    })
    d.check()
  })

  test('a stamp far in the future is pulled back once the server was heard', async () => {
    const world = createTestWorld(4_000_000_000_000)
    const d = await device(world)
    d.write(['create', 'a', { title: 'A' }])
    world.jump(-2_200_000_000_000)
    d.store.applyReply([], reply())
    d.write(['create', 'b', { title: 'B' }])
    const stamps = d.store.nextBatch(wholeBatch).operations.map((text) => JSON.parse(text).time.hlc[0])
    expect(stamps).toEqual([4_000_000_000_000, 1_800_000_000_000])
  })
})

describe('query and watch', () => {
  test('a collection of any name can be queried', async () => {
    const d = await device()
    const driver = await nodeSqlite(':memory:')()
    const short = defineSchema({ version: 1, collections: { q: collection({ fields: { c0: t.text() } }) } })
    const store = createStore({ driver, schema: short, user, ambient: d.world })
    const id = d.world.operationId()
    store.write({
      tx: d.world.transactionId(),
      operations: [{ id, collection: 'q', record: 'a', kind: 'create', fields: { c0: 'A' } }],
    })
    const answer = store.query({ sql: 'select id, c0 from q', parameters: [], tables: ['q'] })
    expect(answer).toEqual({ columns: ['id', 'c0'], rows: '[["a","A"]]' })
  })

  test('a query answers rows in its order, with all types', async () => {
    const d = await syncedDevice(
      ['b', 1, { title: 'B "q" é', price: 0.1 + 0.2 }],
      ['a', 1, { title: 'A', extra: [1], done: true }],
    )
    const answer = d.store.query({
      ...all,
      sql: 'select title, price, extra, done from notes order by title desc -- all',
    })
    expect(answer.columns).toEqual(['title', 'price', 'extra', 'done'])
    expect(JSON.parse(answer.rows)).toEqual([
      ['B "q" é', 0.1 + 0.2, null, 0],
      ['A', null, '[1]', 1],
    ])
    expect(d.store.query({ ...all, sql: 'select id from notes where 0;' }).rows).toBe('[]')
    expect(d.rows({ ...all, sql: 'select count(*) from notes' })).toEqual([[2]])
  })

  test.each([
    ['delete from notes', /only reads/],
    ['  insert into notes (id) values (1)', /only reads/],
    ['with x as (select 1) delete from notes', /cannot run/],
    ['select 1) select 2 from q; delete from notes; --', /cannot run/],
    ['select a.id, b.id from notes a, notes b', /two columns "id".*as/],
    ['select nope from notes', /cannot run.*nope/],
  ])('a query that is none of ours to run is refused: %s', async (sql, message) => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    expect(() => d.store.query({ ...all, sql })).toThrow(UsageError)
    expect(() => d.store.query({ ...all, sql })).toThrow(message)
    expect(d.rows()).toHaveLength(1)
  })

  test('[LQ1] a live query tells each difference once, after the commit, and nothing else', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    const seen: string[] = []
    const stop = d.store.watch({ ...titles, sql: 'select title from notes order by id' }, ({ rows }) => {
      seen.push(rows)
      d.driver.exec('begin; rollback') // Fails inside a transaction.
    })
    d.write(['create', 'b', { title: 'B' }, 'notes'], ['create', 'c', { title: 'C' }])
    d.write(['update', 'b', { body: 'not selected' }])
    d.write(['create', 't', { name: 'other table' }, 'tags'])
    stop()
    d.write(['create', 'd', { title: 'D' }])
    expect(seen).toEqual(['[["A"]]', '[["A"],["B"],["C"]]'])
  })

  test('[LQ2] a listener that throws disturbs no other and no write', async () => {
    const reports: unknown[] = []
    const d = await device(createTestWorld(), reports)
    const seen: string[] = []
    d.store.watch(titles, () => {
      throw new Error('mine')
    })
    d.store.onCommit(() => {
      throw new Error('also mine')
    })
    d.store.watch(titles, ({ rows }) => seen.push(rows))
    d.write(['create', 'a', { title: 'A' }])
    expect(seen).toHaveLength(2)
    expect(reports).toHaveLength(3)
  })

  test('[LQ3] what a listener writes is told after what it was called for', async () => {
    const d = await device()
    const seen: number[] = []
    d.store.watch(titles, ({ rows }) => {
      const count = JSON.parse(rows).length
      if (count > 0 && count < 3) d.write(['create', `n${count}`, { title: 'x' }])
    })
    d.store.watch(titles, ({ rows }) => seen.push(JSON.parse(rows).length))
    const commits: string[][] = []
    d.store.onCommit((tables) => commits.push([...tables].sort()))
    d.write(['create', 'n0', { title: 'x' }])
    expect(seen.at(-1)).toBe(3)
    expect(seen).toEqual([...seen].sort())
    expect(commits.every((tables) => tables.includes('_outbox') && tables.includes('notes'))).toBe(true)
  })

  test('the key-value store', async () => {
    const d = await device()
    const commits: string[][] = []
    d.store.onCommit((tables) => commits.push([...tables]))
    expect(d.store.kvGet('k')).toBeNull()
    d.store.kvSet('k', '{"a":1}')
    d.store.kvSet('k', '2')
    expect(d.store.kvGet('k')).toBe('2')
    d.store.kvSet('k', null)
    expect(d.store.kvGet('k')).toBeNull()
    expect(commits).toEqual([['_kv'], ['_kv'], ['_kv']])
  })
})

describe('search', () => {
  const cases = [
    ['a beginning of a word', 'mon', ['mona']],
    ['letter case', 'MONA HAS', ['mona']],
    ['an accent', 'elodie', ['elodie']],
    ['Arabic, another letter form', 'احمد', ['ahmed']],
    ['Arabic, with vowels', 'أَحْمَد', ['ahmed']],
    ['Arabic, teh marbuta as heh', 'المدينه', ['ahmed']],
    ['the last digits of a phone number', '4567', ['mona']],
    ['a phone number with spaces', '(100) 123-4567', ['mona']],
    ['Arabic digits', '٤٥٦٧', ['mona']],
    ['a word of the note', 'garden', ['elodie', 'mona']],
    ['two words, both needed', 'garden elo', ['elodie']],
    ['nothing that can be searched', ' - ', []],
    ['quotes and operators', '" OR *', []],
  ] as const
  test.each(cases)('finds by %s', async (_, typed, found) => {
    const d = await syncedDevice(
      ['mona', 1, { title: 'Mona Hassan', phone: '+20 100 123 4567', body: 'wants a garden' }],
      ['ahmed', 1, { title: 'أحمد المدينة', phone: '+20 111' }],
    )
    d.write(['create', 'elodie', { title: 'Élodie', body: 'Garden view' }]) // Local writes are found as pulled ones are.
    expect([...d.store.search('notes', typed, 10)].sort()).toEqual(found)
    const condition = searchCondition('notes', typed)
    if (condition === null) return
    const sql = `select id from notes where ${condition.sql} order by id`
    expect(d.rows({ sql, parameters: [...condition.parameters], tables: ['notes'] } as never).flat()).toEqual(found)
  })

  test('entries follow edits, deletes, refusals and pulled rows', async () => {
    const d = await syncedDevice(['a', 1, { title: 'alpha' }], ['b', 1, { title: 'beta' }])
    const found = (typed: string) => d.store.search('notes', typed, 9)
    d.write(['update', 'a', { title: 'gamma' }])
    expect([found('alpha'), found('gamma')]).toEqual([[], ['a']])
    const { ids } = d.store.nextBatch(wholeBatch)
    d.store.applyReply(ids, reply({ outcomes: ids.map(rejected) }))
    expect([found('alpha'), found('gamma')]).toEqual([['a'], []])
    d.write(['delete', 'b'])
    expect(found('beta')).toEqual([])
    d.store.applyReply(
      [],
      reply({
        changes: [
          notes([
            ['a', 2, { title: 'delta' }],
            ['c', 1, { title: 'beta' }],
          ]),
        ],
      }),
    )
    expect([found('alpha'), found('delta'), found('beta')]).toEqual([[], ['a'], ['c']])
    d.check()
  })
})

describe('opening', () => {
  test('the database of another user is not opened', async () => {
    const d = await device()
    const open = () =>
      createStore({ driver: d.driver, schema: notebook, user: parseUserId('user-2'), ambient: d.world })
    expect(open).toThrow(EngineError)
    expect(() => d.driver.all('select 1')).toThrow(/CLOSED/)
  })

  test('sequence numbers go on after those that have left the outbox', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.write(['update', 'a', { body: 'x' }])
    d.write(['update', 'a', { title: 'B' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    const [, last] = ids
    if (last === undefined) throw new Error('two operations were written')
    d.store.applyReply(ids, reply({ outcomes: [rejected(last)] }))
    const again = createStore({ driver: d.driver, schema: notebook, user, ambient: d.world })
    again.write(draft(d.world, ['update', 'a', { title: 'C' }]))
    expect(d.driver.all('select max(seq) from _outbox')).toEqual([[3]])
    d.check()
  })

  test('settled operations are kept within bounds', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    const settleOne = (version: number) => {
      d.write(['increment', 'a', { count: 1 }])
      const { ids } = d.store.nextBatch(wholeBatch)
      const page = notes([['a', version, { title: 'A', count: version }]])
      const serverTimeMs = d.world.clock.now()
      const outcomes = ids.map((id) => applied(id, version))
      d.store.applyReply(ids, reply({ outcomes, changes: [page], serverTimeMs }))
    }
    const kept = () => d.driver.all('select count(*), max(seq) from _settled')[0]
    settleOne(2)
    d.driver.exec(`insert into _settled select 1 - value, 'old' || value, '', 1800000000000, '', '', 0
      from (with recursive n(value) as (select 1 union all select value + 1 from n where value < 50100) select value from n)`)
    settleOne(3)
    expect(kept()).toEqual([50_000, 2])
    d.world.wait(15 * 24 * 60 * 60 * 1_000)
    settleOne(4)
    expect(kept()).toEqual([1, 3])
  })

  test('the same device and the same state after opening again; what was being sent is pending', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.write(['update', 'a', { title: 'B' }])
    d.store.nextBatch(wholeBatch)
    d.world.wait(77)
    d.store.applyReply([], reply({ through: 1, serverTimeMs: d.world.clock.now() }))
    const again = createStore({ driver: d.driver, schema: notebook, user, ambient: d.world })
    expect(again.device).toBe(d.store.device)
    const state = [again.generation(), again.completeness(), again.lastSyncedAt()]
    expect(state).toEqual(['gen1', 'complete', d.world.clock.now()])
    expect(again.waiting(5)).toMatchObject([{ state: 'pending', attempts: 1 }])
    expect(again.nextBatch(wholeBatch)).toMatchObject({ cursor: '1', ids: [{}] })
    again.write(draft(d.world, ['update', 'a', { body: 'x' }]))
    d.check()
  })

  test('a file of another version: a column that rows can do without is added, and everything goes on', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.write(['update', 'a', { title: 'B' }])
    madeByAnother(d.driver, '_inbox', 'discardedWith')
    madeByAnother(d.driver, '_outbox', 'failures')
    const again = createStore({ driver: d.driver, schema: notebook, user, ambient: d.world })
    const { ids } = again.nextBatch(wholeBatch)
    again.failedAlone(ids)
    again.refuse(ids[0] ?? parseOperationId(''), { code: 'TOO_LARGE', problem: 'It is too large.' })
    const [group] = again.inbox()
    again.discard(group?.id ?? parseOperationId(''))
    expect(again.inbox()).toEqual([])
    d.check()
  })

  test('a file of another version: one that no row can do without is said, and nothing is changed', async () => {
    const d = await syncedDevice(['a', 1, { title: 'A' }])
    d.driver.exec('drop index _outbox_tx')
    madeByAnother(d.driver, '_outbox', 'tx')
    const before = d.driver.all('select name, sql from sqlite_master order by name')
    const open = () => createStore({ driver: keptOpen(d.driver), schema: notebook, user, ambient: d.world })
    expect(open).toThrow(UsageError)
    expect(open).toThrow(/no column _outbox\.tx/)
    expect(d.driver.all('select name, sql from sqlite_master order by name')).toEqual(before)
  })
})

/** As a version has made it that does not know this column. */
function madeByAnother(driver: SqliteDriver, table: string, column: string): void {
  driver.exec(`alter table ${table} drop column "${column}"`)
  driver.run(`update _meta set value = '' where key = 'tables'`, [])
}

/** An opening that fails closes its driver, and then nobody sees what it did. */
function keptOpen(driver: SqliteDriver): SqliteDriver {
  return { ...driver, close: () => {} }
}
