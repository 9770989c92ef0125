/** Why a database cannot be used, for the operator at the terminal: errors of a running server are written for devices. */
import { EngineError, UsageError } from '@holdfast/core'
import { type Configuration, withoutPassword } from './variables.ts'

export function startProblem(error: unknown, { DATABASE_URL, HOLDFAST_DATA }: Configuration): unknown {
  if (error instanceof UsageError || !(error instanceof Error)) return error
  // What a locked directory or a full disk wants is said by its code.
  if (error instanceof EngineError && error.code !== 'SERVER_ERROR' && error.code !== 'OVERLOADED') return error
  const place = DATABASE_URL === null ? `in ${HOLDFAST_DATA}` : `at ${withoutPassword(DATABASE_URL)}`
  return new UsageError(`The database ${place} cannot be used: ${reasonOf(error)}`, { cause: error })
}

/** The innermost words: Postgres' own, or those of the connection. */
function reasonOf(error: Error): string {
  if (error.cause instanceof AggregateError && error.cause.errors[0] instanceof Error)
    return error.cause.errors[0].message
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message
}
