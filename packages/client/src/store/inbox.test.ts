/** The inbox of one device: what lies together, what a person can do with it, and what survives. */
import {
  collection,
  defineSchema,
  type Json,
  type OperationId,
  parseGeneration,
  parseOperation,
  type Schema,
  t,
  wholeRecord,
} from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  applied,
  type Change,
  createModelServer,
  createTestWorld,
  draft,
  notebook,
  notes,
  rejected,
  reply,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { createStore } from './create-store.ts'

const dayMs = 24 * 60 * 60 * 1_000

/** A device that has synced the notes a and b. */
async function device(schema: Schema = notebook) {
  const world = createTestWorld()
  const driver = await nodeSqlite(':memory:')()
  const open = (with_: Schema) => createStore({ driver, schema: with_, user, ambient: world })
  let store = open(schema)
  store.applyReply(
    [],
    reply({
      changes: [
        notes([
          ['a', 1, { title: 'A' }],
          ['b', 1, { title: 'B' }],
        ]),
      ],
      cursor: 'c1',
      through: 1,
    }),
  )
  return {
    world,
    driver,
    get store() {
      return store
    },
    reopen(next: Schema = schema) {
      store = open(next)
    },
    write(...changes: readonly Change[]) {
      const written = draft(world, ...changes)
      store.write(written)
      return written
    },
    /** Sends all that waits; those at these places are refused. */
    refuse(...indexes: readonly number[]): readonly OperationId[] {
      const { ids } = store.nextBatch(wholeBatch)
      store.applyReply(ids, reply({ outcomes: ids.filter((_, i) => indexes.includes(i)).map(rejected) }))
      return ids
    },
    groups: () => store.inbox().map(({ record, items }) => [record, items.map(({ record }) => record).join('')]),
    row(id: string) {
      const sql = 'select title, body, count, "$sync", "$version" from notes where id = ?'
      const { columns, rows } = store.query({ sql, parameters: [id], tables: ['notes'] })
      const [values]: readonly (readonly Json[])[] = JSON.parse(rows)
      return values === undefined ? null : Object.fromEntries(columns.map((column, i) => [column, values[i]]))
    },
    /** What would be sent now. */
    waiting: () =>
      driver
        .all('select operation from _outbox order by seq')
        .map(([text]) => parseOperation(JSON.parse(String(text)))),
    id: () => store.inbox()[0]?.id ?? world.operationId(),
    check: () => expect(brokenInvariants(driver, notebook)).toEqual([]),
  }
}

