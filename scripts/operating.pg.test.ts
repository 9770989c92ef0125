/** The statements of docs/operating.md, each run on a real Postgres: none is on the page that is not run here. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { postgres } from '@holdfast/server'
import pg from 'pg'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { crm } from '../apps/crm/src/schema.ts'
import { runCommand } from '../packages/server/src/operate/commands.ts'
import { operatingPage } from './operating-tables.ts'

const crmModule = path.join(import.meta.dirname, '../apps/crm/server.ts')
const page = readFileSync(operatingPage, 'utf8')
const statements = new Map(
  [...page.matchAll(/```sql(?: name=(\w+))?\n([\s\S]*?)```/g)].map(([, name = '', sql = '']) => [name, sql]),
)
const used = new Set<string>()

let admin: pg.Client
let foreign: pg.Client
beforeEach(async () => {
  admin = await connected()
  foreign = await connected('nightly import')
})
afterEach(async () => {
  await foreign.end().catch(() => {})
  await admin.end()
})

async function connected(application = 'operator'): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: inject('postgresUrl'), application_name: application })
  client.on('error', () => {}) // It is to be terminated.
  await client.connect()
  return client
}

/** A statement of the page, with its `:name`s filled in. */
function statement(name: string, values: { readonly [name: string]: string } = {}): string {
  used.add(name)
  const sql = statements.get(name)
  if (sql === undefined) throw new Error(`docs/operating.md has no statement "${name}".`)
  return sql.replaceAll(/(?<!:):(\w+)/g, (whole, value: string) => values[value] ?? whole)
}

test('who holds the feed is found, and ended', async () => {
  await foreign.query('begin')
  const [{ pid }] = (await foreign.query('select pg_backend_pid() as pid, pg_current_xact_id()')).rows
  const holders = (await admin.query(statement('holder'))).rows
  expect(holders).toContainEqual(expect.objectContaining({ pid, application_name: 'nightly import' }))
  await admin.query(statement('terminate', { pid: String(pid) }))
  await expect.poll(async () => (await admin.query(statement('holder'))).rows.map((row) => row.pid)).not.toContain(pid)
})

test('prepared transactions are listed', async () => {
  expect((await admin.query(statement('prepared'))).fields.map(({ name }) => name)).toContain('gid')
  // The cluster of the tests keeps no prepared transactions: that it knows no such one is the answer to a right statement.
  await expect(admin.query(statement('rollback', { gid: 'import-7' }))).rejects.toThrow('"import-7" does not exist')
})

test('an ordinary role that owns its schema is all that the server needs, and a limit ends what it leaves open', async () => {
  const name = `holdfast_${randomBytes(4).toString('hex')}`
  const named = (sql: string) => sql.replaceAll(/\bholdfast\b/g, name)
  const url = new URL(inject('postgresUrl'))
  url.username = name
  url.password = 'change me'
  try {
    await admin.query(named(statement('role')))
    const store = postgres(url.href)(crm)
    await store.open()
    await store.close()
    await admin.query(statement('limit', { role: name }))
    const importer = new pg.Client(url.href)
    await importer.connect()
    const shown = await importer.query('show idle_in_transaction_session_timeout')
    expect(shown.rows).toEqual([{ idle_in_transaction_session_timeout: '1min' }])
    await importer.end()
  } finally {
    await admin.query(`drop owned by ${name} cascade; drop role ${name}`)
  }
})

test('a copy of the database is refused until it was said that it was restored', async () => {
  const [database, backup] = [`crm_${randomBytes(4).toString('hex')}`, `backup_${randomBytes(4).toString('hex')}`]
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${database}`
  const generation = async () => {
    const store = postgres(url.href)(crm)
    await store.open()
    const found = store.generation()
    await store.close()
    return found
  }
  try {
    await admin.query(`create database ${database}`)
    const before = await generation()
    await admin.query(statement('backup', { database, backup }))
    for (const one of statement('restore', { database, backup }).trim().split('\n')) await admin.query(one)
    await expect(generation()).rejects.toThrow('holdfast restored')
    expect(page).toContain('```sh name=restored\nholdfast restored ./server.ts\n```')
    expect(await runCommand(['restored', crmModule], { DATABASE_URL: url.href })).toBe(0)
    expect(await generation()).not.toBe(before)
  } finally {
    await admin.query(`drop database if exists ${database} with (force)`)
    await admin.query(`drop database if exists ${backup} with (force)`)
  }
})

test('every statement of the page was run', () => {
  expect([...statements.keys()].filter((name) => !used.has(name))).toEqual([])
})
