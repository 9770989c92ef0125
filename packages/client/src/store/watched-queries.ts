/**
 * Live queries: each runs again after a commit that wrote a table which it reads, and its listeners hear only of a difference.
 *
 * LQ1  Listeners run after the commit, never inside a transaction, and see its whole effect.
 * LQ2  A listener that throws disturbs no other and no write.
 * LQ3  What a listener writes is told after what it was called for.
 * LQ4  Of commits that follow each other without end (the pages of a first sync) the queries take a fifth of the time at most;
 *      what is put off is told by the next commit or by a timer, whichever comes first.
 * LQ5  What could not be read after a commit (a fault that passes) is read again after the next one, whatever that wrote, or after a second:
 *      there may be no next one for long.
 */
import type { Ambient } from '../ports/ambient.ts'
import type { StoreAnswer, StoreQuery } from './store.ts'

export interface WatchedQueries {
  watch(query: StoreQuery, listener: (answer: StoreAnswer) => void): () => void
  onCommit(listener: (tables: ReadonlySet<string>) => void): () => void
  committed(tables: ReadonlySet<string>): void
  /** One of many commits in a row: told when the queries have rested long enough (LQ4). */
  committedOneOfMany(tables: ReadonlySet<string>): void
  clear(): void
}

interface WatchedQuery {
  readonly query: StoreQuery
  /** Wrapped, so that a function that is given twice is two listeners. */
  readonly listeners: Set<{ readonly call: (answer: StoreAnswer) => void }>
  last: StoreAnswer
  /** Its last run failed: `last` may be old. */
  isStale: boolean
}

interface CommitListener {
  readonly call: (tables: ReadonlySet<string>) => void
  /** Tables of commits of which it could not take notice. */
  missed: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

export function createWatchedQueries(
  run: (query: StoreQuery) => StoreAnswer,
  { clock, timers }: Pick<Ambient, 'clock' | 'timers'>,
  report: (problem: unknown) => void,
): WatchedQueries {
  const queries = new Map<string, WatchedQuery>()
  const commitListeners = new Set<CommitListener>()
  let waiting: ReadonlySet<string> | null = null
  let isTelling = false
  let putOff: ReadonlySet<string> = new Set()
  let restUntilMs = 0
  let cancelTimer = () => {}
  let cancelRetry: (() => void) | null = null

  function watch(query: StoreQuery, listener: (answer: StoreAnswer) => void): () => void {
    const key = JSON.stringify([query.sql, query.parameters, query.tables])
    const known = queries.get(key)
    const live = known ?? { query, listeners: new Set(), last: run(query), isStale: false }
    const entry = { call: listener }
    queries.set(key, live)
    live.listeners.add(entry)
    shielded(() => listener(live.last))
    return () => {
      live.listeners.delete(entry)
      if (live.listeners.size === 0 && queries.get(key) === live) queries.delete(key)
    }
  }

  function committed(tables: ReadonlySet<string>): void {
    waiting = waiting === null ? tables : waiting.union(tables)
    if (isTelling) return
    isTelling = true
    try {
      while (waiting !== null) {
        const written: ReadonlySet<string> = waiting
        waiting = null
        for (const live of [...queries.values()]) runAgain(live, written)
        for (const listener of [...commitListeners]) notify(listener, written)
      }
    } finally {
      isTelling = false
    }
  }

  function committedOneOfMany(tables: ReadonlySet<string>): void {
    putOff = putOff.union(tables)
    cancelTimer()
    const restMs = restUntilMs - clock.monotonic()
    if (restMs <= 0) tellPutOff()
    else cancelTimer = timers.after(restMs, tellPutOff)
  }

  function tellPutOff(): void {
    const startMs = clock.monotonic()
    const tables = putOff
    putOff = new Set()
    committed(tables)
    const endMs = clock.monotonic()
    restUntilMs = endMs + restShare * (endMs - startMs)
  }

  function runAgain(live: WatchedQuery, written: ReadonlySet<string>): void {
    if (!live.isStale && !live.query.tables.some((table) => written.has(table))) return
    live.isStale = true
    retryLater(() => {
      const answer = run(live.query)
      live.isStale = false
      if (answer.rows === live.last.rows) return
      live.last = answer
      for (const { call } of [...live.listeners]) shielded(() => call(answer))
    })
  }

  function notify(listener: CommitListener, written: ReadonlySet<string>): void {
    const tables = listener.missed.union(written)
    listener.missed = tables
    retryLater(() => {
      listener.call(tables)
      listener.missed = none
    })
  }

  function retryLater(call: () => void): void {
    shielded(() => {
      try {
        call()
      } catch (error) {
        cancelRetry ??= timers.after(retryMs, () => {
          cancelRetry = null
          committed(none)
        })
        throw error
      }
    })
  }

  function shielded(call: () => void): void {
    try {
      call()
    } catch (error) {
      report(error)
    }
  }

  return {
    watch,
    committed(tables) {
      cancelTimer()
      const all = putOff.union(tables)
      putOff = new Set()
      committed(all)
    },
    committedOneOfMany,
    onCommit: (listener) => {
      const entry: CommitListener = { call: listener, missed: none }
      commitListeners.add(entry)
      return () => commitListeners.delete(entry)
    },
    clear: () => {
      cancelTimer()
      cancelRetry?.()
      queries.clear()
      commitListeners.clear()
    },
  }
}

const retryMs = 1_000

/** The queries rest four times as long as they ran. */
const restShare = 4