describe('retry', () => {
  test('[RQ1] [RQ2] the group goes again as new operations: same intent, base and time, in local order, each transaction as one', async () => {
    const d = await device()
    d.write(['create', 'n', { title: 'New' }])
    d.write(['update', 'n', { title: 'Newer' }], ['update', 'a', { body: 'with it' }])
    const before = d.waiting()
    d.refuse(0)
    expect(d.groups()).toEqual([['n', 'nna']])
    expect([d.row('n'), d.row('a')]).toMatchObject([null, { body: '', $sync: 'refused' }])
    d.world.wait(60_000)
    const by = d.world.operationId()
    d.store.requeue({ id: d.id(), by, patch: null })
    const after = d.waiting()
    const intent = (o: (typeof after)[number]) => [o.kind, o.record, o.fields, o.was, o.base, o.time, o.schemaVersion]
    expect(after.map(intent)).toEqual(before.map(intent))
    expect(after.map(({ replaces }) => replaces)).toEqual(before.map(({ id }) => [id]))
    expect(after.map(({ tx }) => [tx.index, tx.count])).toEqual(before.map(({ tx }) => [tx.index, tx.count]))
    expect(after.map(({ seq }) => seq)).toEqual([4, 5, 6])
    expect(after[0]?.id).toBe(by)
    expect(new Set([...before, ...after].map(({ tx }) => tx.id)).size).toBe(4)
    expect(after[1]?.tx.id).toBe(after[2]?.tx.id)
    expect([d.row('n'), d.row('a')]).toMatchObject([
      { title: 'Newer', $sync: 'pending' },
      { title: 'A', body: 'with it', $sync: 'pending' },
    ])
    expect(d.store.counts()).toMatchObject({ pending: 3, refused: 0 })
    d.check()
  })

  test('[I-5] [RQ4] a repeated call counts once, after a restart too; a call for what is gone says so and changes nothing', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'A2' }])
    d.refuse(0)
    const request = { id: d.id(), by: d.world.operationId(), patch: null }
    d.store.requeue(request)
    d.store.requeue(request)
    d.reopen()
    d.store.requeue(request)
    expect(d.waiting()).toHaveLength(1)
    expect(() => d.store.requeue({ ...request, by: d.world.operationId() })).toThrow(/NOT_FOUND/)
    expect(() => d.store.discard(request.id)).toThrow(/NOT_FOUND/)
    expect(d.waiting()).toHaveLength(1)
    d.check()
  })

  test('what was refused stays refused for whoever asked: its fate is known, there is nothing to undo', async () => {
    const d = await device()
    const { tx } = d.write(['delete', 'a'])
    d.refuse(0)
    const fate = d.store.fate(tx)
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    expect(d.store.fate(tx)).toEqual(fate)
    expect(d.store.undo(tx, { tx: d.world.transactionId(), operationId: d.world.operationId })).toBe(false)
    d.check()
  })

  test('[I-5] [RQ3] a retry that the server refused for good is what the next one names', async () => {
    const d = await device()
    d.write(['increment', 'a', { count: 1 }])
    const [first] = d.refuse(0)
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    const { ids } = d.store.nextBatch(wholeBatch)
    const outcomes = ids.map((id) => ({ ...rejected(id), code: 'ALREADY_APPLIED' as const }))
    d.store.applyReply(ids, reply({ outcomes }))
    expect(d.store.inbox()).toMatchObject([{ code: 'ALREADY_APPLIED' }])
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    expect(d.waiting().map(({ replaces }) => replaces)).toEqual([ids])
    expect(ids).not.toContain(first)
    d.check()
  })

  test('[I-5] [RQ3] what was given up may have arrived, and all that it replaced: the whole chain is named, however long', async () => {
    const d = await device()
    d.write(['increment', 'a', { count: 1 }])
    const sent: OperationId[] = []
    for (let turn = 0; turn < 40; turn += 1) {
      const { ids } = d.store.nextBatch(wholeBatch)
      sent.unshift(...ids)
      d.store.refuse(ids[0] ?? d.id(), { code: 'TOO_LARGE', problem: 'Too large.' })
      d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
      const [{ replaces = [] } = {}] = d.waiting()
      expect(replaces).toEqual(sent.length <= 32 ? sent : [...sent.slice(0, 31), ...sent.slice(-1)].slice(0, 32))
    }
    d.check()
  })

  test('[I-5] [RQ3] what was blocked says nothing of what it replaced: that is named still', async () => {
    const d = await device()
    d.write(['increment', 'a', { count: 1 }], ['increment', 'b', { count: 1 }])
    const [first, second] = d.refuse(0)
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    const [again, blocked] = d.refuse(0)
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    expect(first).not.toBe(again)
    expect(d.waiting().map(({ replaces }) => replaces)).toEqual([[again], [blocked, second]])
    d.check()
  })

  test('[I-12] what was written meanwhile stands beside it, in the order in which it is sent', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'first' }])
    d.refuse(0)
    d.write(['update', 'a', { body: 'second' }])
    d.write(['increment', 'a', { count: 2 }])
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    expect(d.row('a')).toMatchObject({ title: 'first', body: 'second', count: 2, $sync: 'pending' })
    d.check()
  })
})

