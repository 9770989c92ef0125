/** Who waits for whom on Postgres, and what becomes of those who wait in vain. */
import { collection, defineSchema, EngineError, t } from '@holdfast/core'
import pg from 'pg'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import type { ServerStore } from '../ports/server-store.ts'
import { createSchema, type Place } from './postgres.test.kit.ts'
import { type PostgresOptions, postgres } from './postgres.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { owner: t.text() }, scope: { agent: 'owner' } }),
    calls: collection({ fields: { lead: t.ref('leads'), note: t.text({ default: '' }) }, scope: { via: 'lead' } }),
    items: collection({ fields: { call: t.ref('calls'), note: t.text({ default: '' }) }, scope: { via: 'call' } }),
  },
})

let place: Place
let store: ServerStore
/** A program that knows nothing of the server. */
let program: pg.Client

const open = async (options: PostgresOptions = {}): Promise<ServerStore> => {
  const made = postgres(place.url, options)(schema)
  await made.open()
  return made
}

beforeEach(async () => {
  place = await createSchema(inject('postgresUrl'))
  store = await open()
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
  const hasty = await open({ statementMsMax: 200 })
  await program.query('begin')
  await program.query(`select from _sidecar_leads where id = 'l1' for update`)
  const located = () => hasty.transact((tx) => tx.locate(new Map([['leads', ['l1']]])))
  const answers = [await inWords(located()), await inWords(located()), await inWords(located())]
  await program.query('rollback')
  await hasty.close()
  expect(new Set(answers).size).toBe(1)
  expect(answers[0]).toMatch(/^OVERLOADED (55P03|57014)$/)
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
  expect([await located, runs]).toEqual(['ok', 2])
})
