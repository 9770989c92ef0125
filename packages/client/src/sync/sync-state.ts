/**
 * When to talk to the server: a pure machine, state × event → state + effects. It knows no network, no store and no clock.
 *
 *   stopped ──start──► syncing ──done──► idle ──write──► settling ──timer──► syncing
 *                        │ ▲              └─online, doubt─► probing ──probed──► syncing, or waiting
 *                        │ └─timer, manual… waiting ◄──failed (network, server)── syncing
 *                        └──failed──► paused (a person must act) or attention (the device's storage)
 *
 * SM1  Single flight: an effect `round` is only ordered on entering `syncing`, or in it when a round has ended.
 * SM2  No wake is lost: what comes while a round runs makes another one follow.
 * SM3  Backoff holds against writes and pokes that a troubled server does not want; only a person and the clock end it. Who asks
 *      while a round runs gets one more, at once, also when that one fails.
 * SM4  [L-1] Every state has a way out: a timer that it sets, a round or probe that it ordered, or (paused, stopped) an act of a
 *      person that is shown in the status.
 */
import type { ErrorCode } from '@holdfast/core'
import type { Random } from '../ports/ambient.ts'
import { backoffMs, retryAfterMs } from './backoff.ts'
import type { Failure } from './failure.ts'
import type { PauseReason } from './sync-status.ts'

export type SyncState =
  | { readonly kind: 'stopped' }
  /** `behindMs`: when the server was behind its own commits, the delay that was set; null when it was not. */
  | { readonly kind: 'idle'; readonly behindMs: number | null }
  /** A write was made; others of the same moment go with it. */
  | { readonly kind: 'settling'; readonly behindMs: number | null }
  | {
      readonly kind: 'probing'
      readonly phase: 'debounce' | 'asked'
      readonly attempt: number
      readonly offline: boolean
    }
  | {
      readonly kind: 'syncing'
      readonly attempt: number
      readonly token: 'known' | 'fresh'
      /**
       * What came meanwhile: something to sync, a network (then a failure is probed, not waited for), a new token, or a person who
       * asked (then a failure is followed by a round).
       */
      readonly wake: 'none' | 'round' | 'probe' | 'token' | 'person'
      readonly behindMs: number | null
    }
  | {
      readonly kind: 'waiting'
      readonly cause: 'unreachable' | 'server'
      readonly attempt: number
      readonly retryAtMs: number
    }
  | { readonly kind: 'attention'; readonly code: ErrorCode; readonly problem: string }
  | { readonly kind: 'paused'; readonly why: PauseReason }

export type SyncEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'write' }
  | { readonly kind: 'poke' }
  | { readonly kind: 'timer' }
  | { readonly kind: 'online' }
  /** The connection may be gone: the poke stream ended, or the platform says offline. */
  | { readonly kind: 'doubt' }
  | { readonly kind: 'foreground' }
  | { readonly kind: 'manual' }
  | { readonly kind: 'pause'; readonly why: PauseReason }
  | { readonly kind: 'resume' }
  | { readonly kind: 'token' }
  | { readonly kind: 'probed'; readonly reached: boolean }
  /** A round ended well. `more`: pages or operations wait. `retryMs`: what was set aside is due then; null: nothing is. */
  | { readonly kind: 'done'; readonly more: boolean; readonly behind: boolean; readonly retryMs: number | null }
  | { readonly kind: 'failed'; readonly failure: Failure }

export type SyncEffect =
  /** One `POST /sync`. 'fresh': the token that is known was refused; ask for another. */
  | { readonly kind: 'round'; readonly token: 'known' | 'fresh' }
  | { readonly kind: 'probe' }
  /** Sets the machine's only timer, in place of the one before. */
  | { readonly kind: 'timer'; readonly delayMs: number }
  /** Ends the timer, and the round or probe that is under way; their ends are not told. */
  | { readonly kind: 'abort' }

export interface Step {
  readonly state: SyncState
  readonly effects: readonly SyncEffect[]
}

/** What a step may use of the world. */
export interface StepContext {
  readonly random: Pick<Random, 'next'>
  readonly nowMs: number
  /** The time between rounds when nothing happens. */
  readonly pollMs: number
}

export const writeDelayMs = 3
export const onlineDelayMs = 1_000
const doubtMsMin = 250
const doubtMsMax = 2_000
export const probeMsMax = 3_000
export const attentionDelayMs = 60_000
export const behindMsMin = 50
export const behindMsMax = 1_000

export const stopped: SyncState = { kind: 'stopped' }