describe('fix', () => {
  test('[RQ2] a mended creation is checked whole, keeps its time, and takes the rest of its group along', async () => {
    const d = await device()
    d.write(['create', 'n', { title: 'bad', body: 'kept' }], ['update', 'a', { body: 'with it' }])
    d.write(['increment', 'n', { count: 3 }])
    d.refuse(0)
    d.world.wait(60_000)
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: { title: 'good' } })
    const [create, mate, later] = d.waiting()
    const nowMs = d.world.clock.now()
    expect(create).toMatchObject({ fields: { title: 'good', body: 'kept', count: 0 }, was: {} })
    // What was written later on the record stays later.
    expect([create, mate, later].map((one) => one?.time.at)).toEqual(Array(3).fill(nowMs - 60_000))
    expect(d.row('n')).toMatchObject({ title: 'good', body: 'kept', count: 3, $sync: 'pending' })
    expect(d.store.counts()).toMatchObject({ pending: 3, refused: 0 })
    d.check()
  })

  test('[I-19] [RQ2] the mended field is judged by what is shown now; the others by what was seen when they were written', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'bad', body: 'mine' }], ['update', 'b', { title: 'bad' }])
    const [first, second] = d.refuse(0)
    const writtenMs = d.world.clock.now()
    d.world.wait(60_000)
    const changes = [notes([['a', 5, { title: 'theirs', body: 'newer' }]])]
    d.store.applyReply([], reply({ changes, cursor: 'c2', through: 5 }))
    const request = { id: first ?? d.id(), by: d.world.operationId(), patch: { title: 'good' } }
    d.store.requeue(request)
    expect(d.waiting()).toMatchObject([
      { fields: { body: 'mine' }, was: { body: '' }, base: { version: 1 }, time: { at: writtenMs }, replaces: [first] },
      {
        id: request.by,
        fields: { title: 'good' },
        was: { title: 'theirs' },
        base: { version: 5 },
        time: { at: writtenMs + 60_000 },
        replaces: [first],
      },
      { fields: { title: 'bad' }, base: { version: 1 }, time: { at: writtenMs }, replaces: [second] },
    ])
    expect(d.waiting().map(({ tx }) => [tx.index, tx.count])).toEqual([0, 1, 2].map((index) => [index, 3]))
    expect(new Set(d.waiting().map(({ tx }) => tx.id)).size).toBe(1)
    expect(d.row('a')).toMatchObject({ title: 'good', body: 'mine' })
    expect(d.store.counts()).toMatchObject({ pending: 3, refused: 0 })
    d.store.requeue(request)
    expect(d.waiting()).toHaveLength(3)
    d.check()
  })

  test('[C10] [RQ2] of a record that is merged as a whole, a part that was not mended keeps the whole as old as it was', async () => {
    const whole = defineSchema({
      version: 1,
      collections: {
        ...notebook.collections,
        notes: collection({ fields: notebook.collections.notes.fields, merge: wholeRecord('lww') }),
      },
    })
    const d = await device(whole)
    const writtenMs = d.world.clock.now()
    d.write(['update', 'a', { title: 'bad', body: 'mine' }])
    d.write(['update', 'b', { title: 'bad' }])
    d.refuse(0, 1)
    d.world.wait(60_000)
    const changes = [
      notes([
        ['a', 5, { title: 'theirs' }],
        ['b', 5, { title: 'theirs' }],
      ]),
    ]
    d.store.applyReply([], reply({ changes, cursor: 'c2', through: 5 }))
    for (const { id } of d.store.inbox()) d.store.requeue({ id, by: d.world.operationId(), patch: { title: 'good' } })
    expect(d.waiting()).toMatchObject([
      {
        fields: { title: 'good', body: 'mine' },
        was: { title: 'A', body: '' },
        base: { version: 1 },
        time: { at: writtenMs },
      },
      { fields: { title: 'good' }, was: { title: 'theirs' }, base: { version: 5 }, time: { at: writtenMs + 60_000 } },
    ])
    expect(brokenInvariants(d.driver, whole)).toEqual([])
  })

  test('[RQ1] another operation of the group can be the one that is mended', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'one' }], ['update', 'b', { title: 'two' }])
    const [, second] = d.refuse(0)
    if (second === undefined) throw new Error('two were written')
    d.store.requeue({ id: second, by: d.world.operationId(), patch: { title: 'three' } })
    expect(d.waiting().map(({ record, fields }) => [record, fields])).toEqual([
      ['a', { title: 'one' }],
      ['b', { title: 'three' }],
    ])
    d.check()
  })

  test('a record that the group itself creates is mended by what the group shows of it', async () => {
    const d = await device()
    d.write(['create', 'n', { title: 'New' }])
    d.write(['update', 'n', { title: 'bad' }])
    const [, update] = d.refuse(0)
    if (update === undefined) throw new Error('two were written')
    d.store.requeue({ id: update, by: d.world.operationId(), patch: { title: 'good' } })
    expect(d.waiting()[1]).toMatchObject({ fields: { title: 'good' }, was: { title: 'New' }, base: { version: 0 } })
    expect(d.row('n')).toMatchObject({ title: 'good' })
    d.check()
  })

  test.each([
    ['a value against a rule', { title: '' }, 'INVALID_VALUE'],
    ['an unknown field', { colour: 'red' }, 'UNKNOWN_FIELD'],
    ['a counter', { count: 3 }, 'INVALID_VALUE'],
  ])('[RQ4] %s throws, and nothing has changed', async (_, patch, code) => {
    const d = await device()
    d.write(['create', 'n', { title: 'New' }], ['update', 'a', { body: 'x' }])
    d.refuse(0)
    const before = [d.store.inbox(), d.store.counts(), d.row('a')]
    expect(() => d.store.requeue({ id: d.id(), by: d.world.operationId(), patch })).toThrow(code)
    expect([d.store.inbox(), d.store.counts(), d.row('a')]).toEqual(before)
    d.check()
  })

  test('[EN1] mended to what is shown anyway, it needs not be sent; the repeated call counts once, another one finds nothing', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'bad' }])
    d.refuse(0)
    const request = { id: d.id(), by: d.world.operationId(), patch: { title: 'A' } }
    d.store.requeue(request)
    d.store.requeue(request)
    d.reopen()
    d.store.requeue(request)
    expect(() => d.store.requeue({ ...request, by: d.world.operationId() })).toThrow(/NOT_FOUND/)
    expect([d.store.counts(), d.row('a')]).toMatchObject([
      { pending: 0, refused: 0 },
      { title: 'A', $sync: 'synced' },
    ])
    d.check()
  })

  test.each<[Change, object]>([
    [['update', 'a', { title: 'bad' }], { title: 'A' }],
    [['increment', 'a', { count: 5 }], { count: 0 }],
  ])('[I-4] mended to what is shown, one that may have arrived is sent: %j', async (change, patch) => {
    const d = await device()
    d.write(change)
    const { ids } = d.store.nextBatch(wholeBatch)
    d.store.refuse(ids[0] ?? d.id(), { code: 'TOO_LARGE', problem: 'Too large.' })
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: { ...patch } })
    expect(d.waiting()).toMatchObject([{ fields: patch, base: { version: 1 }, replaces: ids }])
    d.check()
  })
})

