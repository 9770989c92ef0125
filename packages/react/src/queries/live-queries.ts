/**
 * The live queries of one client. Queries of the same SQL and parameters share one subscription; the last answer of a query
 * outlives its subscribers, so that a screen that is opened again paints at once.
 *
 *   observe ──► waiting for the client ──open──► watching ──last subscriber left, lingerMs──► resting (answer kept, 'loading')
 *                                                   ▲                                            │
 *                                                   └────────────── subscribed again ────────────┘
 */
import type { Client, QueryBuilder } from '@holdfast/client'
import type { Schema } from '@holdfast/core'
import type { Observed } from '../observed.ts'
import { whenOpen } from '../when-open.ts'
import type { AnswerMemory } from './answer-memory.ts'
import { type LiveResult, nothingYet, resultOf } from './live-result.ts'

export interface LiveQueries<S extends Schema> {
  /** `key` names the query: its SQL and parameters. With `remember`, its answer also survives a reload. */
  observe<Row>(key: string, build: QueryBuilder<S, Row>, remember: boolean): Observed<LiveResult<Row>>
  /** Forgets the answers that nobody watches. */
  forgetResting(): void
}

/** Resting answers that are kept; the oldest go first. */
const restingMax = 60
/** A screen that is left and entered again, or a list that is scrolled to and fro, need not ask anew. */
const lingerMs = 1_500

interface Entry {
  readonly observed: Observed<LiveResult<unknown>>
  idle(): boolean
}

export function createLiveQueries<S extends Schema>(opened: Promise<Client<S>>, memory: AnswerMemory): LiveQueries<S> {
  const entries = new Map<string, Entry>()

  /** Forgets the oldest resting answers. */
  function trim(keptMax: number): void {
    const resting = [...entries].filter(([, entry]) => entry.idle())
    for (const [key] of resting.slice(0, Math.max(0, resting.length - keptMax))) entries.delete(key)
  }

  function entryOf(key: string, build: QueryBuilder<S, unknown>, remember: boolean): Entry {
    const known = entries.get(key)
    if (known !== undefined) return known
    trim(restingMax)
    const entry = createEntry({ opened, memory, key, build, remember })
    entries.set(key, entry)
    return entry
  }

  return {
    observe: <Row>(key: string, build: QueryBuilder<S, Row>, remember: boolean) =>
      // The key holds the whole SQL, so whoever asks by it gets rows of the same shape.
      entryOf(key, build, remember).observed as Observed<LiveResult<Row>>,
    forgetResting: () => trim(0),
  }
}

interface EntryOptions<S extends Schema> {
  readonly opened: Promise<Client<S>>
  readonly memory: AnswerMemory
  readonly key: string
  readonly build: QueryBuilder<S, unknown>
  readonly remember: boolean
}

function createEntry<S extends Schema>({ opened, memory, key, build, remember }: EntryOptions<S>): Entry {
  const listeners = new Set<() => void>()
  let result: LiveResult<unknown> | null = null
  let stop: (() => void) | null = null
  let linger: ReturnType<typeof setTimeout> | undefined

  function set(next: LiveResult<unknown>): void {
    if (result !== null && result.rows === next.rows && result.status === next.status) return
    result = next
    if (remember) memory.keep(key, next.rows)
    for (const listener of listeners) listener()
  }

  function start(): () => void {
    const end = whenOpen(opened, (client) => client.watch(build, (answer) => set(resultOf(answer))))
    return () => {
      end()
      if (result !== null) result = { rows: result.rows, status: 'loading' }
    }
  }

  function rest(): void {
    stop?.()
    stop = null
  }

  return {
    idle: () => listeners.size === 0,
    observed: {
      snapshot: () => {
        result ??= remembered(memory, key)
        return result
      },
      subscribe: (listener) => {
        listeners.add(listener)
        clearTimeout(linger)
        stop ??= start()
        return () => {
          listeners.delete(listener)
          if (listeners.size > 0) return
          clearTimeout(linger)
          linger = setTimeout(rest, lingerMs)
        }
      },
    },
  }
}

function remembered(memory: AnswerMemory, key: string): LiveResult<unknown> {
  const rows = memory.recall(key)
  return rows === null ? nothingYet : { rows, status: 'loading' }
}
