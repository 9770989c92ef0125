/**
 * The raw limit in a browser: SQLite on the same VFS, settings, tables, rows, indexes and search as ours, in a bare dedicated
 * worker. No outbox rules, no live queries, no checks: the least that can be done.
 */
import { deviceTables } from '@holdfast/core'
import sqlite3InitModule, {
  type Database,
  type PreparedStatement,
  type SAHPoolUtil,
  type Sqlite3Static,
} from '@sqlite.org/sqlite-wasm'
import { crm } from '../../apps/crm/src/schema.ts'
import {
  fillSearchSql,
  insertLeadsJsonSql,
  insertOperationSql,
  settingsSql,
  updateLeadSql,
  type Value,
} from '../raw/device-rows.ts'
import type { RawAnswer, RawRequest, RawWrite } from './raw-request.ts'

interface Opened {
  readonly sqlite3: Sqlite3Static
  readonly pool: SAHPoolUtil
  readonly database: Database
  readonly statements: Map<string, PreparedStatement>
}

const databaseName = '/raw.sqlite3'
let poolCount = 0
let opened: Opened | null = null
// The other file systems of sqlite-wasm are off, as in ours: one of them would start a worker of its own.
Object.assign(globalThis, {
  sqlite3ApiConfig: { disable: { vfs: { kvvfs: true, opfs: true, 'opfs-vfs': true, 'opfs-wl': true } } },
})
const loading = sqlite3InitModule()

let turn: Promise<unknown> = Promise.resolve()

addEventListener('message', ({ data }: MessageEvent<RawRequest>) => {
  // A write and a query are answered in the turn of their message; what opens files takes several turns, and others wait.
  if (opened !== null && (data.kind === 'write' || data.kind === 'text')) postMessage(settle(() => performNow(data)))
  else turn = turn.then(async () => postMessage(await settleAsync(() => perform(data))))
})

function settle(work: () => string): RawAnswer {
  try {
    return { kind: 'done', text: work() }
  } catch (error) {
    return { kind: 'failed', problem: String(error) }
  }
}

async function settleAsync(work: () => Promise<string>): Promise<RawAnswer> {
  try {
    return { kind: 'done', text: await work() }
  } catch (error) {
    return { kind: 'failed', problem: String(error) }
  }
}

async function perform(request: RawRequest): Promise<string> {
  switch (request.kind) {
    case 'open':
      opened = await open(request.directory)
      return ''
    case 'import':
      opened = await importFile(request.directory, request.fileUrl)
      return ''
    case 'load':
      await load(needed(), request.rowsUrl)
      return ''
    case 'close':
      close()
      return ''
    default:
      return performNow(request)
  }
}

function performNow(request: Extract<RawRequest, { kind: 'write' | 'text' }>): string {
  if (request.kind === 'text') return readText(needed(), request.sql, request.parameters)
  write(needed(), request.write)
  return ''
}

async function open(directory: string): Promise<Opened> {
  const { sqlite3, pool } = await openPool(directory)
  const database = new pool.OpfsSAHPoolDb(databaseName)
  database.exec(settingsSql)
  if (database.selectValue("select count(*) from sqlite_schema where name = 'leads'") === 0)
    for (const sql of deviceTables(crm).tables) database.exec(sql)
  return { sqlite3, pool, database, statements: new Map() }
}

async function importFile(directory: string, url: string): Promise<Opened> {
  const { sqlite3, pool } = await openPool(directory)
  const reader = (await fetch(url)).body?.getReader()
  if (reader === undefined) throw new Error(`${url} has no body.`)
  await pool.importDb(databaseName, async () => (await reader.read()).value)
  const database = new pool.OpfsSAHPoolDb(databaseName)
  database.exec(settingsSql)
  return { sqlite3, pool, database, statements: new Map() }
}

async function openPool(directory: string): Promise<{ readonly sqlite3: Sqlite3Static; readonly pool: SAHPoolUtil }> {
  const sqlite3 = await loading
  poolCount += 1
  const pool = await sqlite3.installOpfsSAHPoolVfs({ name: `raw-${poolCount}`, directory, initialCapacity: 4 })
  return { sqlite3, pool }
}

async function load({ sqlite3, database }: Opened, url: string): Promise<void> {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer())
  const { tables, indexes } = deviceTables(crm)
  database.exec('begin')
  for (const sql of tables) database.exec(sql)
  insertBytes(sqlite3, database, bytes)
  for (const { sql } of indexes) database.exec(sql)
  database.exec(fillSearchSql)
  database.exec('commit')
}

// The bytes go from the network into the memory of SQLite as they are: no text is made of them on the way.
function insertBytes({ wasm, capi }: Sqlite3Static, database: Database, bytes: Uint8Array): void {
  const pointer = wasm.alloc(bytes.byteLength)
  const statement = database.prepare(insertLeadsJsonSql)
  try {
    wasm.heap8u().set(bytes, pointer)
    const bind: (statement: unknown, index: number, text: number, length: number, destructor: number) => number =
      wasm.exports.sqlite3_bind_text
    const result = bind(statement.pointer, 1, pointer, bytes.byteLength, 0)
    if (result !== capi.SQLITE_OK) throw new Error(`sqlite3_bind_text answered ${result}.`)
    statement.step()
  } finally {
    statement.finalize()
    wasm.dealloc(pointer)
  }
}

function write(at: Opened, { seq, id, lead, stage, atMs, operation }: RawWrite): void {
  at.database.exec('begin')
  runWith(at, updateLeadSql, [stage, atMs, lead])
  runWith(at, insertOperationSql, [seq, id, id, lead, operation])
  at.database.exec('commit')
}

function runWith(at: Opened, sql: string, parameters: readonly Value[]): void {
  prepared(at, sql)
    .bind([...parameters])
    .stepReset()
}

function readText(at: Opened, sql: string, parameters: readonly Value[]): string {
  const statement = prepared(at, sql)
  if (parameters.length > 0) statement.bind([...parameters])
  try {
    statement.step()
    return String(statement.get(0))
  } finally {
    statement.reset()
  }
}

function prepared({ database, statements }: Opened, sql: string): PreparedStatement {
  const kept = statements.get(sql)
  if (kept !== undefined) return kept
  const made = database.prepare(sql)
  statements.set(sql, made)
  return made
}

function close(): void {
  const { pool, database, statements } = needed()
  for (const statement of statements.values()) statement.finalize()
  database.close()
  pool.pauseVfs()
  opened = null
}

function needed(): Opened {
  if (opened === null) throw new Error('The database is not open.')
  return opened
}
