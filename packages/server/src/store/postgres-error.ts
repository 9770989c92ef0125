/**
 * What an error of Postgres, of its driver or of the network means to the engine. Messages carry the SQLSTATE and never what
 * Postgres says, which may quote values; the original is the cause.
 *
 * PE1  No connection free, a statement that waited too long, a server without room: OVERLOADED.
 * PE2  A value that Postgres refuses is our own bug: INVALID_VALUE. Sent again it fails again.
 * PE3  Everything else of Postgres or the network: SERVER_ERROR. What was not thrown by them passes through as it is.
 */
import { EngineError } from '@holdfast/core'
import pg from 'pg'

/** A deadlock or a serialization failure: the same work, run again, can succeed. */
export function isRetryable(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')
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

function databaseError(cause: pg.DatabaseError): EngineError {
  const state = cause.code ?? 'no SQLSTATE'
  if (overloaded.has(state)) return new EngineError('OVERLOADED', `Postgres has no room now (${state}).`, { cause })
  if (/^2[23]/.test(state)) return new EngineError('INVALID_VALUE', `Postgres refused a value (${state}).`, { cause })
  return new EngineError('SERVER_ERROR', `Postgres refused a statement (${state}).`, { cause })
}

const overloaded = new Set([
  '40001', // serialization_failure, again and again
  '40P01', // deadlock_detected, again and again
  '53200', // out_of_memory
  '53300', // too_many_connections
  '55P03', // lock_not_available: lock_timeout
  '57014', // query_canceled: statement_timeout
])

function isNetworkError(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : ''
  return /^E[A-Z]{3,}$/.test(code) || /^Connection terminated|^Client (has encountered|was closed)/.test(error.message)
}
