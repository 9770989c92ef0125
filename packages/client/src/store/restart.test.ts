import { EngineError, type OperationId, parseGeneration, type Restart, type SyncReply } from '@holdfast/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  applied,
  type Change,
  conflicts,
  createModelServer,
  createTestWorld,
  draft,
  notebook,
  notes,
  reply,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { createStore } from './create-store.ts'
import type { OutboxBounds } from './outbox-room.ts'
import { keptBytesMax } from './settled.ts'

const second = parseGeneration('gen2')
const dayMs = 86_400_000
/** When a test's world begins, and the server's time of its replies. */
const startMs = 1_800_000_000_000
const restored = (change: Partial<Extract<Restart, { kind: 'generation' }>> = {}): Restart => ({
  kind: 'generation',
  generation: second,
  fork: 0,
  cursor: null,
  retentionMs: 90 * dayMs,
  serverTimeMs: startMs,
  ...change,
})
const tooOld: Restart = { kind: 'tooOld', retentionMs: 30 * dayMs, serverTimeMs: startMs }

async function device(outbox?: OutboxBounds) {
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld()
  const past = { kept: { owner: null, operations: [] }, broken: null, device: null }
  const open = () =>
    createStore({ driver, schema: notebook, user, ambient: world, past, ...(outbox ? { outbox } : {}) })
  const store = open()
  const write = (...changes: readonly Change[]): readonly OperationId[] => {
    const made = draft(world, ...changes)
    store.write(made)
    return made.operations.map(({ id }) => id)
  }
  /** Written, sent, and part of what the server sent back. */
  const settled = (
    place: number,
    change: Change,
    row: Parameters<typeof notes>[0][number],
    serverTimeMs = startMs,
  ): OperationId => {
    const [id] = write(change)
    if (id === undefined) throw new Error('There is one operation.')
    const { ids, clock } = store.nextBatch(wholeBatch)
    const outcomes = [applied(id, row[1], place)]
    const changes = [notes([row])]
    store.applyReply(ids, reply({ outcomes, changes, cursor: `c${place}`, through: place, serverTimeMs }), clock)
    return id
  }
  const places = () =>
    ['_outbox', '_settled', '_inbox'].map((table) => driver.all(`select id from ${table} order by seq`).flat())
  const shown = () => driver.all(`select id, "$version", title, body, "$sync" from notes order by id`)
  const texts = () => driver.all('select operation from _outbox order by seq').flat()
  return { driver, world, store, open, write, settled, places, shown, texts }
}

test('[SO1] [I-9] what was acknowledged after the fork waits again with the same text, in its old order; the rest stays', async () => {
  const d = await device()
  const before = d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  const after = d.settled(7, ['update', 'a', { body: 'lost' }], ['a', 2, { title: 'A', body: 'lost' }])
  const [text] = d.driver.all('select operation from _settled where id = ?', [after]).flat()
  const [taken] = d.write(['update', 'a', { phone: '1' }])
  const { ids } = d.store.nextBatch(wholeBatch)
  if (taken === undefined) throw new Error('There is one operation.')
  // Acknowledged, and its row has not come.
  d.store.applyReply(ids, reply({ outcomes: [applied(taken, 3, 8)], cursor: 'c7', through: 7 }))
  const [waiting] = d.write(['create', 'b', { title: 'B' }])
  expect(d.places()).toEqual([[taken, waiting], [before, after], []])

  d.store.restart(restored({ fork: 5 }), 'c7')
  expect(d.places()).toEqual([[after, taken, waiting], [before], []])
  expect(d.texts()[0]).toBe(text)
  expect(d.store.generation()).toBe(second)
  expect(d.store.counts().pending).toBe(3)
  // Nothing is shown otherwise than before.
  expect(d.shown()).toEqual([
    ['a', 0, 'A', 'lost', 'pending'],
    ['b', 0, 'B', '', 'pending'],
  ])
  // Told twice, it happens once.
  d.store.restart(restored({ fork: 5 }), null)
  expect(d.places()).toEqual([[after, taken, waiting], [before], []])
})

test('[SO1] [QU1] [I-4] what was acknowledged and waits again is in the second copy of the queue again', async () => {
  const d = await device()
  d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  const [id] = d.write(['update', 'a', { body: 'x' }])
  if (id === undefined) throw new Error('There is one operation.')
  const { ids } = d.store.nextBatch(wholeBatch)
  d.store.takeQueueChanges()
  d.store.applyReply(ids, reply({ outcomes: [applied(id, 2, 8)], cursor: 'c7', through: 7 }))
  expect(d.store.takeQueueChanges()).toEqual({ put: [], remove: [id] })
  d.store.restart(restored({ fork: 5 }), 'c7')
  expect(d.store.takeQueueChanges()).toMatchObject({ put: [{ id }], remove: [] })
})

