/**
 * Random histories of one device, with others writing, replies lost, pages cut and operations refused: after every step the
 * database is checked from scratch, no shown version goes back, and in the end device and server hold the same.
 */
import { EngineError, type Json, type OperationId } from '@holdfast/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  type Change,
  createModelServer,
  createTestWorld,
  draft,
  notebook,
  reply,
  user,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { createStore } from './create-store.ts'

const records = ['a', 'b', 'c', 'd', 'e']
const record = fc.constantFrom(...records)
const title = fc.constantFrom('one', 'two', 'three', '+20 100 123 4567', 'أحمد')
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.constant('create' as const), record, fc.record({ title })),
  fc.tuple(fc.constant('update' as const), record, fc.record({ title })),
  fc.tuple(fc.constant('update' as const), record, fc.record({ done: fc.boolean() })),
  fc.tuple(fc.constant('increment' as const), record, fc.record({ count: fc.integer({ min: -2, max: 2 }) })),
  fc.tuple(fc.constant('delete' as const), record),
  fc.tuple(fc.constant('restore' as const), record),
)

type Step =
  | { readonly kind: 'write'; readonly changes: readonly Change[] }
  | { readonly kind: 'remote'; readonly record: string; readonly fields: { readonly [field: string]: Json } | null }
  | {
      readonly kind: 'round'
      readonly batch: number
      readonly size: number
      readonly fate: RoundFate
      readonly refuse: readonly boolean[]
    }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'decide'; readonly how: 'retry' | 'fix' | 'discard' | 'undiscard'; readonly which: number }
  | { readonly kind: 'wait'; readonly ms: number; readonly isJump: boolean }

/** 'half': only the first page of the pull arrives. 'twice': each reply is applied twice. */
type RoundFate = 'whole' | 'lost' | 'half' | 'twice'

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      changes: fc.array(change, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('remote' as const),
      record,
      fields: fc.option(
        fc.record({
          title,
          count: fc.integer({ min: 0, max: 9 }),
          done: fc.constant(false),
          body: fc.constant(''),
          phone: fc.constant(''),
          price: fc.constant(null),
          extra: fc.constant(null),
        }),
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('round' as const),
      batch: fc.integer({ min: 1, max: 4 }),
      size: fc.integer({ min: 1, max: 4 }),
      fate: fc.constantFrom<RoundFate>('whole', 'whole', 'lost', 'half', 'twice'),
      refuse: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      how: fc.constantFrom('retry', 'fix', 'discard', 'undiscard'),
      which: fc.nat(9),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.integer({ min: 0, max: 100_000 }),
      isJump: fc.boolean(),
    }),
  },
)

test('[ST2] random histories keep every law and end equal to the server', { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), runHistory), {
    numRuns: Number(process.env.HISTORIES ?? 200),
  })
})

async function runHistory(steps: readonly Step[]): Promise<void> {
  const driver = await nodeSqlite(':memory:')()
  const world = createTestWorld()
  const server = createModelServer()
  const saved = new Set<string>()
  const versions = new Map<string, number>()
  const discarded: OperationId[] = []
  const open = () =>
    createStore({ driver, schema: notebook, user, ambient: world, report: (problem) => expect.fail(String(problem)) })
  let store = open()

  function write(changes: readonly Change[]): void {
    const written = draft(world, ...changes)
    learning(() => store.write(written))
  }

  /** Whatever it writes was saved. */
  function learning(call: () => void): void {
    const known = new Set(driver.all('select id from _outbox').flat())
    try {
      call()
    } catch (error) {
      // A rule of the device: the record is not here, or is here already.
      if (!(error instanceof EngineError)) throw error
    }
    for (const [id] of driver.all('select id from _outbox')) if (!known.has(id ?? null)) saved.add(String(id))
  }

  function round({ batch: operationsMax, size, fate, refuse }: Omit<Extract<Step, { kind: 'round' }>, 'kind'>): void {
    const batch = store.nextBatch({ operationsMax, bytesMax: 8_000_000 })
    const outcomes = server.push(batch.operations, (index) => refuse[index] ?? false)
    if (fate === 'lost') {
      store.batchFailed(batch.ids, 'UNREACHABLE')
      return
    }
    const pages = server.pull(batch.cursor, size)
    pages.forEach((page, index) => {
      if (fate === 'half' && index > 0) return
      const given = reply({ ...page, serverTimeMs: world.clock.now() + 500, outcomes: index === 0 ? outcomes : [] })
      const sent = index === 0 ? batch.ids : []
      store.applyReply(sent, given)
      if (fate === 'twice') store.applyReply(sent, given)
      check()
    })
  }

  function decide({ how, which }: Extract<Step, { kind: 'decide' }>): void {
    const groups = store.inbox()
    const id = groups[which % Math.max(1, groups.length)]?.id
    if (how === 'undiscard') {
      const last = discarded.pop()
      if (last !== undefined) store.undiscard(last)
    } else if (id === undefined) return
    else if (how === 'discard') {
      store.discard(id)
      discarded.push(id)
    } else {
      const by = world.operationId()
      learning(() => store.requeue({ id, by, patch: how === 'retry' ? null : { title: 'mended' } }))
    }
  }

  function check(): void {
    expect(brokenInvariants(driver, notebook, saved)).toEqual([])
    const rows = driver.all('select id, "$version" from notes')
    for (const [id, version] of rows) {
      if (version === 0) continue // Created here, under the id of a deleted record perhaps: the server will say.
      expect(Number(version)).toBeGreaterThanOrEqual(versions.get(String(id)) ?? 0)
      versions.set(String(id), Number(version))
    }
  }

  for (const next of steps) {
    switch (next.kind) {
      case 'write':
        write(next.changes)
        break
      case 'remote':
        server.remote(next.record, next.fields)
        break
      case 'round':
        round(next)
        break
      case 'reopen':
        store = open()
        break
      case 'decide':
        decide(next)
        break
      case 'wait':
        if (next.isJump) world.jump(next.ms - 50_000)
        else world.wait(next.ms)
    }
    check()
  }

  for (let i = 0; i < 60 && (i < 2 || store.waiting(1).length > 0); i++) {
    round({ batch: 4, size: 3, fate: 'whole', refuse: [] })
  }
  expect(store.waiting(9)).toEqual([])
  const held = JSON.parse(
    store.query({ sql: 'select id, "$version", title, count, done from notes order by id', parameters: [], tables: [] })
      .rows,
  )
  const served = [...server.records].flatMap(([id, { version, fields }]) =>
    fields === null ? [] : [[id, version, fields.title, fields.count, fields.done === true ? 1 : 0]],
  )
  expect(held).toEqual(served.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)))
  store.close()
}
