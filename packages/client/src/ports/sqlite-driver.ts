/**
 * The port to SQLite: one synchronous connection that owns its file.
 *
 * D1  Calls are serial; a call has its whole effect, or throws `EngineError` and has none (STORAGE_FULL when the disk or the
 *     quota is full, STORAGE_FAILED for any other fault, STORAGE_LOCKED when somebody else holds the file).
 * D2  After `commit` returns, the transaction survives `kill -9` of the process (WAL, synchronous=FULL, one fdatasync each).
 * D3  A connection that was killed opens again by itself, in the state of the last commit.
 */
export type SqliteValue = null | number | string
export type SqliteRow = readonly SqliteValue[]

export interface SqliteDriver {
  /** Runs any number of statements without parameters: DDL, pragmas, `begin`, `commit`, `rollback`. */
  exec(sql: string): void
  /** Runs one statement (prepared once and kept) and answers how many rows it changed. */
  run(sql: string, parameters?: readonly SqliteValue[]): number
  /** Runs one statement and answers its rows, each an array in column order. Integers come as numbers (up to 2^53). */
  all(sql: string, parameters?: readonly SqliteValue[]): readonly SqliteRow[]
  /** The names of the columns that a query would answer, without running it. */
  columns(sql: string): readonly string[]
  /** Makes a pure function of one text argument (null is passed as '') callable from SQL. */
  defineFunction(name: string, body: (text: string) => string): void
  /** Closes the file; any further call throws CLOSED. Calling it twice is harmless. */
  close(): void
}
