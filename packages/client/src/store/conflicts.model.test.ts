/**
 * Random histories of three devices that meet in one server, which judges by core's rules: edits, deletions, settlements, restores of
 * dropped values, records that leave and come back, lost
 * replies, cut pages, refusals, restarts. After every step each database is checked from scratch; in the end
 * everything is settled, and all hold what the server holds.
 */
import {
  collection,
  decisionsCollection,
  defineSchema,
  EngineError,
  isObject,
  type Json,
  parseUserId,
  quoted,
  t,
  wholeRecord,
} from '@holdfast/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Arbiter, createArbiter } from '../contract/arbiter.ts'
import { brokenInvariants } from '../contract/store-invariants.ts'
import { type Change, createTestWorld, draft, type TestWorld } from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { createStore } from './create-store.ts'
import type { ConflictItem } from './store.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    notes: collection({
      fields: { title: t.text(), body: t.text({ default: '', merge: 'manual' }), count: t.counter() },
      search: ['title', 'body'],
      deletes: 'ask',
    }),
    forms: collection({
      fields: { title: t.text(), body: t.text({ default: '' }), count: t.counter() },
      merge: wholeRecord('manual'),
      deletes: 'editWins',
    }),
  },
})

type Name = 'notes' | 'forms'
const names: readonly Name[] = ['notes', 'forms']
const record = fc.constantFrom('a', 'b')
const text = fc.constantFrom('one', 'two', 'three')
const name = fc.constantFrom(...names)
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(fc.constant('create' as const), record, fc.record({ title: text }), name) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('update' as const), record, fc.record({ title: text }), name) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('update' as const), record, fc.record({ body: text }), name) },
  fc.tuple(fc.constant('increment' as const), record, fc.record({ count: fc.integer({ min: 1, max: 2 }) }), name),
  { weight: 2, arbitrary: fc.tuple(fc.constant('delete' as const), record, fc.constant({}), name) },
  fc.tuple(fc.constant('restore' as const), record, fc.constant({}), name),
)

type Choice = 'local' | 'remote' | 'other'
const who = fc.integer({ min: 0, max: 2 })
const nth = fc.nat(9)

/** 'half': only the first page of the pull arrives. 'twice': each reply is applied twice. */
type RoundFate = 'whole' | 'lost' | 'half' | 'twice'

type Step =
  | { readonly kind: 'write'; readonly who: number; readonly changes: readonly Change[] }
  | {
      readonly kind: 'round'
      readonly who: number
      readonly size: number
      readonly fate: RoundFate
      readonly refuse: readonly boolean[]
    }
  | { readonly kind: 'settle'; readonly who: number; readonly nth: number; readonly choice: Choice }
  | { readonly kind: 'restoreDropped'; readonly who: number; readonly nth: number; readonly side: 'local' | 'remote' }
  | { readonly kind: 'reopen'; readonly who: number }
  /** The record goes out of everybody's scope, or comes back. */
  | { readonly kind: 'scope'; readonly change: 'leave' | 'enter'; readonly name: Name; readonly record: string }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      who,
      changes: fc.array(change, { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant('round' as const),
      who,
      size: fc.integer({ min: 1, max: 5 }),
      fate: fc.constantFrom<RoundFate>('whole', 'whole', 'whole', 'lost', 'half', 'twice'),
      refuse: fc.array(
        fc.nat(9).map((n) => n === 0),
        { minLength: 3, maxLength: 3 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      who,
      nth,
      choice: fc.constantFrom<Choice>('local', 'remote', 'other'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restoreDropped' as const),
      who,
      nth,
      side: fc.constantFrom('local' as const, 'remote' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), who }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('scope' as const),
      change: fc.constantFrom('leave' as const, 'enter' as const),
      name,
      record,
    }),
  },
)

test('[ST2] [I-4] [I-12] [CD2] random histories with conflicts keep every law and end equal', {
  timeout: 120_000,
}, async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), runHistory), {
    numRuns: Number(process.env.HISTORIES ?? 150),
  })
})

