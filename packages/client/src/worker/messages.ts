/**
 * What tabs and workers say to each other. Between a tab and the engine there is one message per call and one per answer; rows cross
 * as one text. Whoever sends is our own code of the same origin, so the border looks at the shape and not at every value: values
 * are judged by the store.
 *
 *   tab ──ToEngine──► engine ──ToTab──► tab       over the port of the tab's own worker, or the tab's channel to the leader
 *   tab ──ToWorker──► its worker ──FromWorker──► tab      opening, and who leads
 *   every tab and worker of a database ◄──Gossip──► all of them
 */
import { type DeviceId, EngineError, type ErrorCode, isErrorCode, isObject, UsageError } from '@holdfast/core'
import type { Answers, CallName, Calls, Watched, Watches, WatchName } from '../engine.ts'

/** Tabs and a leader of different builds do not understand each other; this number tells. */
export const messagesVersion = 4

export type ToEngine =
  | CallMessage
  | WatchMessage
  | { readonly kind: 'unwatch'; readonly watch: number }
  | { readonly kind: 'token'; readonly ask: number; readonly given: GivenToken }
  | { readonly kind: 'foreground' }
  | { readonly kind: 'tokenChanged' }
  | { readonly kind: 'persisted'; readonly persisted: boolean }

export type CallMessage<K extends CallName = CallName> = {
  readonly [P in K]: { readonly kind: 'call'; readonly call: number; readonly name: P; readonly args: Calls[P] }
}[K]

export type WatchMessage<K extends WatchName = WatchName> = {
  readonly [P in K]: { readonly kind: 'watch'; readonly watch: number; readonly name: P; readonly args: Watches[P] }
}[K]

export type GivenToken =
  | { readonly kind: 'token'; readonly token: string | null }
  | { readonly kind: 'failed'; readonly problem: string }

export type ToTab =
  | { readonly kind: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly call: number; readonly failure: FailureText }
  | { readonly kind: 'update'; readonly watch: number; readonly value: unknown }
  /** The query of a watch is wrong. */
  | { readonly kind: 'watchFailed'; readonly watch: number; readonly failure: FailureText }
  | { readonly kind: 'askToken'; readonly ask: number; readonly fresh: boolean }
  /** The leader has opened this tab's channel. */
  | { readonly kind: 'joined'; readonly leader: Leader }

export type ToWorker =
  | { readonly kind: 'open'; readonly seat: Seat }
  /** Lets go of the database: the tab is about to be frozen. */
  | { readonly kind: 'stepDown' }
  | { readonly kind: 'standUp' }

export type FromWorker =
  /** It has the lock. */
  | { readonly kind: 'opening' }
  | { readonly kind: 'leading'; readonly leader: Leader }
  | { readonly kind: 'openFailed'; readonly failure: FailureText }

export type Gossip =
  /** A tab looks for the leader. */
  | { readonly kind: 'join'; readonly tab: string }
  | { readonly kind: 'leads'; readonly leader: Leader }
  /** A tab of this version cannot work beside the leader's. */
  | { readonly kind: 'waits'; readonly messages: number; readonly schema: number }
  /** The user signed out in one of the tabs: the database is closed, and perhaps deleted. */
  | { readonly kind: 'signedOut' }

export interface Leader {
  readonly id: string
  readonly messages: number
  readonly schema: number
}

/** What a worker has to know to lead. */
export interface Seat {
  /** Names locks, channels and the directory: a hash of server and user. */
  readonly database: string
  readonly tab: string
  readonly url: string
  readonly user: string
  readonly schema: number
  readonly pollMs: number
  /** The device that was here, by the tab's mark; null: there is none. */
  readonly device: DeviceId | null
}

export interface FailureText {
  readonly name: 'EngineError' | 'UsageError' | 'Error'
  readonly code: ErrorCode | null
  readonly problem: string
  readonly field: string | null
}

/** The channel of all; and that between one tab and the leader. */
export const gossipChannel = (database: string) => `holdfast:${database}`
export const tabChannel = (database: string, tab: string) => `holdfast:${database}:${tab}`
/** Held by the leader; and by each tab for as long as it lives. */
export const leaderLock = (database: string) => `holdfast:${database}:leader`
export const tabLock = (database: string, tab: string) => `holdfast:${database}:${tab}`

const toEngineKinds = ['call', 'watch', 'unwatch', 'token', 'foreground', 'tokenChanged', 'persisted'] as const
const toTabKinds = ['answer', 'failure', 'update', 'watchFailed', 'askToken', 'joined'] as const
const toWorkerKinds = ['open', 'stepDown', 'standUp'] as const
const fromWorkerKinds = ['opening', 'leading', 'openFailed'] as const
const gossipKinds = ['join', 'leads', 'waits', 'signedOut'] as const

/** Each answers null for what is not of its kind: other messages may use the same port. */
export const parseToEngine = (data: unknown): ToEngine | null => (isOf(data, toEngineKinds) ? (data as ToEngine) : null)
export const parseToTab = (data: unknown): ToTab | null => (isOf(data, toTabKinds) ? (data as ToTab) : null)
export const parseToWorker = (data: unknown): ToWorker | null => (isOf(data, toWorkerKinds) ? (data as ToWorker) : null)
export const parseFromWorker = (data: unknown): FromWorker | null =>
  isOf(data, fromWorkerKinds) ? (data as FromWorker) : null
export const parseGossip = (data: unknown): Gossip | null => (isOf(data, gossipKinds) ? (data as Gossip) : null)

/** The answer to a call, by the name under which it was made. */
export const parseAnswer = <K extends CallName>(_name: K, value: unknown): Answers[K] => value as Answers[K]
export const parseWatched = <K extends WatchName>(_name: K, value: unknown): Watched[K] => value as Watched[K]

/** TypeScript does not see that a name and its arguments belong together when both are generic. */
export const callMessage = <K extends CallName>(call: number, name: K, args: Calls[K]): CallMessage =>
  ({ kind: 'call', call, name, args }) as CallMessage
export const watchMessage = <K extends WatchName>(watch: number, name: K, args: Watches[K]): WatchMessage =>
  ({ kind: 'watch', watch, name, args }) as WatchMessage

export function failureText(error: unknown): FailureText {
  if (error instanceof EngineError) {
    return { name: 'EngineError', code: error.code, problem: error.problem, field: error.field }
  }
  const problem = error instanceof Error ? error.message : String(error)
  return { name: error instanceof UsageError ? 'UsageError' : 'Error', code: null, problem, field: null }
}

export function errorOf({ name, code, problem, field }: FailureText): Error {
  if (isErrorCode(code)) return new EngineError(code, problem, field === null ? {} : { field })
  return name === 'UsageError' ? new UsageError(problem) : new Error(problem)
}

function isOf(data: unknown, kinds: readonly string[]): boolean {
  return isObject(data) && typeof data.kind === 'string' && kinds.includes(data.kind)
}
