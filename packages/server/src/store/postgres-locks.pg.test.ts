/** Who waits for whom on Postgres, and what becomes of those who wait in vain. */
import {
  collection,
  defineSchema,
  EngineError,
  type Operation,
  operationText,
  parseUserId,
  t,
  withSystemCollections,
} from '@holdfast/core'
import pg from 'pg'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import type { ServerStore } from '../ports/server-store.ts'
import { noAftermath } from '../push/aftermath.ts'
import { createCommitter } from '../push/committer.ts'
import { loadRecords, locateRecords } from '../push/gather.ts'
import { unitsOf } from '../push/units.ts'
import { createDevice, type Device, nowMs } from '../server.test.kit.ts'
import { nodeSystem } from '../system/node-system.ts'
import { createSchema, type Place } from './postgres.test.kit.ts'
import { postgres } from './postgres.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { owner: t.text() }, scope: { agent: 'owner' } }),
    calls: collection({ fields: { lead: t.ref('leads'), note: t.text({ default: '' }) }, scope: { via: 'lead' } }),
    items: collection({ fields: { call: t.ref('calls'), note: t.text({ default: '' }) }, scope: { via: 'call' } }),
  },
})

const full = withSystemCollections(schema)

let place: Place
let store: ServerStore
/** A program that knows nothing of the server. */
let program: pg.Client

beforeEach(async () => {
  place = await createSchema(inject('postgresUrl'))
  store = postgres(place.url)(schema)
  await store.open()
  program = new pg.Client(place.url)
  await program.connect()
  await program.query(`insert into leads (id, owner) values ('l1', 'ann'), ('l2', 'ann')`)
  await program.query(`insert into calls (id, lead) values ('c1', 'l1'), ('c2', 'l2')`)
  await program.query(`insert into items (id, call) values ('i1', 'c1'), ('i2', 'c2')`)
})
afterEach(async () => {
  await program.end()
  await store.close()
  await place.drop()
})

/** `ok`, or for what it failed: the code of the engine and that of Postgres. */
const inWords = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error) =>
      error instanceof EngineError ? `${error.code} ${(error.cause as pg.DatabaseError).code}` : String(error),
  )
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('[PC4] of several statements in flight, what the first one failed with is the failure of the transaction', async () => {
  await program.query('begin')
  await program.query(`select from _sidecar_leads where id = 'l1' for update`)
  const located = () => store.transact((tx) => tx.locate(new Map([['leads', ['l1']]])), 100)
  const answers = [await inWords(located()), await inWords(located()), await inWords(located())]
  await program.query('rollback')
  expect(answers).toEqual(Array.from({ length: 3 }, () => 'OVERLOADED 55P03'))
})

test('[PC4] a deadlock of one of several statements in flight: the work is run again', async () => {
  await program.query(`set deadlock_timeout = '10s'`)
  await program.query('begin')
  await program.query(`select from _sidecar_leads where id = 'l1' for update`)
  let runs = 0
  const located = inWords(
    store.transact(async (tx) => {
      runs += 1
      await tx.load('items', ['i1'])
      return tx.locate(new Map([['leads', ['l1']]]))
    }),
  )
  await pause(100)
  await program.query(`select from _sidecar_items where id = 'i1' for update`)
  await program.query('rollback')
  expect(await located).toBe('ok')
  expect(runs).toBeGreaterThan(1)
})

test('[PB7] [I-10] records that another program holds fail the batch that writes them, and no other one', async () => {
  const hasty = postgres(place.url, { statementMsMax: 2_000 })(schema)
  await hasty.open()
  const committer = createCommitter({ schema: full, store: hasty, system: nodeSystem, onCommit: () => {} })
  const push = (user: string, operation: Operation) =>
    inWords(
      committer.push({
        bench: {
          schema: full,
          rules: {},
          generation: store.generation(),
          bornMs: nowMs,
          user: { userId: parseUserId(user), claims: {} },
          scopes: new Set([`agent:${user}`]),
          clock: { epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [], missedMs: 0 },
          serverNowMs: nowMs + 60_000,
        },
        units: unitsOf([{ operation, text: operationText(operation) }]),
        device: null,
        report: null,
        earlier: noAftermath,
      }),
    )
  const [ann, ben, cid, dan] = [1, 2, 3, 4].map((n) => createDevice(`user${n}`, n)) as [Device, Device, Device, Device]
  await program.query(`insert into leads (id, owner) values ('l3', 'ben')`)
  await program.query('begin')
  await program.query(`update leads set owner = 'zoe' where id in ('l1', 'l3')`)
  const began = performance.now()
  const together = [
    push('ann', ann.update('l1', { owner: 'ann' })),
    push('cid', cid.create('l4', { owner: 'cid' })),
    push('ben', ben.update('l3', { owner: 'ben' })),
  ]
  await pause(100)
  const later = push('dan', dan.create('l5', { owner: 'dan' }))
  expect(await Promise.all([...together, later])).toEqual(['OVERLOADED 55P03', 'ok', 'OVERLOADED 55P03', 'ok'])
  expect(performance.now() - began).toBeLessThan(5_000)
  await program.query('rollback')
  expect(await push('ann', ann.update('l1', { owner: 'ann' }))).toBe('ok')
  await hasty.close()
})

test('[PW4] a plain UPDATE of one row that gets another parent is no victim of a batch that changes a child of it and that parent', async () => {
  let plain: Promise<string> = Promise.resolve('')
  const batch = store.transact(async (tx) => {
    await tx.load('items', ['i1'])
    await tx.load('calls', [], ['c1'])
    plain = inWords(program.query(`update calls set lead = 'l2' where id = 'c1'`))
    await pause(200)
    await tx.load('leads', ['l2'])
  })
  expect([await inWords(batch), await plain, (await store.health()).retries]).toEqual(['ok', 'ok', 0])
})

test('[GA1] two batches, each with a lead and with what lies two generations below the lead of the other, do not wait for each other in a circle', async () => {
  const device = createDevice('ann', 1)
  let loaded = 0
  const both = Promise.withResolvers<void>()
  const batch = (item: string, lead: string) =>
    store.transact(async (tx) => {
      const operations = [
        device.update(item, { note: 'x' }, { collection: 'items' }),
        device.update(lead, { owner: 'bob' }),
      ]
      const gathered = await loadRecords(tx, full, operations)
      loaded += 1
      if (loaded === 2) both.resolve()
      await Promise.race([both.promise, pause(300)])
      await locateRecords(tx, full, { operations, gathered, conflicts: new Map() })
    })
  const answers = await Promise.all([inWords(batch('i1', 'l2')), inWords(batch('i2', 'l1'))])
  expect([answers, (await store.health()).retries]).toEqual([['ok', 'ok'], 0])
})

test('[GA1] what is made after a batch has begun is not locked by it, out of order', async () => {
  const device = createDevice('ann', 1)
  const operations = [
    device.update('i3', { note: 'x' }, { collection: 'items' }),
    device.update('l1', { owner: 'bob' }),
  ]
  let other: Promise<string> = Promise.resolve('')
  const batch = store.transact(async (tx) => {
    const gathered = await loadRecords(tx, full, operations)
    await program.query(`insert into items (id, call) values ('i3', 'c2')`)
    other = inWords(
      store.transact(async (tx) => {
        await tx.load('items', ['i3'])
        await tx.load('leads', ['l1'])
      }),
    )
    await pause(200)
    await locateRecords(tx, full, { operations, gathered, conflicts: new Map() })
  })
  expect([await inWords(batch), await other, (await store.health()).retries]).toEqual(['ok', 'ok', 0])
})
