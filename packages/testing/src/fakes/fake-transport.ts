/**
 * A server in a test's hand: every request is kept, and answered by the script that is set, or held until the test answers. Keeps the
 * laws of the port: an aborted request is `unreachable`, a closed stream is silent.
 */
import type { PartRequest, PokeListener, SyncAnswer, Transport, TransportRequest } from '@holdfast/client'
import type { Restart } from '@holdfast/core'

export interface FakeTransport extends Transport {
  /** Every request so far, oldest first. */
  readonly requests: readonly SentRequest[]
  readonly probes: number
  /** How the next requests are answered; 'hold' leaves them open. Stands until it is set again. */
  answerBy(script: Script): void
  /** Answers the oldest request that is held. */
  answer(answer: SyncAnswer): void
  /** How the next parts of snapshots are answered; by default there are none. Stands until it is set again. */
  partsBy(script: PartScript): void
  /** Every part that was asked for, oldest first. */
  readonly parts: readonly number[]
  /** Bytes of the held answers arrive. */
  progress(): void
  setReachable(reachable: boolean): void
  /** The streams that are open. */
  streams(): readonly PokeListener[]
  /** How many streams were opened in all. */
  readonly streamsOpened: number
}

export interface SentRequest {
  readonly body: SentBody
  readonly token: string
}

/** What tests look at in a request. */
export interface SentBody {
  readonly cursor?: string
  readonly operations?: readonly { readonly id: string }[]
}

export type Script = (request: SentRequest, index: number) => SyncAnswer | 'hold'

export type PartScript = (part: number) => SyncAnswer | 'hold'

const noPart: SyncAnswer = {
  kind: 'problem',
  status: 404,
  code: 'NOT_FOUND',
  problem: 'gone.',
  retryAfterMs: null,
  restart: null,
}

interface Held {
  readonly request: TransportRequest | PartRequest
  readonly resolve: (answer: SyncAnswer) => void
}

export function createFakeTransport(): FakeTransport {
  const requests: SentRequest[] = []
  const streams = new Set<PokeListener>()
  let held: Held[] = []
  let script: Script = ({ body }) => settledReply(body)
  let partScript: PartScript = () => noPart
  const parts: number[] = []
  let reachable = true
  let probes = 0
  let streamsOpened = 0

  function hold(request: TransportRequest | PartRequest): Promise<SyncAnswer> {
    return new Promise((resolve) => {
      const one = { request, resolve }
      held.push(one)
      request.signal.addEventListener('abort', () => {
        held = held.filter((other) => other !== one)
        resolve({ kind: 'unreachable', problem: 'the request was ended.' })
      })
    })
  }

  return {
    requests,
    parts,
    get probes() {
      return probes
    },
    get streamsOpened() {
      return streamsOpened
    },
    async sync(request) {
      const sent: SentRequest = { body: JSON.parse(request.body), token: request.token }
      requests.push(sent)
      const answer = script(sent, requests.length - 1)
      return answer === 'hold' ? hold(request) : answer
    },
    async part(request) {
      parts.push(request.part)
      const answer = partScript(request.part)
      return answer === 'hold' ? hold(request) : answer
    },
    partsBy(next) {
      partScript = next
    },
    async health() {
      probes += 1
      return reachable
    },
    openPokes(_, listener) {
      streams.add(listener)
      streamsOpened += 1
      return () => streams.delete(listener)
    },
    answerBy(next) {
      script = next
    },
    answer(answer) {
      const first = held.shift()
      if (first === undefined) throw new Error('no request is held')
      first.resolve(answer)
    },
    progress() {
      for (const { request } of held) request.onProgress()
    },
    setReachable(value) {
      reachable = value
    },
    streams: () => [...streams],
  }
}

let commits = 0

/** A reply that applies every operation and changes nothing else; `members` are laid over it. */
export function settledReply(body: SentBody, members: { readonly [name: string]: unknown } = {}): SyncAnswer {
  commits += 1
  const place = commits
  const outcomes = (body.operations ?? []).map(({ id }) => ({ kind: 'applied', id, version: 1, place }))
  return {
    kind: 'reply',
    body: {
      generation: 'gen1',
      serverTime: 1_795_176_000_000,
      through: place,
      cursor: `c${place}`,
      outcomes,
      ...members,
    },
  }
}

/** A status other than 200 as our server sends it. */
export function problemReply(
  status: number,
  code: Extract<SyncAnswer, { kind: 'problem' }>['code'],
  retryAfterMs: number | null = null,
): SyncAnswer {
  return { kind: 'problem', status, code, problem: `status ${status}.`, retryAfterMs, restart: null }
}

/** 409 or 410: how the device has to start over. */
export function restartReply(restart: Restart): SyncAnswer {
  const [status, code] =
    restart.kind === 'generation' ? ([409, 'GENERATION_CHANGED'] as const) : ([410, 'CURSOR_TOO_OLD'] as const)
  return { kind: 'problem', status, code, problem: `status ${status}.`, retryAfterMs: null, restart }
}
