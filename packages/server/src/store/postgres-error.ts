/**
 * What an error of Postgres, of its driver or of the network means to the engine: who is at fault, the machine or the work.
 * Messages carry the SQLSTATE, and what Postgres says only where it names tables and constraints: elsewhere it quotes values.
 *
 * PE1  A lock that did not come free in time: RecordsHeld. No connection free, a statement that waited too long, a server without room: OVERLOADED.
 * PE2  A statement that Postgres refuses because of what it says (a value, a constraint, a limit, a trigger) is a StatementRefused,
 *      no EngineError: sent again it fails again, and the same work without it succeeds.
 * PE3  Everything else of Postgres or the network: SERVER_ERROR. What was not thrown by them passes through as it is.
 */
import { EngineError } from '@holdfast/core'
import pg from 'pg'
import { RecordsHeld } from '../ports/records-held.ts'

/** A statement that fails whenever it is run. Without a cause: its texts quote values. */
export class StatementRefused extends Error {
  override readonly name = 'StatementRefused'
  /** The SQLSTATE. */
  readonly code: string

  constructor(error: pg.DatabaseError) {
    const code = error.code ?? 'no SQLSTATE'
    super(`Postgres refused a statement (${code})${namesOnly.test(code) ? `: ${error.message}.` : '.'}`)
    this.code = code
  }
}

/** Classes whose messages hold names: not supported, constraints, names and rights, views, limits of an index. */
const namesOnly = /^(0A|23|42|44|54)/

/** A deadlock or a serialization failure: the same work, run again, can succeed. */
export function isRetryable(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')
}

/** What statements fail with in a transaction in which one has failed already: it says nothing of its own. */
export function isSequel(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '25P02'
}

export function engineError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) return databaseError(error)
  if (error instanceof Error && isNetworkError(error)) {
    return new EngineError('SERVER_ERROR', 'Postgres cannot be reached.', { cause: error })
  }
  return error
}

/** Of `pool.connect()`: whatever went wrong there is no fault of the caller's work. */
export function connectError(error: unknown): unknown {
  if (error instanceof Error && error.message === poolTimeout) {
    return new EngineError('OVERLOADED', 'No connection to Postgres came free in time.', { cause: error })
  }
  const known = engineError(error)
  return known instanceof EngineError
    ? known
    : new EngineError('SERVER_ERROR', 'Postgres cannot be reached.', { cause: error })
}

// pg-pool has no code for it.
const poolTimeout = 'timeout exceeded when trying to connect'

function databaseError(cause: pg.DatabaseError): Error {
  const state = cause.code ?? ''
  if (ofTheWork.test(state)) return new StatementRefused(cause)
  if (state === '55P03') return new RecordsHeld({ cause })
  return overloaded.has(state)
    ? new EngineError('OVERLOADED', `Postgres has no room now (${state}).`, { cause })
    : new EngineError('SERVER_ERROR', `Postgres cannot go on (${state || 'no SQLSTATE'}).`, { cause })
}

/**
 * Classes of SQLSTATE that tell of one piece of work: not supported, cardinality, data, constraints, triggers and routines,
 * syntax and names, views, limits of a row or an index, `raise`, and defects (a damaged row is met by who touches it).
 */
const ofTheWork = /^(0A|21|22|23|27|2F|38|39|42|44|54|P0|XX)/

const overloaded = new Set([
  '40001', // serialization_failure, again and again
  '40P01', // deadlock_detected, again and again
  '53100', // disk_full
  '53200', // out_of_memory
  '53300', // too_many_connections
  '57014', // query_canceled: statement_timeout
])

function isNetworkError(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : ''
  return /^E[A-Z]{3,}$/.test(code) || /^Connection terminated|^Client (has encountered|was closed)/.test(error.message)
}
