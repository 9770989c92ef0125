import { agreedClock, correctedTime, parseGeneration, parseOperation, parseOperationId, stampOf } from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import {
  applied,
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
import { readMeta } from './meta.ts'
import type { Batch } from './store.ts'

const hour = 3_600_000
const year = 365 * 24 * hour
const at2026 = Date.UTC(2026, 10, 20)
/** How long requests and replies are under way here. */
const wayMs = 100

/** A device whose clock is wrong, beside a server whose clock is right; notes are named after the order in which they were written. */
async function lost(wrongMs: number) {
  let driver = await nodeSqlite(':memory:')()
  const world = createTestWorld(at2026 + wrongMs)
  let rightMs = at2026
  const written = new Map<string, number>()
  const open = () => createStore({ driver, schema: notebook, user, ambient: world })
  let store = open()

  const pass = (ms: number) => {
    rightMs += ms
    world.wait(ms)
  }

  /** What the server makes of the batch's times: their errors, by note, and the stamps. */
  function judge(batch: Batch) {
    const bytes = batch.operations.join().length
    const agreed = agreedClock(batch.clock, { serverNowMs: rightMs, bytes })
    const operations = batch.operations.map((text) => parseOperation(JSON.parse(text)))
    return {
      errors: operations.map(
        ({ time, record }) => correctedTime(time.at, time.epoch, agreed, rightMs) - (written.get(record) ?? 0),
      ),
      stamps: operations.map(({ time: { hlc, epoch }, device }) =>
        stampOf(correctedTime(hlc.ms, epoch, agreed, rightMs), hlc.counter, device),
      ),
    }
  }

  return {
    forgetSettled: () => driver.exec('delete from _outbox'),
    pass,
    write: () => {
      const name = `note-${written.size + 1}`
      written.set(name, rightMs)
      store.write(draft(world, ['create', name, { title: name }]))
    },
    setClock: (ms: number) => world.jump(ms),
    /** Time passes, and the monotonic clock stands still. */
    sleep: (ms: number) => {
      rightMs += ms
      world.jump(ms)
    },
    /** The app is closed, and opened again after this time, by a clock that was set meanwhile. */
    reopen: (ms: number, setMs = 0) => {
      rightMs += ms
      world.jump(ms + setMs)
      store = open()
    },
    /** The database breaks; the next one has what the second copy kept. */
    breakDown: async () => {
      const rows = driver.all('select id, seq, operation from _outbox order by seq')
      const operations = rows.map(([id, seq, text]) => ({
        id: parseOperationId(id),
        seq: Number(seq),
        text: String(text),
        refused: null,
      }))
      driver = await nodeSqlite(':memory:')()
      const broken = {
        over: new Map(),
        settled: [],
        generation: null,
        settings: { values: new Map(), areWhole: true },
      }
      const past = { kept: { owner: null, operations }, broken, device: null }
      store = createStore({ driver, schema: notebook, user, ambient: world, past })
    },
    /** A round without operations. */
    hear: (upMs = wayMs, meanwhile = () => {}) => {
      const { clock } = store.nextBatch(wholeBatch, { aside: new Set(), only: new Set() })
      pass(upMs)
      meanwhile()
      const serverTimeMs = rightMs
      pass(wayMs)
      store.applyReply([], reply({ serverTimeMs }), clock)
      return clock
    },
    /** A round with all that waits; answers by how much the server dates it wrongly. */
    push: (upMs = wayMs, outcome = applied) => {
      const batch = store.nextBatch(wholeBatch)
      pass(upMs)
      const { errors, stamps } = judge(batch)
      const serverTimeMs = rightMs
      pass(wayMs)
      const outcomes = batch.ids.map((id) => outcome(id, 1))
      store.applyReply(batch.ids, reply({ serverTimeMs, outcomes }), batch.clock)
      return { errors, stamps, clock: batch.clock }
    },
    /** By how much each note is dated wrongly on the device. */
    shown: () => {
      const query = { sql: 'select id, "createdAt" from notes order by "createdAt", id', parameters: [], tables: [] }
      const rows: readonly (readonly [string, number])[] = JSON.parse(store.query(query).rows)
      return rows.map(([id, ms]) => ms - (written.get(id) ?? 0))
    },
    saved: () => JSON.parse(readMeta(driver, 'clock') ?? 'null'),
  }
}

/** Nearly nothing: the way of the quickest exchange. */
function expectRight(errors: readonly number[], count: number): void {
  expect(errors).toHaveLength(count)
  for (const error of errors) expect(Math.abs(error)).toBeLessThanOrEqual(2 * wayMs)
}

const wrongClocks = [
  { name: 'one hour ahead', wrongMs: hour },
  { name: 'one hour behind', wrongMs: -hour },
  { name: 'ten years ahead', wrongMs: 10 * year },
  { name: 'ten years behind', wrongMs: -10 * year },
  { name: 'at 2099', wrongMs: 73 * year },
  { name: 'at 1970', wrongMs: -at2026 },
]

describe.each(wrongClocks)('[I-21] a clock $name', ({ wrongMs }) => {
  test('is corrected without a measurement, by what the server sees', async () => {
    const d = await lost(wrongMs)
    d.write()
    d.pass(hour)
    d.write()
    expectRight(d.push().errors, 2)
  })

  test('is corrected by the measurement, however slow the upload', async () => {
    const d = await lost(wrongMs)
    d.hear()
    d.write()
    d.pass(hour)
    d.write()
    const { errors, clock } = d.push(480_000)
    expectRight(errors, 2)
    expect(clock.guessedFrom).toBe(null)
    expectRight(d.shown(), 2)
  })

  test('and asleep: what was written before and after is dated right', async () => {
    const d = await lost(wrongMs)
    d.hear()
    d.write()
    d.sleep(9 * hour)
    d.write()
    d.sleep(hour)
    d.write()
    expectRight(d.shown(), 3)
    expectRight(d.push().errors, 3)
  })

  test('that is set right while the app is closed: what was written before it keeps its measured time', async () => {
    const d = await lost(wrongMs)
    d.hear()
    d.write()
    d.reopen(hour, -wrongMs)
    d.write()
    d.reopen(hour)
    d.write()
    expectRight(d.push().errors, 3)
  })

  test('that becomes wrong while the app is open, after a measurement', async () => {
    const d = await lost(0)
    d.hear()
    d.write()
    d.setClock(wrongMs)
    d.write()
    d.hear()
    d.setClock(-wrongMs)
    d.write()
    expectRight(d.push().errors, 3)
  })
})

describe('[I-21] a clock that was never measured', () => {
  test.each([
    { name: 'set back an hour', wrongMs: hour },
    { name: 'set back from 2099', wrongMs: 73 * year },
    { name: 'set forward from 1970', wrongMs: -at2026 },
  ])('$name between two edits: both are dated right, at once and on the server', async ({ wrongMs }) => {
    const d = await lost(wrongMs)
    d.write()
    d.pass(60_000)
    d.setClock(-wrongMs)
    d.write()
    expectRight(d.shown(), 2)
    expectRight(d.push().errors, 2)
  })

  test('and stands still, even before 1970', async () => {
    for (const wrongMs of [-at2026, -at2026 - 20 * year]) {
      const d = await lost(wrongMs)
      for (let n = 0; n < 4; n += 1) {
        d.write()
        d.pass(60_000)
        d.setClock(-60_000)
      }
      expectRight(d.push().errors, 4)
      // A clock before 1970 reads as 1970.
      expect(d.saved().hlc.ms).toBe(0)
    }
  })

  test('a right clock is believed in a slow upload of many bytes', async () => {
    const d = await lost(0)
    for (let n = 0; n < 1_000; n += 1) d.write()
    const { errors, clock } = d.push(60_000)
    expect(clock.guessedFrom).toBe(0)
    expect(new Set(errors)).toEqual(new Set([0]))
  })
})

test('[I-21] offsets of epochs outlive the process, are sent only with operations, and go with the last of these', async () => {
  const d = await lost(hour)
  expect(d.hear()).toMatchObject({ epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] })
  d.write()
  d.reopen(60_000)
  expect(d.hear()).toMatchObject({ epoch: 1, offsetMs: 0, guessedFrom: null, earlier: [] })
  d.setClock(-hour)
  d.write()
  d.reopen(60_000)
  expect(d.saved().earlier).toMatchObject([
    { epoch: 0, offsetMs: wayMs - hour },
    { epoch: 2, offsetMs: 0 },
  ])
  const { clock } = d.push()
  expect(clock).toMatchObject({ epoch: 3, offsetMs: 0, guessedFrom: 2 })
  expect(clock.earlier).toEqual([
    [0, wayMs - hour],
    [2, 0],
  ])
  d.write()
  // Acknowledged, and not yet reflected: they are still here.
  expect(d.push().clock.earlier).toHaveLength(2)
  d.forgetSettled()
  d.hear()
  expect(d.saved()).toMatchObject({ epoch: 3, earlier: [] })
  d.reopen(60_000)
  d.hear()
  expect(d.saved()).toMatchObject({ epoch: 3, earlier: [] })
})

