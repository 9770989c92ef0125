/**
 * The part of a driver that is the same everywhere: settings, kept statements, errors, closing. What differs, the way to reach
 * SQLite, is the `Connection` that it is given.
 */
import { assert, EngineError } from '@holdfast/core'
import type { SqliteDriver, SqliteRow, SqliteValue } from '../ports/sqlite-driver.ts'
import { sqliteError } from './sqlite-error.ts'

/** SQLite as a binding offers it. Throws the binding's own errors. */
export interface Connection {
  exec(sql: string): void
  prepare(sql: string): Statement
  isTransaction(): boolean
  defineFunction(name: string, body: (text: string) => string): void
  /** Called once, after every statement was finalized. */
  close(): void
}

export interface Statement {
  run(parameters: readonly SqliteValue[]): number
  all(parameters: readonly SqliteValue[]): readonly SqliteRow[]
  columns(): readonly string[]
  finalize(): void
}

/** Statements kept for their next use: more than the store has, so that only an app's own queries push one another out. */
const statementsMax = 256

// The order matters: WAL without shared memory (OPFS has none) is possible only once the locking mode is exclusive.
// journal_size_limit gives back what a bulk load left in the WAL; secure_delete overwrites what is deleted (purge.ts); it costs
// nothing that could be measured, since what is deleted is mostly written over soon anyway. The empty transaction takes the lock now, so that a second process is refused here and not at its first write.
const settings = `
  pragma locking_mode = exclusive;
  pragma journal_mode = wal;
  pragma synchronous = full;
  pragma cache_size = -65536;
  pragma journal_size_limit = 4194304;
  pragma foreign_keys = off;
  pragma temp_store = memory;
  pragma secure_delete = on;
  begin exclusive;
  commit`

const isRollback = /^\s*rollback\s*;?\s*$/i

/** Sets the connection up and answers the driver. Closes the connection when that fails. */
export function createDriver(connection: Connection): SqliteDriver {
  const statements = new Map<string, Statement>()
  let isClosed = false

  function attempt<T>(sql: string, call: () => T): T {
    if (isClosed) throw new EngineError('CLOSED', 'the database was used after close().')
    try {
      return call()
    } catch (cause) {
      const error = sqliteError(cause, sql)
      if (error instanceof EngineError) rollBack()
      throw error
    }
  }

  function rollBack(): void {
    try {
      if (connection.isTransaction()) connection.exec('rollback')
    } catch {
      // The disk that failed the statement may fail this too. SQLite then rolls back when the file is next opened,
      // and the first error is the one that tells what happened.
    }
  }

  function prepared(sql: string): Statement {
    const kept = statements.get(sql)
    const statement = kept ?? connection.prepare(sql)
    if (kept !== undefined) statements.delete(sql) // To insert it anew: a Map keeps the order of insertion, oldest first.
    statements.set(sql, statement)
    if (statements.size > statementsMax) forgetOldest()
    return statement
  }

  function forgetOldest(): void {
    for (const [sql, statement] of statements) {
      statements.delete(sql)
      statement.finalize()
      return
    }
  }

  function close(): void {
    if (isClosed) return
    isClosed = true
    for (const statement of statements.values()) statement.finalize()
    statements.clear()
    connection.close()
  }

  const driver: SqliteDriver = {
    exec: (sql) =>
      attempt(sql, () => {
        if (isRollback.test(sql) && !connection.isTransaction()) return // D4.
        connection.exec(sql)
      }),
    run: (sql, parameters = []) => attempt(sql, () => prepared(sql).run(parameters)),
    all: (sql, parameters = []) => attempt(sql, () => prepared(sql).all(parameters)),
    columns: (sql) => attempt(sql, () => readColumns(connection.prepare(sql))),
    defineFunction: (name, body) => attempt(name, () => connection.defineFunction(name, body)),
    close,
  }

  try {
    driver.exec(settings)
    const mode = driver.all('pragma journal_mode')[0]?.[0]
    assert(mode === 'wal' || mode === 'memory', `journal_mode is wal after opening, not ${mode}`)
    return driver
  } catch (error) {
    close()
    throw error
  }
}

/** Compiled for the occasion: a kept statement answers the columns of the schema under which it last ran. */
function readColumns(statement: Statement): readonly string[] {
  try {
    return statement.columns()
  } finally {
    statement.finalize()
  }
}