test('[SO1] nothing is sent again that the server may have forgotten, nor a part of an app transaction', async () => {
  const d = await device()
  const old = d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  d.world.wait(8 * dayMs)
  const made = draft(d.world, ['update', 'a', { body: 'one' }], ['create', 'b', { title: 'B' }])
  d.store.write(made)
  const [one, two] = made.operations.map(({ id }) => id)
  const { ids } = d.store.nextBatch(wholeBatch)
  if (one === undefined || two === undefined) throw new Error('There are two operations.')
  d.store.applyReply(
    ids,
    reply({
      serverTimeMs: d.world.clock.now(),
      outcomes: [applied(one, 2, 6), applied(two, 1, 6)],
      changes: [
        notes([
          ['a', 2, { title: 'A', body: 'one' }],
          ['b', 1, { title: 'B' }],
        ]),
      ],
      cursor: 'c6',
      through: 6,
    }),
  )
  d.driver.run('update _settled set purged = 1 where id = ?', [two])
  d.store.restart(restored({ retentionMs: 7 * dayMs, serverTimeMs: d.world.clock.now() }), 'c6')
  expect(d.places()).toEqual([[], [old, one, two], []])
})

test('[SO2] [I-9] versions of the lost life count as unknown at once; a place in both lives goes on without a new pull', async () => {
  const d = await device()
  d.settled(5, ['create', 'a', { title: 'A' }], ['a', 4, { title: 'A' }])
  d.store.restart(restored({ fork: 9, cursor: 'n5' }), 'c5')
  expect(d.store.nextBatch(wholeBatch)).toMatchObject({ cursor: 'n5', pull: 'page' })
  d.write(['update', 'a', { body: 'mine' }])
  expect(JSON.parse(String(d.texts().at(-1)))).toMatchObject({ base: { generation: second, version: 4 } })

  const e = await device()
  e.settled(5, ['create', 'a', { title: 'A' }], ['a', 4, { title: 'A' }])
  e.store.restart(restored({ fork: 4 }), 'c5')
  expect(e.store.nextBatch(wholeBatch)).toMatchObject({ cursor: null, pull: 'page' })
  e.write(['update', 'a', { body: 'mine' }])
  expect(JSON.parse(String(e.texts().at(-1)))).toMatchObject({ base: { generation: second, version: 0 } })
})

test('[SO2] an answer to an older question changes nothing', async () => {
  const d = await device()
  d.settled(5, ['create', 'a', { title: 'A' }], ['a', 4, { title: 'A' }])
  d.store.restart(restored({ fork: 9, cursor: 'n3' }), 'c3')
  expect(d.store.nextBatch(wholeBatch).cursor).toBe('c5')
  expect(d.store.generation()).not.toBe(second)
})

