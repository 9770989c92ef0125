/**
 * Loads a snapshot part by part; each step is one part. The next part is on its way while one is being stored.
 *
 * SL1  A part that this server does not have, or that is none, ends the snapshot and never the sync: pages go on from where it is.
 *      What else is wrong with an answer means the same as of any other (failure.ts), and the same part is asked for again.
 */
import { EngineError, parseSnapshotPart, type SnapshotId, type SnapshotPart } from '@holdfast/core'
import type { Timers } from '../ports/ambient.ts'
import type { SyncAnswer, Transport } from '../ports/transport.ts'
import type { Store } from '../store/store.ts'
import { type Attempt, progressMsMax, startAttempt } from './attempt.ts'
import { type Failure, judgeAnswer } from './failure.ts'

export interface SnapshotLoader {
  /** Loads the part that comes next; there must be one. What its storing throws goes through. */
  step(token: string): Promise<LoadStep>
  /** Ends what is under way; a step that waits for it ends too. */
  abort(): void
}

export type LoadStep =
  | { readonly kind: 'loaded'; readonly part: SnapshotPart }
  /** The snapshot was dropped. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'aborted' }

interface PartFlight extends Attempt {
  readonly id: SnapshotId
  readonly part: number
}

export function createSnapshotLoader({
  store,
  transport,
  timers,
}: {
  readonly store: Store
  readonly transport: Transport
  readonly timers: Timers
}): SnapshotLoader {
  let flights: readonly PartFlight[] = []
  let life = 0

  function ask(id: SnapshotId, part: number, token: string): PartFlight {
    const known = flights.find((flight) => flight.id === id && flight.part === part)
    if (known !== undefined) return known
    const attempt = startAttempt(timers, progressMsMax, (request) => transport.part({ id, part, token, ...request }))
    const flight = { id, part, ...attempt }
    flights = [...flights, flight]
    return flight
  }

  function drop(): void {
    const dropped = flights
    flights = []
    for (const flight of dropped) flight.abort()
  }

  return {
    async step(token) {
      const born = life
      const load = store.snapshotLoad()
      if (load === null) return { kind: 'gone' }
      const { id, next, parts } = load
      const flight = ask(id, next, token)
      const answer = await flight.answer
      if (born !== life) return { kind: 'aborted' }
      flights = flights.filter((other) => other !== flight)
      const judged = judgePart(answer)
      if (judged.kind !== 'loaded') {
        drop()
        if (judged.kind === 'gone') store.dropSnapshot()
        return judged
      }
      if (next + 1 < parts) ask(id, next + 1, token)
      store.applyPart(judged.part)
      return judged
    },
    abort() {
      life += 1
      drop()
    },
  }
}

function judgePart(answer: SyncAnswer): Exclude<LoadStep, { kind: 'aborted' }> {
  if (answer.kind === 'problem' && answer.code !== null && !passing.has(answer.status)) return { kind: 'gone' }
  if (answer.kind === 'reply') return parsedPart(answer.body)
  const verdict = judgeAnswer(answer, 0)
  return verdict.kind === 'failed' ? verdict : { kind: 'gone' }
}

function parsedPart(body: unknown): LoadStep & { readonly kind: 'loaded' | 'gone' } {
  try {
    return { kind: 'loaded', part: parseSnapshotPart(body) }
  } catch (error) {
    if (error instanceof EngineError) return { kind: 'gone' }
    throw error
  }
}

/** What our server says of itself or of the token, and not of the part. */
const passing: ReadonlySet<number> = new Set([401, 403, 408, 425, 426, 429, 502, 503, 504])
