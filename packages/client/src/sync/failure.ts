/**
 * What an answer of the server means for the batch and for the machine: the table of protocol.md 28 as a pure function.
 *
 *   200                          apply
 *   401                          signedOut: a fresh token is asked for once, then sync pauses
 *   403                          paused, forbidden
 *   408 425 429 5xx, any other   server: back off, nothing changes (Retry-After obeyed)
 *   HTML, half a body, network   unreachable: back off, nothing changes
 *   409, 410                     start over: the device keeps all, and finds out what is gone (store/restart.ts); back off when that is not told
 *   413, our 422                 halve the batch; one app transaction alone is refused into the inbox
 *   426                          paused, upgrade
 *   our 400, 500                 as above; one app transaction alone is set aside, and what is behind it goes on (set-aside.ts)
 *
 * A status that is not accompanied by a body of ours comes from something in between (a proxy, a portal). It never refuses an
 * operation and never pauses: what a person would have to mend may be gone with the next network. A proxy's 413 is a real limit
 * on bodies all the same: halving gets the batch through, and what is too large alone is set aside.
 */
import type { ErrorCode, Restart } from '@holdfast/core'
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
  | { readonly kind: 'restart'; readonly restart: Restart; readonly fault: Fault }
  /** The one app transaction that was sent may be what fails. `isOurs`: our server says so, and nothing in front of it. */
  | { readonly kind: 'setAside'; readonly failure: Failure; readonly isOurs: boolean }
  /** `mayFitInPieces`: a smaller batch may get through. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly mayFitInPieces: boolean }

/** @param unitCount how many app transactions were sent. */
export function judgeAnswer(answer: SyncAnswer, unitCount: number): Verdict {
  switch (answer.kind) {
    case 'reply':
      return { kind: 'apply', body: answer.body }
    case 'unreachable':
    case 'unsent':
      // What a thin line could not carry in time, it may carry in pieces.
      return inPieces({ kind: 'unreachable', code: 'UNREACHABLE', problem: answer.problem })
    case 'notHoldfast':
      return inPieces({ kind: 'unreachable', code: 'NOT_HOLDFAST', problem: answer.problem })
    case 'problem':
      return answer.code === null
        ? judgeForeign(answer, unitCount)
        : judgeOurs(answer, { code: answer.code, problem: answer.problem }, unitCount)
  }
}

type Problem = Extract<SyncAnswer, { kind: 'problem' }>

function judgeForeign({ status, problem, retryAfterMs }: Problem, unitCount: number): Verdict {
  if (status === 413) return judgeTooLarge({ code: 'TOO_LARGE', problem }, unitCount, 'setAside')
  if (status === 500) {
    return judgeSuspect({ kind: 'server', code: 'SERVER_ERROR', problem, retryAfterMs }, unitCount, { isOurs: false })
  }
  if (status === 429 || status === 503) return failed({ kind: 'server', code: 'OVERLOADED', problem, retryAfterMs })
  const passing = status === 408 || status === 425 || status >= 500
  if (passing) return failed({ kind: 'server', code: 'SERVER_ERROR', problem, retryAfterMs })
  return inPieces({ kind: 'unreachable', code: 'NOT_HOLDFAST', problem })
}

function judgeOurs({ status, retryAfterMs, restart }: Problem, fault: Fault, unitCount: number): Verdict {
  switch (status) {
    case 400:
    case 500:
      return judgeSuspect({ kind: 'server', retryAfterMs, ...fault }, unitCount, { isOurs: true })
    case 401:
      return failed({ kind: 'signedOut', ...fault })
    case 403:
      return failed({ kind: 'paused', why: 'forbidden', ...fault })
    case 409:
    case 410:
      return restart === null ? failed({ kind: 'server', retryAfterMs, ...fault }) : { kind: 'restart', restart, fault }
    case 426:
      return failed({ kind: 'paused', why: 'upgrade', ...fault })
    case 413:
    case 422:
      return judgeTooLarge(fault, unitCount, 'refuse')
    default:
      return failed({ kind: 'server', retryAfterMs, ...fault })
  }
}

/** An app transaction is never cut: halving ends at one. */
function judgeTooLarge(fault: Fault, unitCount: number, alone: 'refuse' | 'setAside'): Verdict {
  if (unitCount > 1) return { kind: 'halve', fault }
  const failure: Failure = { kind: 'server', retryAfterMs: null, ...fault }
  if (unitCount === 0) return failed(failure)
  return alone === 'refuse' ? { kind: 'refuse', fault } : { kind: 'setAside', failure, isOurs: false }
}

/** Trouble of the server, or of one app transaction with it: that is found by sending less. */
function judgeSuspect(failure: Failure, unitCount: number, { isOurs }: { readonly isOurs: boolean }): Verdict {
  return unitCount === 1 ? { kind: 'setAside', failure, isOurs } : inPieces(failure)
}

function inPieces(failure: Failure): Verdict {
  return { kind: 'failed', failure, mayFitInPieces: true }
}

function failed(failure: Failure): Verdict {
  return { kind: 'failed', failure, mayFitInPieces: false }
}
