/**
 * Live queries of one tab: the same query is watched once, however many components ask for it, and its rows stay the same object
 * while they are the same.
 */
import type { LiveAnswer } from '../client.ts'
import type { Engine } from '../engine.ts'
import type { Completeness } from '../store/store.ts'
import type { PlannedQuery } from './compile-query.ts'
import { decodeRows } from './decode-rows.ts'

export interface SharedQueries {
  watch<Row>(query: PlannedQuery, listener: (answer: LiveAnswer<Row>) => void): () => void
  /** The device's data became more complete, rows of queries or not. */
  setCompleteness(completeness: Completeness): void
}

interface SharedQuery {
  text: string | null
  /** Of the type that the query's first watcher gave it; the same text has the same type. */
  answer: LiveAnswer<unknown> | null
  readonly listeners: Set<(answer: LiveAnswer<unknown>) => void>
  readonly stop: () => void
}

export function createSharedQueries(engine: Engine): SharedQueries {
  const queries = new Map<string, SharedQuery>()

  function tell(live: SharedQuery, answer: LiveAnswer<unknown>): void {
    live.answer = answer
    for (const listener of [...live.listeners]) listener(answer)
  }

  function start(key: string, { kinds, ...query }: PlannedQuery): SharedQuery {
    const live: SharedQuery = {
      text: null,
      answer: null,
      listeners: new Set(),
      stop: engine.watch('query', query, ({ completeness, ...answer }) => {
        // An engine in this thread answers before `live` exists: that answer comes again below.
        queueMicrotask(() => {
          const rows = live.answer !== null && live.text === answer.rows ? live.answer.rows : decodeRows(answer, kinds)
          if (rows === live.answer?.rows && completeness === live.answer.completeness) return
          live.text = answer.rows
          tell(live, { rows, completeness })
        })
      }),
    }
    queries.set(key, live)
    return live
  }

  return {
    watch<Row>(query: PlannedQuery, listener: (answer: LiveAnswer<Row>) => void) {
      const key = JSON.stringify([query.sql, query.parameters])
      const live = queries.get(key) ?? start(key, query)
      const entry = (answer: LiveAnswer<unknown>) => listener(answer as LiveAnswer<Row>)
      live.listeners.add(entry)
      if (live.answer !== null) entry(live.answer)
      return () => {
        live.listeners.delete(entry)
        if (live.listeners.size > 0 || queries.get(key) !== live) return
        queries.delete(key)
        live.stop()
      }
    },
    setCompleteness(completeness) {
      for (const live of queries.values()) {
        if (live.answer !== null && live.answer.completeness !== completeness) {
          tell(live, { rows: live.answer.rows, completeness })
        }
      }
    },
  }
}
