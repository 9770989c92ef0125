/**
 * What an answer of the server means for the batch and for the machine: the table of protocol.md 28 as a pure function.
 *
 *   200                          apply
 *   401                          signedOut: a fresh token is asked for once, then sync pauses
 *   403                          paused, forbidden
 *   408 425 429 5xx, any other   server: back off, nothing changes (Retry-After obeyed)
 *   HTML, half a body, network   unreachable: back off, nothing changes
 *   409                          paused, generation
 *   410                          paused, upgrade (see below)
 *   413 422                      halve the batch; one operation alone is refused into the inbox
 *   426                          paused, upgrade
 *
 * A status that is not accompanied by a body of ours comes from something in between (a proxy, a portal). It never refuses an
 * operation and never pauses: what a person would have to mend may be gone with the next network.
 */
import type { ErrorCode } from '@holdfast/core'
import type { SyncAnswer } from '../ports/transport.ts'
import type { PauseReason } from './sync-status.ts'

export interface Fault {
  readonly code: ErrorCode
  readonly problem: string
}

/** Why a round failed, as the state machine wants to know it. */
export type Failure = Fault &
  (
    | { readonly kind: 'unreachable' }
    | { readonly kind: 'server'; readonly retryAfterMs: number | null }
    | { readonly kind: 'signedOut' }
    | { readonly kind: 'paused'; readonly why: PauseReason }
    /** The device's own storage, or a defect of ours met while a reply was applied. */
    | { readonly kind: 'storage' }
  )

export type Verdict =
  | { readonly kind: 'apply'; readonly body: unknown }
  | { readonly kind: 'halve'; readonly fault: Fault }
  | { readonly kind: 'refuse'; readonly fault: Fault }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** @param batchSize how many operations were sent. */
export function judgeAnswer(answer: SyncAnswer, batchSize: number): Verdict {
  switch (answer.kind) {
    case 'reply':
      return { kind: 'apply', body: answer.body }
    case 'unreachable':
      return failed({ kind: 'unreachable', code: 'UNREACHABLE', problem: answer.problem })
    case 'notHoldfast':
      return failed({ kind: 'unreachable', code: 'NOT_HOLDFAST', problem: answer.problem })
    case 'problem':
      return judgeProblem(answer, batchSize)
  }
}

type Problem = Extract<SyncAnswer, { kind: 'problem' }>

function judgeProblem(answer: Problem, batchSize: number): Verdict {
  const { status, problem, retryAfterMs } = answer
  // A proxy's limit on bodies is a real limit: halving is harmless, and gets the batch through.
  if ((status === 413 || status === 422) && batchSize > 1) {
    return { kind: 'halve', fault: { code: answer.code ?? 'TOO_LARGE', problem } }
  }
  if (answer.code === null) {
    if (status === 429 || status === 503) return failed({ kind: 'server', code: 'OVERLOADED', problem, retryAfterMs })
    const passing = status === 408 || status === 425 || status >= 500
    if (passing) return failed({ kind: 'server', code: 'SERVER_ERROR', problem, retryAfterMs })
    return failed({ kind: 'unreachable', code: 'NOT_HOLDFAST', problem })
  }
  return judgeOurs(status, { code: answer.code, problem }, batchSize, retryAfterMs)
}

function judgeOurs(status: number, fault: Fault, batchSize: number, retryAfterMs: number | null): Verdict {
  switch (status) {
    case 401:
      return failed({ kind: 'signedOut', ...fault })
    case 403:
      return failed({ kind: 'paused', why: 'forbidden', ...fault })
    case 409:
      return failed({ kind: 'paused', why: 'generation', ...fault })
    // To start again from nothing would show records that were deleted meanwhile for ever: the rows that are absent from the
    // new pull must be found and removed, by the snapshot, which this version does not have. A later one has it: upgrade.
    case 410:
    case 426:
      return failed({ kind: 'paused', why: 'upgrade', ...fault })
    case 413:
    case 422:
      return batchSize === 1 ? { kind: 'refuse', fault } : failed({ kind: 'server', retryAfterMs, ...fault })
    default:
      return failed({ kind: 'server', retryAfterMs, ...fault })
  }
}

function failed(failure: Failure): Verdict {
  return { kind: 'failed', failure }
}