describe('discard', () => {
  test('[I-4] [IB4] the group leaves the list and comes back by undo, also after a restart; both may be repeated', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'A2' }], ['update', 'b', { title: 'B2' }])
    d.write(['update', 'b', { body: 'x' }])
    const ids = d.refuse(0, 2)
    const before = d.store.inbox()
    const id = d.id()
    d.store.discard(id)
    d.store.discard(id)
    expect(d.groups()).toEqual([['b', 'b']])
    expect([d.row('a')?.$sync, d.row('b')?.$sync]).toEqual(['synced', 'refused'])
    expect(d.store.counts()).toMatchObject({ pending: 0, refused: 1 })
    d.check()
    d.reopen()
    d.store.undiscard(id)
    d.store.undiscard(id)
    expect(d.store.inbox()).toEqual(before)
    expect([d.row('a')?.$sync, d.row('b')?.$sync]).toEqual(['refused', 'refused'])
    expect(ids).toHaveLength(3)
    d.check()
  })

  test('[I-4] [IB4] what was discarded is listed with its time, over a restart, and each group is taken back by itself', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'A2' }], ['update', 'b', { body: 'B2' }])
    d.write(['update', 'b', { title: 'B3' }])
    d.refuse(0, 1, 2)
    const [first, second] = d.store.inbox()
    if (first === undefined || second === undefined) throw new Error('two groups were refused')
    const listed = () => d.store.discarded().map(({ items, discardedAt }) => [items.length, discardedAt])
    expect(listed()).toEqual([])
    d.store.discard(first.id)
    const firstAt = d.world.clock.now()
    d.world.wait(1_000)
    d.store.discard(second.id)
    d.reopen()
    expect(listed()).toEqual([
      [1, firstAt + 1_000],
      [2, firstAt],
    ])
    expect(d.store.discarded()[1]).toEqual({ ...first, discardedAt: firstAt })
    // Any operation of a group names it.
    d.store.undiscard(first.items.at(-1)?.id ?? first.id)
    expect(d.store.inbox()).toEqual([first])
    expect(listed()).toEqual([[1, firstAt + 1_000]])
    d.check()
  })

  test('[IB4] what was discarded is kept for 14 days, and then gone for good', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'A2' }])
    d.write(['update', 'b', { title: 'B2' }])
    d.refuse(0, 1)
    const id = d.id()
    d.store.discard(id)
    const settleOne = (title: string, version: number) => {
      d.write(['update', 'a', { title }])
      const { ids } = d.store.nextBatch(wholeBatch)
      const changes = [notes([['a', version, { title }]])]
      const serverTimeMs = d.world.clock.now()
      const outcomes = ids.map((sent) => applied(sent, version))
      d.store.applyReply(ids, reply({ outcomes, changes, through: version, serverTimeMs }))
    }
    d.world.wait(13 * dayMs)
    settleOne('later', 2)
    d.store.undiscard(id)
    expect(d.groups()).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ])
    d.store.discard(id)
    d.world.wait(15 * dayMs)
    settleOne('latest', 3)
    expect(() => d.store.undiscard(id)).toThrow(/NOT_FOUND/)
    expect(d.groups()).toEqual([['b', 'b']])
  })

  test.each([
    ['shows next year for a moment', 0, 365],
    ['showed last year when it was discarded', -365, 365],
    ['showed next year when it was discarded', 365, -365],
  ])('[I-4] [IB4] the 14 days are the server’s, also where the device’s clock %s', async (_, beforeDays, thenDays) => {
    const d = await device()
    const startMs = d.world.clock.now()
    let awakeMs = 0
    const wait = (ms: number) => {
      awakeMs += ms
      d.world.wait(ms)
    }
    const settleOne = (version: number) => {
      const title = `b${version}`
      d.write(['update', 'b', { title }])
      const { ids } = d.store.nextBatch(wholeBatch)
      const changes = [notes([['b', version, { title }]])]
      const outcomes = ids.map((sent) => applied(sent, version))
      d.store.applyReply(ids, reply({ outcomes, changes, through: version, serverTimeMs: startMs + awakeMs }))
    }
    d.write(['update', 'a', { title: 'A2' }])
    d.refuse(0)
    d.world.jump(beforeDays * dayMs)
    const id = d.id()
    d.store.discard(id)
    wait(60_000)
    d.world.jump(thenDays * dayMs)
    settleOne(2)
    d.store.undiscard(id)
    expect(d.groups()).toEqual([['a', 'a']])
    d.store.discard(id)
    settleOne(3)
    wait(15 * dayMs)
    settleOne(4)
    expect(() => d.store.undiscard(id)).toThrow(/NOT_FOUND/)
  })
})

