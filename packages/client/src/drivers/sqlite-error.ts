/**
 * What an error of SQLite, of the file system or of OPFS means to us.
 *
 * Only faults of the world become an `EngineError`. Bad SQL and broken constraints are bugs of ours and stay plain errors, so
 * that no retry policy ever hides them; they name the SQL, which holds no values (values are bound).
 */
import { EngineError, type ErrorCode } from '@holdfast/core'

/** Primary result codes of SQLite, https://sqlite.org/rescode.html: the low byte of the extended ones. */
const codeByResult: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [3, 'STORAGE_FAILED'], // PERM
  [5, 'STORAGE_LOCKED'], // BUSY
  [6, 'STORAGE_LOCKED'], // LOCKED
  [7, 'STORAGE_FAILED'], // NOMEM
  [8, 'STORAGE_FAILED'], // READONLY
  [10, 'STORAGE_FAILED'], // IOERR
  [11, 'STORAGE_CORRUPT'], // CORRUPT
  [13, 'STORAGE_FULL'], // FULL
  [14, 'STORAGE_FAILED'], // CANTOPEN
  [15, 'STORAGE_FAILED'], // PROTOCOL
  [22, 'STORAGE_FAILED'], // NOLFS
  [26, 'STORAGE_CORRUPT'], // NOTADB
])

const codeByName: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['QuotaExceededError', 'STORAGE_FULL'],
  ['ENOSPC', 'STORAGE_FULL'],
  ['EDQUOT', 'STORAGE_FULL'],
  ['NoModificationAllowedError', 'STORAGE_LOCKED'],
])

const sqlCharactersMax = 1_000

/** The error to throw in place of `error`, which remains its cause. */
export function sqliteError(error: unknown, sql: string): Error {
  if (error instanceof EngineError) return error
  const message = error instanceof Error ? error.message : String(error)
  const code = faultCode(error)
  if (code !== null) return new EngineError(code, `the database answered "${message}".`, { cause: error })
  return new Error(`SQLite refused "${sql.slice(0, sqlCharactersMax)}": ${message}`, { cause: error })
}

/** Which fault of the world this is, or null for a bug. */
export function faultCode(error: unknown): ErrorCode | null {
  if (typeof error !== 'object' || error === null) return null
  if ('errcode' in error && typeof error.errcode === 'number') {
    const code = codeByResult.get(error.errcode & 0xff) ?? null
    // SQLite knows a full quota as an I/O error only; the storage below it knows better.
    return code === 'STORAGE_FAILED' && 'cause' in error ? (faultCode(error.cause) ?? code) : code
  }
  const named = nameOf(error)
  if (named !== null) return named
  // What remains of OPFS and of the file system, such as a handle that was taken away or a folder without permission.
  return error instanceof DOMException || 'syscall' in error ? 'STORAGE_FAILED' : null
}

function nameOf(error: object): ErrorCode | null {
  if ('code' in error && typeof error.code === 'string') return codeByName.get(error.code) ?? null
  return 'name' in error && typeof error.name === 'string' ? (codeByName.get(error.name) ?? null) : null
}