test('[I-21] [I-9] what settled and waits again is dated by the offset of the epoch in which it was written', async () => {
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld(at2026)
  const open = () => createStore({ driver, schema: notebook, user, ambient: world })
  let store = open()
  const settle = (record: string, place: number, offsetMs: number) => {
    store.write(draft(world, ['create', record, { title: record }]))
    const { ids, clock } = store.nextBatch(wholeBatch)
    const outcomes = ids.map((id) => applied(id, 1, place))
    const serverTimeMs = world.clock.now() + offsetMs
    const changes = [notes([[record, 1, { title: record }]])]
    store.applyReply(ids, reply({ outcomes, changes, through: place, cursor: `c${place}`, serverTimeMs }), clock)
  }
  // The clock is a day fast, and somebody puts it right; then it is put wrong while the app is closed.
  settle('fast', 1, -24 * hour)
  world.jump(-24 * hour)
  world.wait(10 * hour)
  settle('right', 2, 0)
  store = open()
  world.jump(-hour)
  world.wait(10 * hour)
  settle('slow', 3, hour)
  expect(store.counts().pending).toBe(0)
  const restart = { kind: 'generation', generation: parseGeneration('gen2'), fork: 0, cursor: null } as const
  store.restart({ ...restart, retentionMs: year, serverTimeMs: world.clock.now() + hour }, 'c3')
  const { operations, clock } = store.nextBatch(wholeBatch)
  const agreed = agreedClock(clock, { serverNowMs: world.clock.now() + hour, bytes: 1_000 })
  const dates = operations.map((text) => {
    const { at, epoch } = parseOperation(JSON.parse(text)).time
    return correctedTime(at, epoch, agreed, world.clock.now() + hour)
  })
  expect(dates).toEqual([at2026 - 24 * hour, at2026 - 14 * hour, at2026 - 4 * hour])
})

