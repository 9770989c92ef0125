/**
 * The shell around the state machine: runs its effects, one round at a time, and tells the status.
 *
 *   round: token → nextBatch (or the page that was fetched ahead) → POST /sync → judge → applyReply → done | failed
 *
 * SE1  The bookkeeping of an attempt is its own step: whatever fails in it, the operations are pending again or acknowledged,
 *      never lost and never marked by a failure that came after the server had them.
 * SE2  A round that was aborted says nothing to the machine, and the next round starts after its bookkeeping has ended.
 * SE3  While a page is applied, the next one is already on its way; while outcomes are, the next batch is.
 * SE4  [I-13] Rows that may hold the effect of an operation whose reply was lost are taken only with its outcome.
 * SE5  What the server does not settle is set aside (set-aside.ts) and holds up only what hangs on it.
 * SE6  While a snapshot loads, each round sends what waits before it takes the next part: outcomes come without rows.
 * SE7  An answer that tells the device to start over is obeyed at once; when the next one that comes says so again, it is obeyed too, and the
 *      device waits before it asks: a server that says nothing else is no loop.
 */
import { EngineError, type OperationId, parseSyncReply, type Restart, type SyncReply } from '@holdfast/core'
import type { Ambient } from '../ports/ambient.ts'
import type { Connectivity, ConnectivityEvent } from '../ports/connectivity.ts'
import type { SyncAnswer, Transport } from '../ports/transport.ts'
import { lostLife } from '../store/restart.ts'
import type { Batch, Store } from '../store/store.ts'
import { batchLimitMax, doubled, halved } from './batch-limit.ts'
import { type Failure, type Fault, judgeAnswer } from './failure.ts'
import { createFirstSyncProgress } from './first-sync-progress.ts'
import { type Flight, startFlight } from './flight.ts'
import { createPokeStream } from './poke-stream.ts'
import { allDue, dueIds, keepOnly, nextDue, nothingAside, putAside, rested, type SetAside } from './set-aside.ts'
import { createSnapshotLoader } from './snapshot-loader.ts'
import { statusOf } from './status-of.ts'
import { type SyncEffect, type SyncEvent, type SyncState, step, stopped } from './sync-state.ts'
import type { PauseReason, QueueCopyState, StatusCommon, StorageKind, SyncStatus } from './sync-status.ts'
import { createTokenKeeper, TokenTrouble } from './token-keeper.ts'

export interface SyncEngine {
  start(): void
  /** Something was written that waits to be sent. */
  wrote(): void
  /**
   * Runs a round whatever the backoff, after the one that runs if there is one; resolves when none runs any more, with the status
   * told.
   */
  now(): Promise<void>
  pause(why: PauseReason): void
  resume(): void
  /** The app came to the front. */
  foreground(): void
  /** There may be another token than the one that is known. */
  tokenChanged(): void
  setPersisted(persisted: boolean): void
  setQueueCopy(queueCopy: QueueCopyState): void
  status(): SyncStatus
  watch(listener: (status: SyncStatus) => void): () => void
  /** Ends everything; resolves when nothing runs any more, so that the store can be closed. */
  stop(): Promise<void>
}

export interface SyncEngineParts {
  readonly store: Store
  readonly transport: Transport
  readonly connectivity: Connectivity
  readonly ambient: Ambient
  /** Answers null when nobody is signed in; rejects when that cannot be told now. `fresh`: the last one was refused. */
  readonly token: (fresh: boolean) => Promise<string | null>
}

export interface SyncEngineOptions {
  readonly schemaVersion: number
  readonly storage: StorageKind
  /** The time between rounds when nothing happens, in milliseconds. */
  readonly pollMs: number
}

/** Status is told once for all that happens within one turn of the event loop. */
const statusDelayMs = 0