async function open(server: Arbiter, world: TestWorld, user: string) {
  const driver = await nodeSqlite(':memory:')()
  const make = () =>
    createStore({
      driver,
      schema,
      user: parseUserId(user),
      ambient: world,
      report: (problem) => expect.fail(String(problem)),
    })
  let store = make()
  let cursor: string | null = null
  const saved = new Set<string>()
  const versions = new Map<string, number>()

  /** A call that writes operations; a rule of the device may refuse it (the record is not here, or is here already). */
  function write(call: () => unknown): void {
    const known = new Set(driver.all('select id from _outbox').flat())
    try {
      call()
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
    }
    for (const [id] of driver.all('select id from _outbox')) if (!known.has(id ?? null)) saved.add(String(id))
  }

  function check(): void {
    // The own side of a conflict that left: made here, and never sent.
    for (const [id] of driver.all(`select id from _inbox where attempts = 0 and code = 'NOT_FOUND'`))
      saved.add(String(id))
    expect(brokenInvariants(driver, schema, saved)).toEqual([])
    for (const table of names) {
      for (const [id, version] of driver.all(`select id, "$version" from ${quoted(table)}`)) {
        if (version === 0) continue // Created here, under the id of a deleted record perhaps: the server will say.
        expect(Number(version)).toBeGreaterThanOrEqual(versions.get(`${table} ${id}`) ?? 0)
        versions.set(`${table} ${id}`, Number(version))
      }
    }
  }

  /** What was sent is shown on: only the reply's own news may change it [I-12]. */
  function round(size: number, fate: RoundFate, refuse: readonly boolean[]): void {
    world.wait(1_000)
    const batch = store.nextBatch({ operationsMax: 3, bytesMax: 8_000_000 })
    const outcomes = server.push(batch.operations, (unit) => refuse[unit] ?? false)
    if (fate === 'lost') {
      store.batchFailed(batch.ids, 'UNREACHABLE')
      return
    }
    const pages = server.pull(store.completeness() === 'empty' ? null : cursor, size)
    pages.forEach((page, index) => {
      if (fate === 'half' && index > 0) return
      const given = { ...page, outcomes: index === 0 ? outcomes : [] }
      const sent = index === 0 ? batch.ids : []
      store.applyReply(sent, given)
      cursor = page.cursor ?? cursor
      if (fate === 'twice') store.applyReply(sent, given)
      check()
    })
  }

  function settle(item: ConflictItem, choice: Choice): void {
    write(() =>
      store.settle({
        tx: world.transactionId(),
        operationIds: [world.operationId()],
        results: { [item.id]: resultOf(item, choice) },
      }),
    )
    check()
    // What was chosen is shown at once.
    expect(store.conflicts().map(({ id }) => id)).not.toContain(item.id)
    const wanted = resultOf(item, choice)
    const [row] = driver.all(`select title, body from ${quoted(item.collection)} where id = ?`, [item.record])
    if (item.field !== '') expect(row?.[1]).toBe(wanted)
    else expect(row?.[0] ?? null).toBe(isObject(wanted) ? wanted.title : null)
  }

  return {
    driver,
    check,
    round,
    settle,
    write: (changes: readonly Change[]) => write(() => store.write(draft(world, ...changes))),
    conflicts: () => store.conflicts(),
    restoreDropped(nth: number, side: 'local' | 'remote') {
      const decisions = names.flatMap((table) => ['a', 'b'].flatMap((id) => store.history(table, id)))
      const decision = decisions[nth % Math.max(1, decisions.length)]
      if (decision === undefined) return
      const operationIds = [world.operationId(), world.operationId()]
      write(() => store.restoreDropped({ decision: decision.id, side, tx: world.transactionId(), operationIds }))
    },
    reopen() {
      store = make()
    },
    hasOperations: () => driver.all('select 1 from _outbox limit 1').length > 0,
    close: () => store.close(),
  }
}

function resultOf({ field, local, remote }: ConflictItem, choice: Choice): Json {
  if (choice === 'local') return local
  if (choice === 'remote') return remote
  return field === '' ? { title: 'settled' } : 'settled'
}

async function runHistory(steps: readonly Step[]): Promise<void> {
  const world = createTestWorld()
  const server = createArbiter(schema, () => world.clock.now())
  const devices = [await open(server, world, 'ann'), await open(server, world, 'bob'), await open(server, world, 'ann')]
  for (const next of steps) {
    if (next.kind === 'scope') {
      server[next.change](next.name, next.record)
      continue
    }
    const device = devices[next.who]
    if (device === undefined) continue
    switch (next.kind) {
      case 'write':
        device.write(next.changes)
        break
      case 'round':
        device.round(next.size, next.fate, next.refuse)
        break
      case 'settle': {
        const items = device.conflicts()
        const item = items[next.nth % Math.max(1, items.length)]
        if (item !== undefined) device.settle(item, next.choice)
        break
      }
      case 'restoreDropped':
        device.restoreDropped(next.nth, next.side)
        break
      case 'reopen':
        device.reopen()
    }
    device.check()
  }

  const rest = () => {
    const all = () => {
      for (const device of devices) device.round(3, 'whole', [])
    }
    all()
    for (let i = 0; i < 60 && devices.some(({ hasOperations }) => hasOperations()); i++) all()
    all()
  }
  rest()
  for (const table of names) for (const id of ['a', 'b']) server.enter(table, id)
  rest()
  const asked = server.rows('_conflicts')
  for (const { driver } of devices) {
    expect(driver.all('select id from "_conflicts" order by id').flat()).toEqual([...asked.keys()].sort())
    expect(driver.all(`select id from ${quoted(decisionsCollection)} order by id`).flat()).toEqual(
      [...server.rows(decisionsCollection).keys()].sort(),
    )
  }
  // Settled by whoever sees them first, until nobody is asked any more.
  for (let i = 0; i < 20 && server.rows('_conflicts').size > 0; i++) {
    const device = devices[i % devices.length]
    for (const item of device?.conflicts() ?? []) device?.settle(item, i % 2 === 0 ? 'local' : 'remote')
    rest()
  }
  expect([...server.rows('_conflicts').keys()]).toEqual([])
  for (const table of names) {
    const served = [...server.rows(table)].map(
      ([
        id,
        {
          version,
          values: { fields },
        },
      ]) => [id, version, fields.title, fields.body, fields.count],
    )
    for (const { driver } of devices) {
      const held = driver.all(`select id, "$version", title, body, count from ${quoted(table)} order by id`)
      expect(held).toEqual(served.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)))
    }
  }
  for (const { close } of devices) close()
}