describe('what hangs on a refused creation', () => {
  const tagOf = (record: string, note: string): Change => ['create', record, { name: 'x', note }, 'tags']

  test('[IB3] [I-10] and is written later is parked beside its cause and never sent; it flows with its cause', async () => {
    const d = await device()
    d.write(['create', 'n', { title: 'New' }])
    d.refuse(0)
    const parked = d.write(tagOf('t', 'n'))
    d.write(tagOf('s', 'a'))
    d.write(['update', 'b', { title: 'B2' }])
    const sent = d.store.nextBatch(wholeBatch)
    expect(sent.operations.map((text) => JSON.parse(text).record)).toEqual(['s', 'b'])
    expect(d.groups()).toEqual([['n', 'nt']])
    expect(d.store.inbox()[0]?.items[1]).toMatchObject({ code: 'BLOCKED', attempts: 0 })
    expect(d.store.counts()).toMatchObject({ pending: 2, refused: 1 })
    expect(d.store.fate(parked.tx)).toMatchObject({ kind: 'settled', outcomes: [{ code: 'BLOCKED' }] })
    d.check()
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    const flowing = d.store.nextBatch(wholeBatch)
    expect(flowing.operations.map((text) => JSON.parse(text).record)).toEqual(['n', 't'])
    d.check()
  })

  test('[IB3] is still found when its cause is sent again before the device came to send it', async () => {
    const d = await device()
    d.write(['create', 'n', { title: 'New' }])
    d.refuse(0)
    d.write(tagOf('t', 'n'))
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    const { operations } = d.store.nextBatch(wholeBatch)
    expect(operations.map((text) => JSON.parse(text).record)).toEqual(['n', 't'])
    d.check()
  })

  test('[IB3] over transactions; nothing is parked when the record is here after all', async () => {
    const d = await device()
    d.write(['create', 'n', { title: 'New' }])
    d.refuse(0)
    d.write(['create', 'm', { title: 'M' }], tagOf('t', 'n'))
    d.write(tagOf('u', 'm'))
    expect(d.store.hasNext({ aside: new Set(), only: null })).toBe(true)
    expect(d.store.nextBatch(wholeBatch).ids).toEqual([])
    expect(d.groups()).toEqual([['n', 'nmtu']])
    expect(d.store.hasNext({ aside: new Set(), only: null })).toBe(false)
    d.check()
    // Somebody else has created it.
    d.store.applyReply([], reply({ changes: [notes([['n', 1, { title: 'Theirs' }]])], cursor: 'c2', through: 2 }))
    d.write(tagOf('v', 'n'))
    expect(d.store.nextBatch(wholeBatch).operations.map((text) => JSON.parse(text).record)).toEqual(['v'])
    d.check()
  })
})

