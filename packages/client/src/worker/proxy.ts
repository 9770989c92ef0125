/**
 * The engine as a tab holds it: calls and watches over a route to whoever leads. The route may change at any time; what has no answer
 * yet is then said again, in the order in which it was first said.
 *
 * PX1  A call is answered once, or fails: by the engine, by its deadline, or because the client was closed.
 * PX2  [I-5] A call in flight when the leader died is repeated to its successor, with the same ids, and counts once.
 * PX3  Watches go on across leaders; a listener is not told the same rows twice for it (query/shared-queries.ts compares).
 * PX4  [L-1] While the database is another version's, every call fails at once and the status says so.
 */
import { EngineError, UsageError, unreachable } from '@holdfast/core'
import type { Answers, CallName, Calls, Engine, Watched, Watches, WatchName } from '../engine.ts'
import type { Clock, Timers } from '../ports/ambient.ts'
import type { SyncStatus } from '../sync/sync-status.ts'
import {
  type CallMessage,
  callMessage,
  errorOf,
  type GivenToken,
  parseAnswer,
  parseToTab,
  parseWatched,
  type ToEngine,
  type ToTab,
  type WatchMessage,
  watchMessage,
} from './messages.ts'

export interface EngineProxy extends Engine {
  /** From now on messages go here; null: nobody leads. */
  setRoute(post: ((message: ToEngine) => void) | null): void
  receive(data: unknown): void
  /** Says something that nobody answers; lost while nobody leads. */
  tell(message: ToEngine): void
  /** Why nobody leads, for the error of calls that wait in vain. */
  setTrouble(error: Error): void
  /** Nobody leads who understands this tab: everything that is asked fails with this, until there is a route. */
  block(error: EngineError): void
  /** Everything that is asked, now and later, fails with this. */
  fail(error: Error): void
}

export interface EngineProxyParts {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly timers: Timers
  readonly token: (fresh: boolean) => Promise<string | null>
  /** Something went wrong for which nobody waits. */
  readonly onProblem: (error: Error) => void
  readonly onClose: () => Promise<void>
}

/** Longer than a successor needs to open the database (5 s for the lock, and its own start). */
export const callMsMax = 30_000
const sweepMs = 5_000
/** These wait for the server or for the person, not for the engine. */
const patientCalls: readonly CallName[] = ['settled', 'syncNow']

interface PendingCall {
  readonly message: CallMessage
  readonly since: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

interface OpenWatch {
  readonly message: WatchMessage
  readonly listener: (value: unknown) => void
}

export function createEngineProxy({ clock, timers, token, onProblem, onClose }: EngineProxyParts): EngineProxy {
  const calls = new Map<number, PendingCall>()
  const watches = new Map<number, OpenWatch>()
  let post: ((message: ToEngine) => void) | null = null
  let trouble: Error | null = null
  let ended: Error | null = null
  let blocked: EngineError | null = null
  let lastStatus: SyncStatus | null = null
  let count = 0
  let sweeping = false

  function sweepLater(): void {
    if (sweeping) return
    sweeping = true
    timers.after(sweepMs, sweep)
  }

  /** One timer for all calls: a timer per call would be a cost of every write. */
  function sweep(): void {
    sweeping = false
    const now = clock.monotonic()
    for (const [id, { message, since, reject }] of calls) {
      if (now - since < callMsMax || patientCalls.includes(message.name)) continue
      calls.delete(id)
      reject(trouble ?? unanswered(message.name))
    }
    if (calls.size > 0) sweepLater()
  }

  /** What cannot be cloned (a function among the values) is the caller's mistake, and must not be said again. */
  function say(message: CallMessage): void {
    try {
      post?.(message)
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      calls.get(message.call)?.reject(new UsageError(`A value cannot be stored: ${problem}`, { cause }))
      calls.delete(message.call)
    }
  }

  async function giveToken(ask: number, fresh: boolean): Promise<void> {
    let given: GivenToken
    try {
      given = { kind: 'token', token: await token(fresh) }
    } catch (error) {
      given = { kind: 'failed', problem: error instanceof Error ? error.message : String(error) }
    }
    post?.({ kind: 'token', ask, given })
  }

  function rejectAll(error: Error): void {
    for (const { reject } of calls.values()) reject(error)
    calls.clear()
  }

  function tellWatch(watch: number, value: unknown): void {
    const open = watches.get(watch)
    if (open?.message.name === 'status') {
      lastStatus = parseWatched('status', value)
      open.listener(statusUnder(blocked, lastStatus))
    } else open?.listener(value)
  }

  function tellStatus(): void {
    if (lastStatus === null) return
    for (const [watch, { message }] of watches) if (message.name === 'status') tellWatch(watch, lastStatus)
  }

  function handle(message: ToTab): void {
    switch (message.kind) {
      case 'answer':
        calls.get(message.call)?.resolve(message.value)
        calls.delete(message.call)
        return
      case 'failure':
        calls.get(message.call)?.reject(errorOf(message.failure))
        calls.delete(message.call)
        return
      case 'update':
        tellWatch(message.watch, message.value)
        return
      case 'watchFailed':
        watches.delete(message.watch)
        onProblem(errorOf(message.failure))
        return
      case 'askToken':
        void giveToken(message.ask, message.fresh)
        return
      case 'joined': // The tab's own affair.
        return
      default:
        unreachable(message)
    }
  }

  return {
    ask: <K extends CallName>(name: K, args: Calls[K]) => {
      const refusal = ended ?? blocked
      if (refusal !== null) return Promise.reject(refusal)
      count += 1
      const message = callMessage(count, name, args)
      return new Promise<Answers[K]>((resolve, reject) => {
        const since = clock.monotonic()
        calls.set(message.call, { message, since, resolve: (value) => resolve(parseAnswer(name, value)), reject })
        say(message)
        sweepLater()
      })
    },
    watch: <K extends WatchName>(name: K, args: Watches[K], listener: (value: Watched[K]) => void) => {
      count += 1
      const message = watchMessage(count, name, args)
      watches.set(message.watch, { message, listener: (value) => listener(parseWatched(name, value)) })
      post?.(message)
      return () => {
        watches.delete(message.watch)
        post?.({ kind: 'unwatch', watch: message.watch })
      }
    },
    setRoute(route) {
      post = route
      if (route === null) return
      trouble = null
      blocked = null
      for (const { message } of watches.values()) route(message)
      for (const { message } of [...calls.values()]) say(message)
    },
    receive(data) {
      const message = parseToTab(data)
      if (message !== null && ended === null) handle(message)
    },
    tell: (message) => post?.(message),
    setTrouble(error) {
      trouble = error
    },
    block(error) {
      blocked = error
      post = null
      rejectAll(error)
      tellStatus()
    },
    fail(error) {
      ended = error
      post = null
      watches.clear()
      rejectAll(error)
    },
    close: onClose,
  }
}

function statusUnder(error: EngineError | null, status: SyncStatus): SyncStatus {
  if (error === null) return status
  const { code, problem } = error
  return { ...status, kind: 'attention', code, problem, lastError: { code, problem } }
}

function unanswered(name: CallName): EngineError {
  return new EngineError(
    'STORAGE_LOCKED',
    `the tab that holds the database has not answered "${name}" within ${callMsMax} ms; whether a write was saved is not known.`,
  )
}