test('the offset of an epoch is kept for what was refused: it may be tried again', async () => {
  const d = await lost(hour)
  d.hear()
  d.write()
  d.push(wayMs, rejected)
  d.reopen(60_000, -hour)
  d.hear()
  expect(d.saved().earlier).toMatchObject([{ epoch: 0, offsetMs: wayMs - hour }])
})

test('[I-21] what the second copy gives back is dated by the one offset that the device turns out to have', async () => {
  for (const hears of [true, false]) {
    const d = await lost(-hour)
    d.write()
    d.reopen(60_000)
    d.write()
    d.reopen(60_000)
    await d.breakDown()
    d.write()
    if (hears) d.hear()
    expectRight(d.push().errors, 3)
  }
})

test('an ordinary request says nothing of its clock', async () => {
  const d = await lost(0)
  d.hear()
  d.write()
  d.reopen(hour)
  d.hear()
  d.write()
  expect(d.push().clock).toMatchObject({ epoch: 1, offsetMs: 0, guessedFrom: null, earlier: [] })
})

test('a clock that is set while a request is under way is measured all the same', async () => {
  const d = await lost(hour)
  d.write()
  d.hear(wayMs, () => d.setClock(-hour))
  d.write()
  expectRight(d.shown(), 2)
  const { errors, clock } = d.push()
  expectRight(errors, 2)
  expect(clock).toMatchObject({ epoch: 1, guessedFrom: null })
})

test('[H1] corrected stamps of a device grow over every jump that it saw', async () => {
  const d = await lost(0)
  for (const setMs of [73 * year, -73 * year, -hour, hour, -at2026, at2026, 50]) {
    d.write()
    d.pass(60_000)
    d.setClock(setMs)
  }
  d.write()
  const { stamps } = d.push()
  expect(stamps).toEqual([...stamps].sort())
  expect(new Set(stamps).size).toBe(8)
})

test('a stamp of 2099 is pulled back by the server when the clock that showed it was never seen to jump', async () => {
  const d = await lost(73 * year)
  d.write()
  d.push()
  d.forgetSettled()
  d.reopen(hour, -73 * year)
  d.hear()
  d.write()
  expect(d.saved().hlc.ms).toBeLessThan(at2026 + year)
  const { stamps } = d.push()
  expect(
    stamps[0]?.startsWith(
      String(at2026 + hour)
        .slice(0, 6)
        .padStart(8, '0'),
    ),
  ).toBe(true)
})
