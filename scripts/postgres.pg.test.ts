import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { expect, inject, test } from 'vitest'
import { startPostgres } from './postgres.ts'

test('the server of the tests is Postgres 15 or newer', async () => {
  const [row] = await query(inject('postgresUrl'), "select current_setting('server_version_num')::int as version")
  expect(row?.version).toBeGreaterThanOrEqual(150_000)
})

test('a durable server writes through, and keeps a committed row over SIGKILL', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-killed-'))
  const first = await startPostgres({ directory, durable: true })
  expect(await query(first.url, 'show fsync')).toEqual([{ fsync: 'on' }])
  await query(first.url, 'create table kept as select 42 as answer')
  process.kill(first.pid, 'SIGKILL')

  const second = await startPostgres({ directory, durable: true })
  expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  await second.stop()
  rmSync(directory, { recursive: true })
}, 30_000)

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  client.on('error', () => {}) // The server is killed on purpose.
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}