export function createSyncEngine(parts: SyncEngineParts, options: SyncEngineOptions): SyncEngine {
  const { store, transport, ambient } = parts
  const { clock, random, timers } = ambient

  let state: SyncState = stopped
  let cancelTimer = () => {}
  let abortProbe = () => {}
  let limit = batchLimitMax
  let aside: SetAside = nothingAside
  /** Their reply was lost: the server may have taken them. */
  let uncertain: ReadonlySet<OperationId> = new Set()
  /** How many requests in a row have failed because of what they carried, or seemed to. */
  let suspected = 0
  /** Our server failed on these alone; whether it was they, the next request shows (SA4). */
  let suspects: readonly OperationId[] = []
  /** The last answer told it to (SE7). */
  let hasStartedOver = false
  /** The page that is fetched ahead. */
  let ahead: Flight | null = null
  let flight: Flight | null = null
  /** Marked as sending, and under way no more: the store failed when they were to be given back. */
  let stranded: readonly OperationId[] = []
  /** Counts aborts: what was started before one is not told after it. */
  let life = 0
  let running: Promise<void> = Promise.resolve()
  let lastError: Fault | null = null
  let persisted: boolean | null = null
  let queueCopy: QueueCopyState = 'none'
  let told: SyncStatus | null = null
  let tellPending = false
  const listeners = new Set<(status: SyncStatus) => void>()
  const atRest: (() => void)[] = []

  const token = createTokenKeeper(timers, parts.token)
  const progress = createFirstSyncProgress(store.snapshotLoad())
  const loader = createSnapshotLoader({ store, transport, timers })
  const pokes = createPokeStream(transport, ambient, {
    onPoke: () => send({ kind: 'poke' }),
    onLost: () => send({ kind: 'doubt' }),
  })

  function send(event: SyncEvent): void {
    const next = step(state, event, { random, nowMs: clock.now(), pollMs: options.pollMs })
    state = next.state
    for (const effect of next.effects) run(effect)
    if (state.kind !== 'idle' && state.kind !== 'syncing' && state.kind !== 'settling' && state.kind !== 'probing') {
      pokes.close()
    }
    tellSoon()
    if (state.kind !== 'syncing') releaseAtRest()
  }

  function run(effect: SyncEffect): void {
    switch (effect.kind) {
      case 'round':
        startRound(effect.token === 'fresh')
        return
      case 'probe':
        startProbe()
        return
      case 'timer':
        cancelTimer()
        cancelTimer = timers.after(effect.delayMs, () => send({ kind: 'timer' }))
        return
      case 'abort':
        life += 1
        cancelTimer()
        abortProbe()
        token.abort()
        flight?.abort()
        loader.abort()
        dropAhead('aborted')
    }
  }

  function startProbe(): void {
    abortProbe()
    const aborter = new AbortController()
    abortProbe = () => aborter.abort()
    void transport.health(aborter.signal).then((reached) => {
      if (aborter.signal.aborted) return
      if (!reached) lastError = { code: 'UNREACHABLE', problem: 'the server does not answer.' }
      send({ kind: 'probed', reached })
    })
  }

  function startRound(freshToken: boolean): void {
    const born = life
    running = running
      .then(() => (born === life ? round(freshToken, born) : null))
      .then((event) => {
        if (event === null || born !== life) return
        note(event)
        send(event)
      })
  }

  /** Never rejects: what goes wrong is the round's end. Null when it was aborted. */
  async function round(freshToken: boolean, born: number): Promise<SyncEvent | null> {
    try {
      // They were sent with the token that was refused.
      if (freshToken) {
        dropAhead('UNAUTHENTICATED')
        loader.abort()
      }
      const known = await token.get(freshToken)
      if (born !== life) return null
      if (known === null) return failed(noToken)
      giveBack([], 'STORAGE_FAILED')
      if (store.snapshotLoad() !== null) return await load(born, known)
      return await post(born, known)
    } catch (error) {
      const failure = storageFailure(error)
      tryToGiveBack(flight?.ids ?? [], errorText(failure))
      return failed(failure)
    } finally {
      flight = null
    }
  }

  async function post(born: number, known: string): Promise<SyncEvent | null> {
    flight = ahead ?? take(nextBatch(), null, known)
    ahead = null
    return await land(flight, born, known)
  }

  /** SE6: what waits, and then the next part of the snapshot. */
  async function load(born: number, known: string): Promise<SyncEvent | null> {
    if (ahead !== null || hasNext()) {
      const event = await post(born, known)
      if (event?.kind !== 'done' || born !== life || isAwaited()) return event
    }
    flight = null
    const taken = await loader.step(known)
    if (born !== life) return null
    switch (taken.kind) {
      case 'loaded':
        progress.count({ changes: taken.part.changes, remaining: null })
        return done({ more: true })
      case 'gone':
        return done({ more: true })
      case 'failed':
        return failed(taken.failure)
      case 'aborted':
        return null
    }
  }

  /** What was set aside and is due, or else what is not. */
  function nextBatch(): Batch {
    // After a failed retry the others have their turn first.
    const due = suspected > 0 ? [] : dueIds(aside, clock.monotonic())
    const ids = new Set(aside.keys())
    if (due.length > 0) {
      const batch = store.nextBatch(limit, { aside: ids, only: new Set(due) })
      if (batch.ids.length > 0) return batch
      aside = rested(aside, due, asideContext()) // It hangs on another one that is not due.
    }
    return store.nextBatch(limit, { aside: ids, only: null })
  }

  function asideContext() {
    return { random, monotonicMs: clock.monotonic(), nowMs: clock.now() }
  }

  /** @param cursor of the page that is being applied; null: the store's own. */
  function take(batch: Batch, cursor: string | null, known: string): Flight {
    const where = cursor === null ? { cursor: batch.cursor, pull: batch.pull } : { cursor, pull: 'page' as const }
    const plan = { batch, ...where, token: known, schemaVersion: options.schemaVersion }
    return startFlight({ store, transport, timers }, plan)
  }

  async function land(sent: Flight, born: number, known: string): Promise<SyncEvent | null> {
    const answer = await sent.answer
    if (born !== life) {
      uncertain = uncertain.union(new Set(sent.ids))
      giveBack(sent.ids, 'aborted')
      return null
    }
    const verdict = judgeAnswer(answer, sent.units.length)
    switch (verdict.kind) {
      case 'apply':
        return apply(sent, verdict.body, known)
      case 'halve':
        giveBack(sent.ids, errorText(verdict.fault))
        limit = halved(limit, sent.ids.length)
        return done({ more: true })
      case 'refuse':
        giveBack(sent.ids, errorText(verdict.fault))
        return refuse(sent.ids, verdict.fault)
      case 'restart':
        giveBack(sent.ids, errorText(verdict.fault), sent.clock.nowMs)
        return startOver(verdict.restart, verdict.fault, sent)
      case 'setAside':
        giveBack(sent.ids, errorText(verdict.failure))
        // The second in a row tells nothing of either: the server itself may be in trouble.
        suspects = verdict.isOurs && suspected === 0 ? sent.ids : []
        return suspect(sent.ids, verdict.failure)
      case 'failed':
        suspects = []
        if (!isRefusal(answer)) uncertain = uncertain.union(new Set(sent.ids))
        giveBack(sent.ids, errorText(verdict.failure), isUntaken(answer) ? sent.clock.nowMs : null)
        if (!verdict.mayFitInPieces || sent.units.length < 2) return failed(verdict.failure)
        limit = halved(limit, sent.ids.length)
        if (verdict.failure.kind === 'unreachable' || !sent.ids.some((id) => aside.has(id)))
          return failed(verdict.failure)
        return suspect(sent.ids, verdict.failure)
    }
  }

  function startOver(why: Restart, fault: Fault, sent: Flight): SyncEvent {
    dropAhead(errorText(fault))
    loader.abort()
    store.restart(why, sent.cursor, sent.clock)
    if (why.kind === 'tooOld' || why.cursor === null) progress.startOver()
    if (hasStartedOver) return failed({ kind: 'server', retryAfterMs: null, ...fault })
    hasStartedOver = true
    return done({ more: true })
  }

  /** The first of these in a row costs nobody else any time: whether it is the server's trouble, the next request shows. */
  function suspect(ids: readonly OperationId[], failure: Failure): SyncEvent {
    const { code, problem } = failure
    aside = putAside(aside, ids, { fault: { code, problem }, isAlone: true }, asideContext())
    suspected += 1
    return suspected === 1 ? done({ more: true }) : failed(failure)
  }

  function done({ more, behind = false }: { readonly more: boolean; readonly behind?: boolean }): SyncEvent {
    const next = nextDue(aside)
    const retryMs = next === null ? null : Math.max(0, Math.ceil(next.dueMs - clock.monotonic()))
    return { kind: 'done', more, behind, retryMs }
  }

  function refuse(ids: readonly OperationId[], fault: Fault): SyncEvent {
    const first = ids[0]
    if (first !== undefined) store.refuse(first, fault)
    forgetSettled()
    return done({ more: true })
  }

  function apply(sent: Flight, body: unknown, known: string): SyncEvent {
    let reply: SyncReply
    try {
      reply = knownOf(sent, parseSyncReply(body))
    } catch (error) {
      const fault = faultOf(error)
      giveBack(sent.ids, errorText(fault))
      return failed({ kind: 'server', retryAfterMs: null, ...fault })
    }
    const ours = store.generation()
    if (ours !== null && reply.generation !== ours) {
      const fault = {
        code: 'GENERATION_CHANGED',
        problem: 'the reply is of another generation than the data.',
      } as const
      giveBack(sent.ids, errorText(fault))
      return startOver(lostLife(reply), fault, sent)
    }
    goAhead(sent, reply, known)
    try {
      return settle(sent, reply)
    } catch (error) {
      // The page that was fetched ahead continues one that is not here.
      dropAhead('STORAGE_FAILED')
      throw error
    }
  }

  /** The reply, without its rows when they may hold what operations did that are sent again only later: those would count twice. */
  function knownOf(sent: Flight, reply: SyncReply): SyncReply {
    uncertain = uncertain.difference(new Set(sent.ids))
    return isAwaited() ? { ...reply, changes: [], cursor: null, more: true } : reply
  }

  /** Whether rows may hold what operations did that are sent again soon. */
  function isAwaited(): boolean {
    if (uncertain.size === 0) return false
    uncertain = new Set(store.unsettledOf([...uncertain]))
    const ids = new Set(aside.keys())
    // What is set aside, or hangs on it, is not sent soon: nobody waits for it.
    return store.hasNext({ aside: ids, only: uncertain.difference(ids) })
  }

  // Nothing goes ahead of a reply that did not take every operation: what hangs on a refused one must not be under way, and one
  // without an outcome is sent again before any later one. A page carries a batch, so this holds for pages as well.
  function goAhead(sent: Flight, reply: SyncReply, known: string): void {
    // Nor of an offer: which part comes first, the store knows when it has it.
    if (reply.snapshot !== null) return
    const isPage = reply.more && reply.cursor !== null
    if (!tookAll(sent, reply) || (!isPage && sent.ids.length === 0)) return
    const batch = nextBatch()
    if (isPage || batch.ids.length > 0) ahead = take(batch, reply.cursor, known)
  }

  function settle(sent: Flight, reply: SyncReply): SyncEvent {
    const isFirstSync = store.completeness() !== 'complete'
    const unanswered = unansweredOf(sent, reply)
    const fault = { code: 'SERVER_ERROR', problem: `the server did not settle ${unanswered.size} operations.` } as const
    giveBack([...unanswered], errorText(fault))
    const outcomes = reply.outcomes.filter(({ id }) => !unanswered.has(id))
    store.applyReply(sent.ids, { ...reply, outcomes }, sent.clock)
    limit = doubled(limit)
    suspected = 0
    hasStartedOver = false
    const blamed = store.blamed([...unanswered], reply.serverSchema)
    // Where the server settles some, or only one is left, it is they. Else each has to show alone whether it is.
    const isTelling = outcomes.length > 0 || blamed.units <= 1
    aside = putAside(aside, [...unanswered], { fault, isAlone: !isTelling }, asideContext())
    store.failedAlone([...suspects, ...(isTelling ? blamed.ids : [])])
    suspects = []
    forgetSettled()
    if (isFirstSync) progress.count(reply)
    return done({ more: reply.more || ahead !== null || hasNext(), behind: reply.behind })
  }

  /** Whether anything waits that is not set aside. */
  function hasNext(): boolean {
    return store.hasNext({ aside: new Set(aside.keys()), only: null })
  }

  function forgetSettled(): void {
    if (aside.size > 0) aside = keepOnly(aside, store.unsettledOf([...aside.keys()]))
  }

  /** The end of an attempt as people see it, apart from what it did. */
  function note(event: SyncEvent): void {
    if (event.kind === 'failed') lastError = { code: event.failure.code, problem: event.failure.problem }
    if (event.kind !== 'done') return
    lastError = null
    const known = token.known()
    if (known !== null) pokes.open({ token: known, device: store.device })
  }

  function dropAhead(error: string): void {
    const dropped = ahead
    ahead = null
    if (dropped === null) return
    dropped.abort()
    tryToGiveBack(dropped.ids, error)
  }

  /**
   * Operations of an attempt that is over are pending again (those that were acknowledged meanwhile excepted).
   * `refusedMs`: when the attempt began, where it surely had no effect.
   */
  function giveBack(ids: readonly OperationId[], error: string, refusedMs: number | null = null): void {
    stranded = [...stranded, ...ids]
    store.batchFailed(stranded, error, refusedMs)
    stranded = []
  }

  function tryToGiveBack(ids: readonly OperationId[], error: string): void {
    try {
      giveBack(ids, error)
    } catch {
      // The store is in trouble, which the round tells. They are given back before anything is sent again.
    }
  }

  function currentStatus(): SyncStatus {
    const { pending, refused, conflicts } = store.counts()
    const completeness = store.completeness()
    const next = nextDue(aside)
    const common: StatusCommon = {
      lastSyncedAt: store.lastSyncedAt(),
      pending,
      refused,
      conflicts,
      completeness,
      progress: completeness === 'complete' ? null : progress.value(),
      storage: options.storage,
      queueCopy,
      persisted,
      lastError: lastError ?? next?.fault ?? null,
      notice: store.notice(),
    }
    return statusOf(state, common, next?.retryAtMs ?? null)
  }

  /** A store that cannot be read is said in the status, with the figures that were told last. */
  function readStatus(): SyncStatus | null {
    if (isClosed) return told
    try {
      return currentStatus()
    } catch (error) {
      return told === null ? null : statusOf({ kind: 'attention', ...faultOf(error) }, told, null)
    }
  }

  function tellSoon(): void {
    if (tellPending) return
    tellPending = true
    timers.after(statusDelayMs, tell)
  }

  function tell(): void {
    tellPending = false
    if (isClosed) return
    const status = readStatus()
    if (status === null || (told !== null && JSON.stringify(told) === JSON.stringify(status))) return
    told = status
    for (const listener of listeners) listener(status)
  }

  function releaseAtRest(): void {
    if (atRest.length === 0) return
    tell()
    for (const resolve of atRest.splice(0)) resolve()
  }

  function heard(event: ConnectivityEvent): void {
    if (event === 'online') aside = allDue(aside, asideContext())
    send({ kind: event === 'offline' ? 'doubt' : event })
  }

  let isClosed = false
  const stopWatching = parts.connectivity.watch(heard)
  const stopCommits = store.onCommit((tables) => {
    if (['_outbox', '_inbox', '_conflicts', '_meta'].some((table) => tables.has(table))) tellSoon()
  })

  return {
    start: () => send({ kind: 'start' }),
    wrote: () => send({ kind: 'write' }),
    now() {
      aside = allDue(aside, asideContext())
      send({ kind: 'manual' })
      if (state.kind !== 'syncing') return Promise.resolve()
      return new Promise((resolve) => atRest.push(resolve))
    },
    pause(why) {
      if (why === 'signedOut') token.forget()
      send({ kind: 'pause', why })
    },
    resume() {
      aside = allDue(aside, asideContext())
      send({ kind: 'resume' })
    },
    foreground: () => send({ kind: 'foreground' }),
    tokenChanged: () => send({ kind: 'token' }),
    setPersisted(value) {
      persisted = value
      tellSoon()
    },
    setQueueCopy(value) {
      if (value === queueCopy) return
      queueCopy = value
      tellSoon()
    },
    status: () => readStatus() ?? statusOf(state, unread, null),
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async stop() {
      stopWatching()
      stopCommits()
      send({ kind: 'stop' })
      await running
      tell()
      isClosed = true
    },
  }
}

