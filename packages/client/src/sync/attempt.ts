/** One request that always ends: by its answer, by `abort`, or when nothing has moved for too long. */
import type { Timers } from '../ports/ambient.ts'
import type { SyncAnswer } from '../ports/transport.ts'
import { createDeadline } from './deadline.ts'

export interface Attempt {
  readonly answer: Promise<SyncAnswer>
  abort(): void
}

export const progressMsMax = 30_000

/** @param delayMs how long nothing may move. */
export function startAttempt(
  timers: Timers,
  delayMs: number,
  send: (request: { readonly signal: AbortSignal; readonly onProgress: () => void }) => Promise<SyncAnswer>,
): Attempt {
  const aborter = new AbortController()
  const late: SyncAnswer = { kind: 'unreachable', problem: `the server has not moved for ${delayMs} ms.` }
  let passed = () => {}
  const timedOut = new Promise<SyncAnswer>((resolve) => {
    passed = () => resolve(late)
  })
  const deadline = createDeadline(timers, delayMs, () => {
    passed()
    aborter.abort()
  })
  const sent = send({ signal: aborter.signal, onProgress: () => deadline.touch() })
  return {
    // The race is ours and not the transport's: it holds even over one that ignores its signal.
    answer: Promise.race([sent, timedOut]).finally(() => deadline.clear()),
    abort: () => {
      passed()
      aborter.abort()
    },
  }
}
