/**
 * One SQLite connection of the embedded store: prepared statements by their text, and the faults of the disk told apart from
 * our own mistakes.
 *
 * SC1  A fault of the machine (disk full, no access, busy) is an EngineError OVERLOADED: the operations stay on the devices.
 * SC2  Every other error goes through as it is.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { EngineError } from '@holdfast/core'

export type SqlRow = readonly unknown[]

export interface Connection {
  /** Runs statements without parameters. */
  exec(sql: string): void
  run(sql: string, parameters: readonly SQLInputValue[]): void
  /** All rows, as arrays. */
  all(sql: string, parameters: readonly SQLInputValue[]): readonly SqlRow[]
  first(sql: string, parameters: readonly SQLInputValue[]): SqlRow | undefined
  /** Ends the open transaction without effect, if there is one. */
  rollback(): void
  close(): void
}

export function openConnection(file: string, options: { readonly readOnly: boolean }): Connection {
  const database = new DatabaseSync(file, { readOnly: options.readOnly, timeout: busyMsMax })
  const statements = new Map<string, StatementSync>()
  const statement = (sql: string): StatementSync => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const made = database.prepare(sql)
    made.setReturnArrays(true)
    statements.set(sql, made)
    return made
  }
  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (cause) {
      throw isFaultOfTheMachine(cause)
        ? new EngineError('OVERLOADED', 'The database of the server cannot take this now.', { cause })
        : cause
    }
  }
  const all = (sql: string, parameters: readonly SQLInputValue[]): readonly SqlRow[] =>
    // The types do not know `setReturnArrays`.
    guarded(() => statement(sql).all(...parameters) as unknown as readonly SqlRow[])
  return {
    exec: (sql) => guarded(() => database.exec(sql)),
    run: (sql, parameters) => {
      guarded(() => statement(sql).run(...parameters))
    },
    all,
    first: (sql, parameters) => all(sql, parameters)[0],
    rollback: () => {
      // SQLite ends a transaction by itself on some errors (disk full).
      if (database.isTransaction) database.exec('rollback')
    },
    close: () => database.close(),
  }
}

const busyMsMax = 5_000

/** SQLITE_BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL. */
const machineCodes = new Set([5, 6, 7, 8, 10, 13, 14, 15])

function isFaultOfTheMachine(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    machineCodes.has(error.errcode & 0xff)
  )
}