/** Of a store that could not be read even once. */
const unread: StatusCommon = {
  lastSyncedAt: null,
  pending: 0,
  refused: 0,
  conflicts: 0,
  completeness: 'empty',
  progress: null,
  storage: 'durable',
  queueCopy: 'none',
  persisted: null,
  lastError: null,
  notice: null,
}

function tookAll(sent: Flight, { outcomes }: SyncReply): boolean {
  const taken = outcomes.filter(({ kind }) => kind === 'applied' || kind === 'merged' || kind === 'conflict')
  return new Set(taken.map(({ id }) => id)).size === sent.ids.length
}

/** Whether the server has surely done nothing: it never had it, or has said so of the request before it looked at what it carries. */
function isUntaken(answer: SyncAnswer): boolean {
  if (answer.kind === 'unsent') return true
  return answer.kind === 'problem' && answer.code !== null && refusing.has(answer.status)
}

const refusing: ReadonlySet<number> = new Set([401, 403, 409, 410, 426, 429])

/** Answered by our server before it did anything, or by something that stands in front of it; or never sent. */
function isRefusal(answer: SyncAnswer): boolean {
  if (answer.kind === 'unsent') return true
  return answer.kind === 'problem' && (answer.status < 500 || answer.status === 503)
}

/** Of an app transaction that was answered in part, all: it takes effect as a whole, and is sent as a whole. */
function unansweredOf(sent: Flight, { outcomes }: SyncReply): ReadonlySet<OperationId> {
  const answered = new Set(outcomes.map(({ id }) => id))
  return new Set(sent.units.filter((unit) => unit.some((id) => !answered.has(id))).flat())
}

const noToken: Failure = { kind: 'signedOut', code: 'UNAUTHENTICATED', problem: 'nobody is signed in.' }

function failed(failure: Failure): SyncEvent {
  return { kind: 'failed', failure }
}

function storageFailure(error: unknown): Failure {
  if (error instanceof TokenTrouble) return { kind: 'unreachable', code: 'UNREACHABLE', problem: error.message }
  return { kind: 'storage', ...faultOf(error) }
}

/** A fault without a code is a defect of ours; it is shown in the status rather than ending the engine in silence. */
function faultOf(error: unknown): Fault {
  if (error instanceof EngineError) return { code: error.code, problem: error.problem }
  return { code: 'STORAGE_FAILED', problem: error instanceof Error ? error.message : String(error) }
}

function errorText(fault: Fault): string {
  return `${fault.code}: ${fault.problem}`
}