test('[SO3] [I-24] what was sent longer ago than the server remembers is asked about when the pull has ended, what never left goes', async () => {
  const d = await device()
  d.store.applyReply([], reply({ cursor: 'c1' }))
  const [old] = d.write(['create', 'a', { title: 'old' }])
  d.store.nextBatch(wholeBatch)
  d.world.wait(40 * dayMs)
  const [never] = d.write(['create', 'b', { title: 'never sent' }])
  d.store.batchFailed(
    [old, never].flatMap((id) => id ?? []),
    'UNREACHABLE',
  )
  const serverTimeMs = d.world.clock.now()
  d.store.restart({ ...tooOld, serverTimeMs }, 'c1')
  expect(d.store.counts()).toMatchObject({ pending: 2, refused: 0 })
  expect(d.store.nextBatch(wholeBatch)).toMatchObject({ ids: [never], left: 1 })
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
  // Once more, in another process: it is not taken for unsent.
  const again = d.open()
  expect(again.nextBatch(wholeBatch).ids).toEqual([never])
  again.applyReply([], reply({ cursor: 'n1', through: 9, serverTimeMs }))
  expect(again.inbox()).toMatchObject([{ id: old, code: 'MAY_HAVE_ARRIVED' }])
  expect(d.places()[0]).toEqual([never])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test('[SO3] [I-24] a creation whose record has come has arrived, with its app transaction: what was written behind it is sent', async () => {
  const d = await device()
  d.store.applyReply([], reply({ changes: [notes([['n', 1, { title: 'N' }]])], cursor: 'c1' }))
  const unit = d.write(['create', 'a', { title: 'A' }], ['increment', 'n', { count: 2 }])
  const [alone] = d.write(['increment', 'n', { count: 5 }])
  d.store.batchFailed(d.store.nextBatch(wholeBatch).ids, 'UNREACHABLE')
  d.world.wait(60_000)
  const [edit] = d.write(['update', 'a', { body: 'later' }])
  d.world.wait(31 * dayMs)
  const serverTimeMs = d.world.clock.now()
  d.store.restart({ ...tooOld, serverTimeMs }, 'c1')
  // It hangs on what is not known.
  expect(d.store.nextBatch(wholeBatch).ids).toEqual([])
  const rows = [
    ['a', 1, { title: 'A' }],
    ['n', 3, { title: 'N', count: 7 }],
  ] as const
  const told: unknown[] = []
  d.store.onAnswered((transactions) => told.push(...transactions))
  d.store.applyReply([], reply({ changes: [notes(rows)], cursor: 'n5', through: 5, serverTimeMs }))
  expect(d.places()).toEqual([[edit], unit, [alone]])
  expect(d.shown()).toEqual([
    ['a', 1, 'A', 'later', 'pending'],
    ['n', 3, 'N', '', 'refused'],
  ])
  expect(told).toHaveLength(2)
  expect(d.store.nextBatch(wholeBatch).ids).toEqual([edit])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test.each([{ days: -20 }, { days: 20 }, { days: -400 }])(
  '[SO1] [SO3] [I-5] [I-9] how long ago something was is judged by the clock of the server, though that of the device was set by $days days',
  async ({ days }) => {
    const jumped = async (isOpen: boolean, change: (d: Awaited<ReturnType<typeof device>>) => void) => {
      const d = await device()
      d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
      change(d)
      const serverTimeMs = d.world.clock.now()
      d.world.jump(days * dayMs)
      return { ...d, store: isOpen ? d.store : d.open(), serverTimeMs }
    }
    for (const isOpen of [true, false]) {
      // Acknowledged a minute ago.
      const d = await jumped(isOpen, (d) => d.world.wait(60_000))
      d.store.restart(restored({ serverTimeMs: d.serverTimeMs }), 'c5')
      expect(d.store.counts().pending).toBe(1)
      // And told of a server that remembers 30 days: it was sent a minute ago.
      d.store.restart({ ...tooOld, serverTimeMs: d.serverTimeMs + 1_000 }, null)
      expect(d.store.nextBatch(wholeBatch).ids).toHaveLength(1)

      // Longer ago than the server remembers.
      const e = await jumped(isOpen, (e) => e.world.wait(10 * dayMs))
      e.store.restart(restored({ retentionMs: 7 * dayMs, serverTimeMs: e.serverTimeMs }), 'c5')
      expect(e.store.counts().pending).toBe(0)

      // Sent long ago, or now, and no answer.
      for (const [waitedDays, sent] of [
        [40, 0],
        [10, 1],
      ] as const) {
        const f = await jumped(isOpen, (f) => {
          f.write(['increment', 'a', { count: 1 }])
          f.store.batchFailed(f.store.nextBatch(wholeBatch).ids, 'UNREACHABLE')
          f.world.wait(waitedDays * dayMs)
        })
        f.store.restart({ ...tooOld, serverTimeMs: f.serverTimeMs }, 'c5')
        expect(f.store.nextBatch(wholeBatch).ids).toHaveLength(sent)
      }
    }
  },
)

test('[SO1] [I-9] offline for 20 days: what settled then, and is lost, is sent again while the server would remember it', async () => {
  const d = await device()
  d.settled(7, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  d.world.wait(20 * dayMs)
  d.store.restart(restored({ fork: 5, serverTimeMs: d.world.clock.now() }), 'c7')
  expect(d.store.counts().pending).toBe(1)
})

test('[SO1] [SO3] what waits again after a restore is not asked about at a 410, though the clock of the device is an hour slow', async () => {
  const d = await device()
  const hourMs = 3_600_000
  d.settled(7, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }], startMs + hourMs)
  d.world.wait(60_000)
  const serverTimeMs = d.world.clock.now() + hourMs
  d.store.restart(restored({ fork: 5, serverTimeMs }), 'c7')
  d.store.restart({ ...tooOld, serverTimeMs }, null)
  expect(d.store.nextBatch(wholeBatch).ids).toHaveLength(1)
})

test('[SO3] [I-5] acknowledged longer ago than a restored server remembers, and not shown by a page yet: asked about, not sent again', async () => {
  const d = await device()
  d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  const [id] = d.write(['increment', 'a', { count: 1 }])
  if (id === undefined) throw new Error('There is one operation.')
  const { ids } = d.store.nextBatch(wholeBatch)
  d.store.applyReply(ids, reply({ outcomes: [applied(id, 2, 8)], cursor: 'c7', through: 7 }))
  d.world.wait(100 * dayMs)
  const serverTimeMs = d.world.clock.now()
  d.store.restart(restored({ fork: 7, serverTimeMs }), 'c7')
  expect(d.store.nextBatch(wholeBatch).ids).toEqual([])
  const changes = [notes([['a', 1, { title: 'A' }]])]
  d.store.applyReply([], reply({ generation: second, changes, cursor: 'n1', through: 7, serverTimeMs }))
  expect(d.store.inbox()).toMatchObject([{ id, code: 'MAY_HAVE_ARRIVED' }])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test('[SO1] what is left of an app transaction is not sent alone: its rest was purged', async () => {
  const d = await device()
  d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  d.settled(6, ['create', 'b', { title: 'B' }], ['b', 1, { title: 'B' }])
  const [one, two] = d.write(['update', 'a', { body: '1' }], ['update', 'b', { body: '2' }])
  if (one === undefined || two === undefined) throw new Error('There are two operations.')
  const { ids } = d.store.nextBatch(wholeBatch)
  d.store.applyReply(ids, reply({ outcomes: [applied(one, 2, 8), applied(two, 2, 8)], cursor: 'c7', through: 7 }))
  const left = notes([], [{ record: 'a', version: 2, why: 'left' }])
  d.store.applyReply([], reply({ changes: [left], cursor: 'c7b', through: 7 }))
  expect(d.places()[0]).toEqual([two])
  d.store.restart(restored({ fork: 6 }), 'c7b')
  expect(d.places()[0]).toEqual([])
  expect(d.store.nextBatch(wholeBatch).ids).toEqual([])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test('[SO4] [I-11] [I-12] [ST2] until the rows come a counter is shown once and the later value of another stays, whatever is folded anew', async () => {
  const d = await device()
  d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  d.settled(7, ['increment', 'a', { count: 3 }], ['a', 2, { title: 'A', count: 3 }])
  d.settled(8, ['update', 'a', { body: 'mine' }], ['a', 3, { title: 'A', count: 3, body: 'mine' }])
  const theirs = notes([['a', 4, { title: 'A', count: 3, body: 'theirs, later' }]])
  d.store.applyReply([], reply({ changes: [theirs], cursor: 'c9', through: 9 }))
  d.write(['increment', 'a', { count: 10 }])
  const tables: string[] = []
  d.store.onCommit((written) => tables.push(...written))
  d.store.restart(restored({ fork: 6 }), 'c9')
  expect(tables).toContain('notes')
  const values = () => d.driver.all('select count, body, "$sync", "$pending" from notes')
  const expectShown = () => {
    expect(values()).toEqual([[13, 'theirs, later', 'pending', '["body","count"]']])
    expect(brokenInvariants(d.driver, notebook)).toEqual([])
  }
  expectShown()
  const [refused] = d.write(['update', 'a', { body: 'of a form' }])
  if (refused === undefined) throw new Error('There is one operation.')
  d.store.refuse(refused, { code: 'TOO_LARGE', problem: 'No.' })
  expectShown()
  // Dates are made anew, and pages are staged.
  const { ids, clock } = d.store.nextBatch(wholeBatch)
  const life = { generation: second, serverTimeMs: startMs - dayMs }
  const row = notes([['a', 2, { title: 'A', count: 13, body: 'theirs, later' }]])
  const outcomes = ids.map((id) => applied(id, 2, 4))
  d.store.applyReply(ids, reply({ ...life, outcomes, changes: [row], more: true, cursor: 'n1' }), clock)
  expectShown()
  const again = d.open()
  expectShown()
  // The rows have come: what the server has is shown.
  again.applyReply([], reply({ ...life, cursor: 'n2', through: 4 }))
  expect(values()).toEqual([[13, 'theirs, later', 'refused', null]])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test('[SO4] [I-11] what the restored server has not is shown as made here when the rows have come, until it is sent', async () => {
  const d = await device()
  d.settled(5, ['create', 'a', { title: 'A' }], ['a', 1, { title: 'A' }])
  d.settled(6, ['increment', 'a', { count: 3 }], ['a', 2, { title: 'A', count: 3 }])
  d.settled(7, ['create', 'b', { title: 'B' }], ['b', 1, { title: 'B' }])
  d.store.restart(restored({ fork: 5 }), 'c7')
  const changes = [notes([['a', 1, { title: 'A' }]])]
  d.store.applyReply([], reply({ generation: second, changes, cursor: 'n1', through: 5 }))
  expect(d.driver.all('select id, count, "$version", "$sync" from notes order by id')).toEqual([
    ['a', 3, 1, 'pending'],
    ['b', 0, 0, 'pending'],
  ])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test('[SO4] [I-11] an open question of the lost life: the own side is shown, and waits again', async () => {
  const d = await device()
  d.store.applyReply([], reply({ changes: [notes([['a', 1, { title: 'A' }]])], cursor: 'c4', through: 4 }))
  const [id] = d.write(['update', 'a', { body: 'mine' }])
  if (id === undefined) throw new Error('There is one operation.')
  const question = conflicts(d.store.device, [['k', 'a', 'body', { local: 'mine', remote: 'theirs' }]])
  d.store.applyReply(
    d.store.nextBatch(wholeBatch).ids,
    reply({
      outcomes: [{ kind: 'conflict', id, version: 2, place: 8, fields: ['body'] }],
      changes: [notes([['a', 2, { title: 'A', body: 'theirs' }]]), question],
      cursor: 'c8',
      through: 8,
    }),
  )
  d.store.restart(restored({ fork: 4 }), 'c8')
  expect(d.shown()).toEqual([['a', 0, 'A', 'mine', 'pending']])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
  const { ids } = d.store.nextBatch(wholeBatch)
  const changes = [notes([['a', 2, { title: 'A', body: 'mine' }]])]
  d.store.applyReply(
    ids,
    reply({ generation: second, outcomes: [applied(id, 2, 5)], changes, cursor: 'n1', through: 5 }),
  )
  expect(d.shown()).toEqual([['a', 2, 'A', 'mine', 'synced']])
  expect(d.store.counts()).toMatchObject({ pending: 0, refused: 0, conflicts: 0 })
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test('[SO3] [I-24] what the server has surely not taken was not sent, however often it was tried; once it may have been, it stays so', async () => {
  const d = await device()
  d.store.applyReply([], reply({ cursor: 'c1' }))
  const [id] = d.write(['create', 'a', { title: 'tried' }])
  if (id === undefined) throw new Error('There is one operation.')
  const attempt = (isRefused: boolean) => {
    const { ids, clock } = d.store.nextBatch(wholeBatch)
    d.store.batchFailed(ids, 'UNREACHABLE', isRefused ? clock.nowMs : null)
    d.world.wait(40 * dayMs)
  }
  const over = () => {
    const serverTimeMs = d.world.clock.now()
    d.store.restart({ ...tooOld, serverTimeMs }, 'c1')
    d.store.applyReply([], reply({ cursor: 'n1', serverTimeMs }))
  }
  attempt(true)
  attempt(true)
  over()
  expect(d.places()).toEqual([[id], [], []])
  attempt(false)
  attempt(true)
  over()
  expect(d.places()).toEqual([[], [], [id]])
})

test('[DP1] [DP2] [I-24] pages are staged, over a restart of the app; then what did not come is gone, with its search, and own work stays', async () => {
  const d = await device()
  const rows = [
    ['a', 1, { title: 'Ada' }],
    ['b', 5, { title: 'Bob' }],
    ['c', 1, { title: 'Cid' }],
    ['d', 1, { title: 'Dan' }],
  ] as const
  d.store.applyReply([], reply({ changes: [notes(rows)], cursor: 'c1', through: 1 }))
  d.write(['update', 'b', { body: 'of mine' }])
  d.write(['update', 'c', { body: 'of mine' }])
  d.write(['create', 'own', { title: 'Own' }])
  d.store.restart(tooOld, 'c1')
  // The version of b is lower than the one that is here: it counts all the same.
  d.store.applyReply([], reply({ changes: [notes([['b', 2, { title: 'Bea' }]])], cursor: 'n1', more: true }))
  expect(d.shown().map(([id]) => id)).toEqual(['a', 'b', 'c', 'd', 'own'])
  expect(d.store.completeness()).toBe('complete')
  expect(brokenInvariants(d.driver, notebook)).toEqual([])

  const again = d.open()
  expect(again.nextBatch({ operationsMax: 0, bytesMax: 0 }).cursor).toBe('n1')
  again.applyReply([], reply({ changes: [notes([['d', 1, { title: 'Dan' }]])], cursor: 'n2', through: 2 }))
  expect(d.shown()).toEqual([
    ['b', 2, 'Bea', 'of mine', 'pending'],
    ['d', 1, 'Dan', '', 'synced'],
    ['own', 0, 'Own', '', 'pending'],
  ])
  expect(again.search('notes', 'ada', 9)).toEqual([])
  expect(again.search('notes', 'bea', 9)).toEqual(['b'])
  // Of c nothing is shown any more, and what was written about it waits for the server's word.
  expect(again.counts().pending).toBe(3)
  // The next pull goes on as always.
  again.applyReply([], reply({ changes: [notes([['e', 1, { title: 'Eve' }]])], cursor: 'n3', through: 3 }))
  expect(d.shown()).toHaveLength(4)
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test.each([
  { name: '410', why: tooOld, generation: undefined },
  { name: '409', why: restored(), generation: second },
])(
  '[DP1] [I-24] $name in the middle of a first sync: what came stays until all has, and then what is gone goes; indexes come back',
  async ({ why, generation }) => {
    const d = await device()
    const life = generation === undefined ? {} : { generation }
    const rows = ['a', 'b'].map((id) => [id, 1, { title: id }] as const)
    d.store.applyReply([], reply({ changes: [notes(rows)], cursor: 'c1', more: true }))
    d.store.restart(why, 'c1')
    expect(d.store.nextBatch(wholeBatch)).toMatchObject({ cursor: null, pull: 'page' })
    d.store.applyReply([], reply({ ...life, changes: [notes([['c', 1, { title: 'c' }]])], cursor: 'n1', more: true }))
    expect(d.store.completeness()).toBe('partial')
    expect(d.shown().map(([id]) => id)).toEqual(['a', 'b'])
    d.store.applyReply([], reply({ ...life, changes: [notes([['b', 1, { title: 'b' }]])], cursor: 'n2', through: 2 }))
    expect(d.store.completeness()).toBe('complete')
    expect(d.shown().map(([id]) => id)).toEqual(['b', 'c'])
    expect(d.driver.all(`select name from sqlite_master where name = 'notes_done_updatedAt'`)).toHaveLength(1)
    expect(['a', 'b', 'c'].map((word) => d.store.search('notes', word, 9))).toEqual([[], ['b'], ['c']])
    expect(brokenInvariants(d.driver, notebook)).toEqual([])
  },
)

test('[SO2] an empty device has nothing to compare: it begins as it would have', async () => {
  const d = await device()
  d.store.restart(restored(), null)
  expect(d.store.nextBatch(wholeBatch)).toMatchObject({ cursor: null, pull: 'snapshot' })
  d.store.applyReply([], reply({ generation: second, changes: [notes([['a', 1, { title: 'a' }]])], cursor: 'n1' }))
  expect(d.store.completeness()).toBe('complete')
})

test('[DP1] what is here as it came is left as it is; the least difference is taken, of every kind of value', async () => {
  const d = await device()
  const full = { title: 'A', body: 'b', phone: '1', done: true, count: 3, price: 1.5, extra: { a: [1, null] } }
  const changed = [
    { body: '' },
    { done: false },
    { count: 4 },
    { price: null },
    { price: 2 },
    { extra: null },
    { extra: { a: [1] } },
    { title: 'a' },
  ]
  const ids = ['same', ...changed.map((_, index) => `r${index}`)]
  d.store.applyReply([], reply({ changes: [notes(ids.map((id) => [id, 7, full] as const))], cursor: 'c1', through: 1 }))
  // What no page has ever said shows which rows are written again.
  d.driver.run(`update notes set "$pending" = '["mark"]'`)
  d.store.restart(tooOld, 'c1')
  const rows = changed.map((change, index) => [`r${index}`, 2, { ...full, ...change }] as const)
  d.store.applyReply([], reply({ changes: [notes([['same', 7, full], ...rows])], cursor: 'n1', through: 2 }))
  const shown = d.driver.all(
    `select id, "$version", title, body, done, count, price, extra, "$pending" from notes order by id desc`,
  )
  expect(shown[0]).toEqual(['same', 7, 'A', 'b', 1, 3, 1.5, '{"a":[1,null]}', '["mark"]'])
  const expected = changed.map((change) => {
    const { title, body, done, count, price, extra } = { ...full, ...change }
    return [2, title, body, Number(done), count, price, extra === null ? null : JSON.stringify(extra), null]
  })
  expect(shown.slice(1).map(([, ...values]) => values)).toEqual(expected.toReversed())
})

test('[DP2] [I-4] an open question of this device about a record that did not come is kept in the inbox; about one that came it was settled', async () => {
  const d = await device()
  const rows = ['a', 'b'].map((id) => [id, 1, { title: id }] as const)
  const sides = { local: 'mine', remote: 'theirs' }
  const open = conflicts(d.store.device, [
    ['q1', 'a', 'body', sides],
    ['q2', 'b', 'body', sides],
  ])
  d.store.applyReply([], reply({ changes: [notes(rows), open], cursor: 'c1', through: 1 }))
  expect(d.store.counts().conflicts).toBe(2)
  d.store.restart(tooOld, 'c1')
  d.store.applyReply([], reply({ changes: [notes([['b', 3, { title: 'b' }]])], cursor: 'n1', through: 9 }))
  expect(d.store.counts().conflicts).toBe(0)
  expect(d.store.inbox()).toMatchObject([{ code: 'NOT_FOUND', record: 'a', fields: { body: 'mine' } }])
  expect(d.shown()).toEqual([['b', 3, 'b', '', 'synced']])
  expect(brokenInvariants(d.driver, notebook)).toEqual([])
})

test('[L-4] beyond its limit the outbox refuses the write, with a code, and drops nothing; there is room again when something was settled', async () => {
  const d = await device({ operationsMax: 3, bytesMax: 1_000_000 })
  const [first] = d.write(['create', 'a', { title: 'A' }])
  d.write(['create', 'b', { title: 'B' }])
  expect(() => d.write(['create', 'c', { title: 'C' }], ['create', 'd', { title: 'D' }])).toThrow(/OUTBOX_FULL/)
  d.write(['create', 'c', { title: 'C' }])
  expect(() => d.write(['update', 'a', { body: 'more' }])).toThrow(/OUTBOX_FULL/)
  expect(d.shown().map(([id, , , body]) => [id, body])).toEqual([
    ['a', ''],
    ['b', ''],
    ['c', ''],
  ])
  expect(d.store.counts().pending).toBe(3)
  if (first === undefined) throw new Error('There is one operation.')
  const changes = [notes([['a', 1, { title: 'A' }]])]
  const { ids } = d.store.nextBatch({ operationsMax: 1, bytesMax: 1 })
  d.store.applyReply(ids, reply({ outcomes: [applied(first, 1)], changes, cursor: 'c1', through: 1 }))
  d.write(['update', 'a', { body: 'more' }])
  expect(() => d.write(['update', 'b', { body: 'more' }])).toThrow(/OUTBOX_FULL/)
  // A restart knows what is there.
  expect(() => d.open().write(draft(d.world, ['update', 'b', { body: 'more' }]))).toThrow(/OUTBOX_FULL/)
})

test('[L-4] and beyond its bytes', async () => {
  const d = await device({ operationsMax: 1_000, bytesMax: 20_000 })
  d.write(['create', 'a', { title: 'A', body: 'x'.repeat(15_000) }])
  expect(() => d.write(['update', 'a', { phone: 'x'.repeat(8_000) }])).toThrow(/OUTBOX_FULL/)
  d.write(['update', 'a', { phone: '1' }])
  expect(d.store.counts().pending).toBe(2)
})

test('[L-4] [SO1] what has settled is kept within its bytes, the newest first', async () => {
  const d = await device()
  const row = (version: number) => ['a', version, { title: 'A' }] as const
  d.settled(1, ['create', 'a', { title: 'A' }], row(1))
  // As many as pass the bound, written past our own code: each is as large as an operation may be.
  const text = JSON.stringify({ filler: 'x'.repeat(1_000_000) })
  for (let seq = 2; seq <= 80; seq += 1) {
    const outcome = JSON.stringify({ kind: 'applied', version: seq, place: seq })
    d.driver.run(`insert into _settled (seq, id, tx, "settledAt", outcome, operation) values (?, ?, ?, ?, ?, ?)`, [
      seq,
      `id ${seq}`,
      `tx ${seq}`,
      d.world.clock.now(),
      outcome,
      text,
    ])
  }
  d.driver.run(`update _meta set value = json_set(value, '$.seq', 80) where key = 'clock'`)
  const again = d.open()
  const made = draft(d.world, ['update', 'a', { body: 'x'.repeat(900_000) }])
  again.write(made)
  const { ids } = again.nextBatch(wholeBatch)
  const [id] = ids
  if (id === undefined) throw new Error('There is one operation.')
  const changes = [notes([['a', 2, { title: 'A' }]])]
  again.applyReply(ids, reply({ outcomes: [applied(id, 2, 90)], changes, cursor: 'c90', through: 90 }))
  const [[bytes, count] = []] = d.driver.all('select sum(octet_length(operation)), count(*) from _settled')
  expect(Number(bytes)).toBeLessThanOrEqual(keptBytesMax)
  expect(Number(count)).toBeGreaterThan(60)
  expect(d.driver.all('select 1 from _settled where id = ?', [id])).toHaveLength(1)
})

const step = fc.record({
  kind: fc.constantFrom('write', 'unit', 'delete', 'remote', 'round', 'cut', 'lostAnswer', 'restore', 'forget', 'open'),
  n: fc.nat(2),
})

test('[SO4] [ST2] [I-9] [I-11] a server that is set back at any time: what is shown is the fold at every instant, a restart changes none of it, and in the end it is what the server has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      const d = await device()
      let store = d.store
      let server = createModelServer()
      let life = 1
      /** What was done to the server, with its last commit after it. */
      let log: { readonly redo: () => void; readonly head: number }[] = []
      const entries: string[] = []

      const write = (...changes: readonly Change[]) => store.write(draft(d.world, ...changes))
      const head = () => Math.max(0, ...[...server.records.values()].map(({ place }) => place))
      const act = (redo: () => void) => {
        redo()
        log.push({ redo, head: head() })
      }
      const values = () => d.driver.all('select id, title, body, count from notes order by id')
      const generation = () => parseGeneration(`life${life}`)
      const told = (members: Partial<SyncReply>) => reply({ generation: generation(), ...members })
      const restartIfDue = (): boolean => {
        const ours = store.generation()
        if (ours === null || ours === generation()) return false
        const before = values()
        store.restart(restored({ generation: generation(), fork: log.at(-1)?.head ?? 0 }), null)
        expect(values()).toEqual(before)
        return true
      }
      const round = (how: 'whole' | 'cut' | 'lostAnswer') => {
        const { ids, operations, cursor, clock } = store.nextBatch(wholeBatch)
        if (restartIfDue()) return store.batchFailed(ids, 'told', clock.nowMs)
        let outcomes: SyncReply['outcomes'] = []
        act(() => {
          outcomes = server.push(operations)
        })
        if (how === 'lostAnswer') return store.batchFailed(ids, 'lost')
        const pages = server.pull(cursor, 2)
        pages.slice(0, how === 'cut' ? 1 : pages.length).forEach((page, index) => {
          store.applyReply(index === 0 ? ids : [], told({ ...page, ...(index === 0 ? { outcomes } : {}) }), clock)
        })
      }
      const perform = (kind: string, n: number) => {
        switch (kind) {
          case 'write':
            return write(n === 0 ? ['create', 'r0', { title: 't' }] : ['increment', `r${n - 1}`, { count: 1 }])
          case 'unit':
            return write(['update', `r${n}`, { body: `b${entries.length}` }], ['increment', `r${n}`, { count: 10 }])
          case 'delete':
            return write(['delete', `r${n}`])
          case 'remote': {
            const fields = {
              body: `theirs ${entries.length}`,
              phone: '',
              done: false,
              count: n,
              price: null,
              extra: null,
            }
            return act(() => server.remote(`r${n}`, fields))
          }
          case 'round':
            return round('whole')
          case 'cut':
          case 'lostAnswer':
            return round(kind)
          case 'restore': {
            const kept = log.slice(0, Math.max(0, log.length - 1 - n))
            server = createModelServer()
            log = []
            for (const { redo } of kept) act(redo)
            life += 1
            return
          }
          case 'forget':
            if (store.generation() === generation()) store.restart(tooOld, null)
            return
          default:
            store = d.open()
        }
      }
      for (const { kind, n } of steps) {
        entries.push(kind)
        try {
          perform(kind, n)
        } catch (error) {
          if (!(error instanceof EngineError)) throw error // A rule of the device.
        }
        expect(brokenInvariants(d.driver, notebook)).toEqual([])
      }
      for (let last = 0; last < 4; last += 1) round('whole')
      expect(brokenInvariants(d.driver, notebook)).toEqual([])
      expect(store.counts().pending).toBe(0)
      const there = [...server.records].flatMap(([id, { fields }]) =>
        fields === null ? [] : [[id, fields.title, fields.body ?? '', fields.count ?? 0]],
      )
      expect(values()).toEqual(there.sort())
      d.driver.close()
    }),
    { numRuns: 100 },
  )
}, 60_000)