test('[I-10] a creation that took effect under another id keeps nothing: what hung on it was judged for itself, and what comes later is sent', async () => {
  const d = await device()
  d.write(['create', 'n', { title: 'New' }])
  d.write(['update', 'n', { body: 'an hour of notes' }])
  d.write(['create', 't', { name: 'x', note: 'n' }, 'tags'])
  const { ids } = d.store.nextBatch(wholeBatch)
  const [made, noted] = ids
  if (made === undefined || noted === undefined) throw new Error('three were written')
  const outcomes = [made].map((id) => ({ ...rejected(id), code: 'ALREADY_APPLIED' as const }))
  d.store.applyReply(ids, reply({ outcomes }))
  expect(d.groups()).toEqual([['n', 'n']])
  expect(d.store.nextBatch(wholeBatch).ids).toEqual(ids.slice(1))
  d.store.applyReply(ids.slice(1), reply({ outcomes: [rejected(noted)] }))
  // Refused for a reason of its own, it is no part of what was done.
  expect(d.groups()).toEqual([
    ['n', 'n'],
    ['n', 'n'],
  ])
  d.check()
})

describe('an operation on which the server fails', () => {
  test('[I-4] is parked after eight failures of its own, counted over restarts, with its transaction; retry starts anew', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'A2' }], ['update', 'b', { title: 'B2' }])
    const attempt = () => {
      const { ids } = d.store.nextBatch(wholeBatch)
      d.store.batchFailed(ids, 'SERVER_ERROR')
      d.store.failedAlone(ids)
    }
    for (let count = 0; count < 7; count += 1) {
      attempt()
      d.reopen()
    }
    expect(d.store.counts()).toMatchObject({ pending: 2, refused: 0 })
    attempt()
    expect(d.store.counts()).toMatchObject({ pending: 0, refused: 1 })
    expect(d.store.inbox()).toMatchObject([
      { code: 'GAVE_UP', attempts: 8, problem: expect.stringContaining('8 times') },
    ])
    d.check()
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    attempt()
    expect(d.store.counts()).toMatchObject({ pending: 2, refused: 0 })
    d.check()
  })

  test('is not blamed for what hangs on another one, nor for a server that is older than the app or was restored', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'A2' }])
    d.write(['create', 't', { name: 'x', note: 'a' }, 'tags'])
    d.write(['update', 'a', { body: 'x' }], ['update', 'b', { body: 'x' }])
    d.write(['update', 'b', { title: 'B2' }])
    d.write(['create', 'n', { title: 'New' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    expect(d.store.blamed(ids, null)).toEqual({ ids: [ids[0], ids[5]], units: 2 })
    expect(d.store.blamed(ids, 0)).toEqual({ ids: [], units: 0 })
    expect(d.store.blamed(ids.slice(4), null)).toEqual({ ids: ids.slice(4), units: 2 })
    const generation = parseGeneration('gen2')
    const retentionMs = 30 * 86_400_000
    const serverTimeMs = d.world.clock.now()
    d.store.restart({ kind: 'generation', generation, fork: 99, cursor: null, retentionMs, serverTimeMs }, null)
    // The creation names no record that somebody else may have to bring back.
    expect(d.store.blamed(ids, null)).toEqual({ ids: ids.slice(5), units: 1 })
  })
})