export function step(state: SyncState, event: SyncEvent, context: StepContext): Step {
  if (event.kind === 'stop') return { state: stopped, effects: [{ kind: 'abort' }] }
  // Signing out holds even over a pause of the person's own; nothing else changes the reason of a pause.
  if (event.kind === 'pause') return { state: { kind: 'paused', why: event.why }, effects: [{ kind: 'abort' }] }
  switch (state.kind) {
    case 'stopped':
      return event.kind === 'start' ? startRound() : stay(state)
    case 'idle':
      return whenIdle(state, event, context)
    case 'settling':
      return whenSettling(state, event)
    case 'probing':
      return whenProbing(state, event, context)
    case 'syncing':
      return whenSyncing(state, event, context)
    case 'waiting':
      return whenWaiting(state, event)
    case 'attention':
      return whenAttention(state, event)
    case 'paused':
      return whenPaused(state, event)
  }
}

type In<K extends SyncState['kind']> = Extract<SyncState, { kind: K }>
type Rest = Exclude<SyncEvent, { kind: 'stop' | 'pause' }>

function whenIdle(state: In<'idle'>, event: Rest, context: StepContext): Step {
  switch (event.kind) {
    case 'write':
      return {
        state: { kind: 'settling', behindMs: state.behindMs },
        effects: [{ kind: 'timer', delayMs: writeDelayMs }],
      }
    case 'online':
      return startProbing(0, false, onlineDelayMs)
    case 'doubt':
      return startProbing(0, false, doubtMs(context))
    case 'poke':
    case 'timer':
    case 'foreground':
    case 'manual':
    case 'resume':
      return startRound({ behindMs: state.behindMs })
    case 'token': // The one that is known works.
    case 'start':
    case 'probed':
    case 'done':
    case 'failed':
      return stay(state)
  }
}

function whenSettling(state: In<'settling'>, event: Rest): Step {
  switch (event.kind) {
    case 'poke':
    case 'timer':
    case 'foreground':
    case 'manual':
    case 'resume':
      return startRound({ behindMs: state.behindMs })
    case 'write': // The delay is not extended, or a steady writer would never sync.
    case 'online':
    case 'doubt': // The round that is about to start will tell.
    case 'token': // The one that is known works.
    case 'start':
    case 'probed':
    case 'done':
    case 'failed':
      return stay(state)
  }
}

function whenProbing(state: In<'probing'>, event: Rest, context: StepContext): Step {
  switch (event.kind) {
    case 'timer':
      if (state.phase === 'asked') return waitAfter(state.attempt + 1, unanswered, context)
      return {
        state: { ...state, phase: 'asked' },
        effects: [{ kind: 'probe' }, { kind: 'timer', delayMs: probeMsMax }],
      }
    case 'probed':
      if (state.phase === 'debounce') return stay(state) // The answer to an earlier question.
      return event.reached ? startRound({ attempt: state.attempt }) : waitAfter(state.attempt + 1, unanswered, context)
    case 'online': // Asked again from the start: what was asked before went into the old network.
      return startProbing(state.attempt, state.offline, onlineDelayMs)
    case 'doubt':
      return stay(state)
    case 'write':
      return state.offline ? stay(state) : startRound()
    case 'poke':
    case 'foreground':
    case 'manual':
    case 'resume':
    case 'token':
      return startRound({ attempt: state.attempt })
    case 'start':
    case 'done':
    case 'failed':
      return stay(state)
  }
}

function whenSyncing(state: In<'syncing'>, event: Rest, context: StepContext): Step {
  switch (event.kind) {
    case 'write':
    case 'poke':
    case 'foreground':
    case 'doubt':
      return stay({ ...state, wake: state.wake === 'none' ? 'round' : state.wake })
    case 'manual':
    case 'resume':
      return stay({ ...state, wake: 'person' })
    case 'online':
      return stay({ ...state, wake: state.wake === 'person' ? 'person' : 'probe' })
    case 'token':
      return stay({ ...state, wake: state.wake === 'person' ? 'person' : 'token' })
    case 'done':
      if (event.more || state.wake !== 'none') return startRound({ behindMs: state.behindMs })
      return rest(event.behind ? nextBehindMs(state.behindMs) : null, event.retryMs, context)
    case 'failed':
      return afterFailure(state, event.failure, context)
    case 'timer': // One that was set before the round started.
    case 'start':
    case 'probed':
      return stay(state)
  }
}

function whenWaiting(state: In<'waiting'>, event: Rest): Step {
  switch (event.kind) {
    case 'timer':
    case 'manual':
    case 'resume':
    case 'token':
      return startRound({ attempt: state.attempt })
    case 'poke': // It came over the network that was thought to be gone.
    case 'foreground':
      return state.cause === 'unreachable' ? startRound({ attempt: state.attempt }) : stay(state)
    case 'online':
      return state.cause === 'unreachable' ? startProbing(state.attempt, true, onlineDelayMs) : stay(state)
    case 'write':
    case 'doubt':
    case 'start':
    case 'probed':
    case 'done':
    case 'failed':
      return stay(state)
  }
}

