/**
 * The port to SQLite: one synchronous connection that owns its file.
 *
 * D1  Calls are serial; a statement has its whole effect, or throws and has none. A fault of the world is an `EngineError`
 *     (STORAGE_FULL when the disk or the quota is full, STORAGE_CORRUPT when the file is broken or no database,
 *     STORAGE_FAILED for any other fault, STORAGE_LOCKED when somebody else
 *     holds the file); SQL that is wrong or breaks a constraint is a bug of ours and a plain `Error` that names the SQL.
 * D2  After `commit` returns, the transaction survives `kill -9` of the process (WAL, synchronous=FULL, one fdatasync each).
 * D3  A connection that was killed opens again by itself, in the state of the last commit.
 * D4  An `EngineError` has also rolled back the open transaction (SQLite does so by itself for some faults, and for others
 *     not). `rollback` without a transaction is therefore harmless, and a caller may always send it after an error.
 */
export type SqliteValue = null | number | string
export type SqliteRow = readonly SqliteValue[]

export interface SqliteDriver {
  /** Runs any number of statements without parameters, one after another: DDL, pragmas, `begin`, `commit`, `rollback`. */
  exec(sql: string): void
  /**
   * Runs one insert, update or delete (prepared once and kept) and answers how many rows it changed, those of triggers not
   * counted. A whole number within 2^53 is bound as an integer, any other number as a real.
   */
  run(sql: string, parameters?: readonly SqliteValue[]): number
  /** Runs one statement and answers its rows, each an array in column order. Integers come as numbers (up to 2^53). */
  all(sql: string, parameters?: readonly SqliteValue[]): readonly SqliteRow[]
  /** The names of the columns that a query would answer, without running it. */
  columns(sql: string): readonly string[]
  /** Makes a pure function of one text argument (null is passed as '') callable from SQL. The body may not use the driver. */
  defineFunction(name: string, body: (text: string) => string): void
  /** Closes the file; any further call throws CLOSED. Calling it twice is harmless. */
  close(): void
}