describe('a refused operation survives', () => {
  const narrow = defineSchema({
    version: 2,
    collections: { notes: collection({ fields: { title: t.text({ min: 1, max: 200 }), count: t.counter() } }) },
  })

  test('[I-4] a schema without its field or collection: listed, exported, discarded; a retry says what is missing', async () => {
    const d = await device()
    d.write(['update', 'a', { body: 'x' }])
    d.write(['create', 't', { name: 'tag' }, 'tags'])
    d.write(['update', 'b', { title: 'B2' }])
    d.refuse(0, 1, 2)
    const before = d.store.inbox()
    d.reopen(narrow)
    expect(d.store.inbox()).toEqual(before)
    const [field, tag, plain] = d.store.inbox()
    if (field === undefined || tag === undefined || plain === undefined) throw new Error('three were refused')
    const by = d.world.operationId()
    expect(() => d.store.requeue({ id: field.id, by, patch: null })).toThrow(/UNKNOWN_FIELD.*body/)
    expect(() => d.store.requeue({ id: tag.id, by, patch: null })).toThrow(/UNKNOWN_COLLECTION.*tags/)
    expect(() => d.store.requeue({ id: tag.id, by, patch: { name: 'x' } })).toThrow(/UNKNOWN_COLLECTION.*tags/)
    expect(d.store.inbox()).toEqual(before)
    expect(JSON.parse(d.store.exportInbox().text).changes).toHaveLength(3)
    d.store.discard(tag.id)
    d.store.requeue({ id: plain.id, by, patch: null })
    expect(d.store.inbox()).toEqual([field])
    expect(brokenInvariants(d.driver, narrow)).toEqual([])
    d.store.undiscard(tag.id)
    d.reopen(notebook)
    d.store.requeue({ id: field.id, by: d.world.operationId(), patch: null })
    d.store.requeue({ id: tag.id, by: d.world.operationId(), patch: null })
    expect(d.waiting()).toHaveLength(3)
    expect(d.store.counts()).toMatchObject({ pending: 3, refused: 0 })
  })
})

describe('[RQ5] a group of which the schema has lost a part', () => {
  const narrow = defineSchema({
    version: 2,
    collections: { notes: collection({ fields: { title: t.text({ min: 1, max: 200 }), count: t.counter() } }) },
  })
  const group = async () => {
    const d = await device()
    d.write(
      ['create', 'n', { title: 'bad', body: 'kept' }],
      ['create', 't', { name: 'tag', note: 'n' }, 'tags'],
      ['increment', 'a', { count: 2 }],
      ['update', 'b', { body: 'all of it' }],
    )
    const ids = d.refuse(0)
    d.reopen(narrow)
    return { d, ids }
  }
  const left = [
    ...['body', 'phone', 'done', 'price', 'extra'].map((field) => ({ collection: 'notes', record: 'n', field })),
    { collection: 'tags', record: 't', field: null },
    { collection: 'notes', record: 'b', field: null },
  ]

  test.each([null, { title: 'good' }])(
    '[I-4] goes without it where that is asked for; what is left out is told, stays in the inbox and in the export: %j',
    async (patch) => {
      const { d, ids } = await group()
      const request = { id: ids[0] ?? d.id(), by: d.world.operationId(), patch }
      const before = d.store.inbox()
      expect(() => d.store.requeue(request)).toThrow(/UNKNOWN_FIELD.*body.*leaveOut/)
      expect(d.store.inbox()).toEqual(before)
      expect(d.store.requeue({ ...request, leaveOut: true })).toEqual(left)
      expect(d.store.requeue({ ...request, leaveOut: true })).toEqual([])
      const title = patch?.title ?? 'bad'
      expect(d.waiting()).toMatchObject([
        { id: request.by, kind: 'create', fields: { title, count: 0 }, tx: { count: 2 } },
        { kind: 'increment', fields: { count: 2 }, tx: { count: 2 } },
      ])
      expect(Object.keys(d.waiting()[0]?.fields ?? {}).sort()).toEqual(['count', 'title'])
      const items = d.store.inbox().flatMap((one) => one.items)
      expect(items.map(({ record, kind, code }) => [record, kind, code]).sort()).toEqual([
        ['b', 'update', 'BLOCKED'],
        ['n', 'update', 'UNKNOWN_FIELD'],
        ['t', 'create', 'BLOCKED'],
      ])
      expect(items.find(({ record }) => record === 'n')?.fields).toMatchObject({ body: 'kept' })
      const { text } = d.store.exportInbox()
      for (const value of ['"kept"', '"tag"', '"all of it"']) expect(text).toContain(value)
      expect(brokenInvariants(d.driver, narrow)).toEqual([])
      // The server takes what went; with the older app what stayed goes, too.
      const sent = d.store.nextBatch(wholeBatch)
      d.store.applyReply(sent.ids, reply({ outcomes: sent.ids.map((id) => applied(id, 1)) }))
      d.reopen(notebook)
      for (const { id } of d.store.inbox()) d.store.requeue({ id, by: d.world.operationId(), patch: null })
      expect(
        d
          .waiting()
          .map(({ record, kind }) => [record, kind])
          .sort(),
      ).toContainEqual(['n', 'update'])
      expect(d.store.counts()).toMatchObject({ refused: 0 })
    },
  )

  test('[I-5] of one that may have arrived, what is left out counts as that one, too', async () => {
    const d = await device()
    d.write(['update', 'a', { title: 'bad', body: 'kept' }])
    const { ids } = d.store.nextBatch(wholeBatch)
    d.store.refuse(ids[0] ?? d.id(), { code: 'TOO_LARGE', problem: 'Too large.' })
    d.reopen(narrow)
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null, leaveOut: true })
    d.reopen(notebook)
    const [body] = d.store.inbox()
    d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
    expect(d.waiting().map(({ fields, replaces }) => [fields, replaces])).toEqual([
      [{ title: 'bad' }, ids],
      [{ body: 'kept' }, [body?.id, ...ids]],
    ])
  })

  test('of which nothing is left says what is missing, and mends nothing that is gone', async () => {
    const { d, ids } = await group()
    const request = { by: d.world.operationId(), leaveOut: true }
    const before = d.store.inbox()
    expect(() => d.store.requeue({ ...request, id: ids[1] ?? d.id(), patch: { name: 'x' } })).toThrow(
      /UNKNOWN_COLLECTION/,
    )
    expect(() => d.store.requeue({ ...request, id: ids[0] ?? d.id(), patch: { body: 'x' } })).toThrow(/UNKNOWN_FIELD/)
    expect(d.store.inbox()).toEqual(before)
    // Whichever is named, the rest of its group goes, once.
    d.store.requeue({ ...request, id: ids[1] ?? d.id(), patch: null })
    d.store.requeue({ ...request, id: ids[1] ?? d.id(), patch: null })
    expect(d.waiting()).toHaveLength(2)
  })
})