function whenAttention(state: In<'attention'>, event: Rest): Step {
  switch (event.kind) {
    case 'timer':
    case 'manual':
    case 'foreground':
    case 'resume':
    case 'token':
      return startRound()
    case 'write':
    case 'poke':
    case 'online':
    case 'doubt':
    case 'start':
    case 'probed':
    case 'done':
    case 'failed':
      return stay(state)
  }
}

function whenPaused(state: In<'paused'>, event: Rest): Step {
  switch (event.kind) {
    case 'resume':
      return startRound()
    case 'manual':
    case 'foreground':
    case 'token': // What a person paused, only that person resumes.
      return state.why === 'user' ? stay(state) : startRound()
    case 'write':
    case 'poke':
    case 'timer':
    case 'online':
    case 'doubt':
    case 'start':
    case 'probed':
    case 'done':
    case 'failed':
      return stay(state)
  }
}

const unanswered = { kind: 'unreachable', code: 'UNREACHABLE', problem: 'the server does not answer.' } as const

function afterFailure(state: In<'syncing'>, failure: Failure, context: StepContext): Step {
  if (failure.kind === 'signedOut' && state.token === 'known') {
    return startRound({ attempt: state.attempt, token: 'fresh', wake: state.wake })
  }
  if (state.wake === 'person') {
    // There may be another token than the one that was just refused.
    const token = failure.kind === 'signedOut' ? 'fresh' : 'known'
    return startRound({ attempt: state.attempt + 1, token })
  }
  switch (failure.kind) {
    case 'signedOut':
      // Somebody signed in while the refused one was tried.
      if (state.wake === 'token') return startRound({ attempt: state.attempt, token: 'fresh' })
      return { state: { kind: 'paused', why: 'signedOut' }, effects: [{ kind: 'abort' }] }
    case 'paused':
      return { state: { kind: 'paused', why: failure.why }, effects: [{ kind: 'abort' }] }
    case 'storage':
      return {
        state: { kind: 'attention', code: failure.code, problem: failure.problem },
        effects: [{ kind: 'timer', delayMs: attentionDelayMs }],
      }
    case 'unreachable':
      // The network came while the request hung in the old one.
      if (state.wake === 'probe') return startProbing(state.attempt + 1, true, onlineDelayMs)
      return waitAfter(state.attempt + 1, failure, context)
    case 'server':
      return waitAfter(state.attempt + 1, failure, context)
  }
}

function waitAfter(
  attempt: number,
  failure: Extract<Failure, { kind: 'unreachable' | 'server' }>,
  context: StepContext,
): Step {
  const asked = failure.kind === 'server' ? failure.retryAfterMs : null
  const delayMs = asked === null ? backoffMs(attempt, context.random) : retryAfterMs(asked, context.random)
  return {
    state: { kind: 'waiting', cause: failure.kind, attempt, retryAtMs: context.nowMs + delayMs },
    effects: [{ kind: 'timer', delayMs }],
  }
}

function startRound(given: Partial<Omit<In<'syncing'>, 'kind'>> = {}): Step {
  const state: SyncState = { kind: 'syncing', attempt: 0, token: 'known', wake: 'none', behindMs: null, ...given }
  return { state, effects: [{ kind: 'round', token: state.token }] }
}

function startProbing(attempt: number, offline: boolean, delayMs: number): Step {
  return {
    state: { kind: 'probing', phase: 'debounce', attempt, offline },
    effects: [{ kind: 'timer', delayMs }],
  }
}

/** A server that restarts ends all its streams at once; its devices do not come back in one moment. */
function doubtMs({ random }: StepContext): number {
  return Math.round(doubtMsMin + random.next() * (doubtMsMax - doubtMsMin))
}

function rest(behindMs: number | null, retryMs: number | null, { pollMs, random }: StepContext): Step {
  // A tenth to either side: devices that came back together do not ask together for ever.
  const delayMs = behindMs ?? Math.round(pollMs * (0.9 + 0.2 * random.next()))
  const nextMs = Math.min(delayMs, retryMs ?? delayMs)
  return { state: { kind: 'idle', behindMs }, effects: [{ kind: 'timer', delayMs: nextMs }] }
}

function nextBehindMs(last: number | null): number {
  return last === null ? behindMsMin : Math.min(last * 2, behindMsMax)
}

function stay(state: SyncState): Step {
  return { state, effects: [] }
}
