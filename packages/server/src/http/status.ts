/** Errors as replies: the status of each code, and a body that names code and problem but no value. */
import { EngineError, type ErrorCode, problemText } from '@holdfast/core'

const statuses: { readonly [C in ErrorCode]?: number } = {
  MALFORMED: 400,
  TRANSACTION_INCOMPLETE: 400,
  TRANSACTION_TOO_LARGE: 400,
  UNAUTHENTICATED: 401,
  ACCOUNT_FORBIDDEN: 403,
  USER_MISMATCH: 403,
  NOT_FOUND: 404,
  GENERATION_CHANGED: 409,
  CURSOR_TOO_OLD: 410,
  TOO_LARGE: 413,
  KEY_REUSED: 422,
  UPGRADE_REQUIRED: 426,
  TOO_MANY_REQUESTS: 429,
  OVERLOADED: 503,
  CLOSED: 503,
  STORAGE_LOCKED: 503,
}

export function statusOf(code: ErrorCode): number {
  return statuses[code] ?? 500
}

/** @param retryAfterSeconds when to come again, where coming again helps (429, 503); between 1 and 10, by chance, where many are told. */
export function problemResponse(error: EngineError, retryAfterSeconds = 2): Response {
  const status = statusOf(error.code)
  return new Response(problemText(error), {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(status === 429 || status === 503 ? { 'retry-after': String(retryAfterSeconds) } : {}),
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    },
  })
}

/** Any error as one that may leave the house: of a defect nothing is told but that there is one. */
export function publicError(error: unknown): EngineError {
  return error instanceof EngineError
    ? error
    : new EngineError('SERVER_ERROR', 'The server met a defect of its own.', { cause: error })
}
