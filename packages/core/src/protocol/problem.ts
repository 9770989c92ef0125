/** The body of a reply that is not 200: `{ error: { code, problem } }`. */
import { type EngineError, type ErrorCode, isErrorCode } from '../errors.ts'
import { isObject } from '../json.ts'

export interface Problem {
  readonly code: ErrorCode
  readonly problem: string
}

export function problemText(error: EngineError): string {
  return JSON.stringify({ error: { code: error.code, problem: error.problem } })
}

/** Null when the body is not one of ours (a proxy, a captive portal). */
export function parseProblem(input: unknown): Problem | null {
  const error = isObject(input) ? input.error : undefined
  if (!isObject(error)) return null
  const { code, problem } = error
  return isErrorCode(code) && typeof problem === 'string' ? { code, problem: problem.slice(0, 2_000) } : null
}