test('the export has every group in full, as it was written, with reason and time', async () => {
  const d = await device()
  d.write(['create', 'n', { title: 'سلام' }])
  d.write(['update', 'n', { body: 'more' }])
  const written = d.store.nextBatch(wholeBatch)
  d.store.applyReply(written.ids, reply({ outcomes: [rejected(written.ids[0] ?? d.id())] }))
  const { name, text } = d.store.exportInbox()
  expect(name).toMatch(/^refused-changes-user-1-\d{4}-\d\d-\d\d\.json$/)
  const file = JSON.parse(text)
  expect(file).toMatchObject({
    format: 'holdfast-inbox 1',
    user: 'user-1',
    device: d.store.device,
    changes: [{ id: written.ids[0], code: 'FORBIDDEN', problem: 'No.', refusedAt: '2027-01-15T08:00:00.000Z' }],
  })
  const operations: readonly { readonly operation: unknown }[] = file.changes[0].operations
  expect(operations.map(({ operation }) => JSON.stringify(operation))).toEqual(written.operations)
  expect(file.changes[0].operations[1]).toMatchObject({ code: 'BLOCKED', attempts: 1 })
})

test('[I-5] [I-8] refused and retried as a unit, it has its effect once on the server', async () => {
  const d = await device()
  const server = createModelServer()
  server.remote('a', { title: 'A' })
  d.write(['increment', 'a', { count: 2 }], ['create', 'n', { title: 'New' }])
  const round = (refuse: boolean) => {
    const batch = d.store.nextBatch(wholeBatch)
    const outcomes = server.push(batch.operations, () => refuse)
    for (const page of server.pull('0', 9))
      d.store.applyReply(batch.ids, reply({ ...page, outcomes, serverTimeMs: d.world.clock.now() }))
  }
  round(true)
  expect([d.groups(), server.records.get('n')]).toEqual([[['a', 'an']], undefined])
  d.store.requeue({ id: d.id(), by: d.world.operationId(), patch: null })
  round(false)
  expect(server.records.get('n')?.fields).toMatchObject({ title: 'New' })
  expect([d.store.counts(), d.row('n')?.$sync]).toEqual([{ pending: 0, refused: 0, conflicts: 0 }, 'synced'])
  d.check()
})
