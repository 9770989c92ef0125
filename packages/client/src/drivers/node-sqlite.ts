/** SQLite in Node, by its built-in module. For tests, command lines and servers that are a replica themselves. */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { assert } from '@holdfast/core'
import type { OpenDriver } from '../ports/open-driver.ts'
import type { SqliteRow, SqliteValue } from '../ports/sqlite-driver.ts'
import { createNodeVault } from '../vault/node-vault.ts'
import { type Connection, createDriver, type Statement } from './connection.ts'
import { sqliteError } from './sqlite-error.ts'

/**
 * Opens the file at `path`, whose folders are made, or a database in memory for ':memory:'. A client keeps a second copy of what
 * waits beside it, in `<path>-queue`.
 *
 * @example
 * const driver = await nodeSqlite(':memory:')()
 * driver.all('select 1') // [[1]]
 */
export function nodeSqlite(path: string): OpenDriver {
  return path === ':memory:'
    ? openFile(path)
    : Object.assign(openFile(path), { vault: createNodeVault(path, openFile) })
}

function openFile(path: string): OpenDriver {
  return async () => createDriver(connect(path))
}

function connect(path: string): Connection {
  const database = openDatabase(path)
  return {
    exec: (sql) => database.exec(sql),
    prepare: (sql) => prepare(database, sql),
    isTransaction: () => database.isTransaction,
    defineFunction: (name, body) =>
      database.function(name, { deterministic: true }, (value) => body(value === null ? '' : String(value))),
    close: () => database.close(),
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true })
    return new DatabaseSync(path)
  } catch (error) {
    throw sqliteError(error, `open ${path}`)
  }
}

function prepare(database: DatabaseSync, sql: string): Statement {
  const statement = database.prepare(sql)
  statement.setReturnArrays(true)
  return {
    run: (parameters) => Number(statement.run(...parameters.map(toBindable)).changes),
    all: (parameters) => parseRows(statement.all(...parameters.map(toBindable))),
    columns: () => statement.columns().map((column) => column.name),
    finalize: () => {}, // Node does it when the statement is collected or the database closes.
  }
}

/** Node binds every number as a real, so that `json_array(?)` of 1 would be [1.0]; a bigint is bound as an integer. */
function toBindable(value: SqliteValue): SqliteValue | bigint {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

/** Node's types do not know that setReturnArrays makes arrays of the rows. Blobs and bigints never occur: we store none. */
function parseRows(rows: readonly unknown[]): readonly SqliteRow[] {
  assert(rows.every(isRow), 'node:sqlite answers rows as arrays')
  return rows
}

function isRow(row: unknown): row is SqliteRow {
  return Array.isArray(row)
}
