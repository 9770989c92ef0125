/**
 * What the server counts, as Prometheus reads it. One registry for each server; nothing in a label names a user, a device or a value.
 * docs/operating.md explains each metric, and a test holds the two together.
 */
import { type ErrorCode, isErrorCode, type Outcome } from '@holdfast/core'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { FeedState } from './feed-watch.ts'

export type Route = 'sync' | 'poke' | 'snapshot' | 'rescue' | 'health' | 'other'

export interface Metrics {
  /** A request was answered. */
  answered(route: Route, status: number, seconds: number): void
  /** Outcomes of a round, as the texts that were answered. */
  outcomes(texts: readonly string[]): void
  /** Units that were left without an outcome: a defect of the app's rules, or of the database. */
  held(count: number): void
  /** Bytes of a reply to a round, before compression. */
  replied(bytes: number): void
  streamOpened(): void
  streamClosed(): void
  /** In the text format of Prometheus; `feed` null: the database does not answer. */
  text(feed: FeedState | null): Promise<string>
  readonly contentType: string
}

/** Every metric but those of the process: the source of the table in docs/operating.md. */
export const definitions = {
  requests: {
    name: 'holdfast_requests_total',
    help: 'Requests that were answered, by route and status.',
    labelNames: ['route', 'status'],
  },
  seconds: {
    name: 'holdfast_request_seconds',
    help: 'Time from a request to its answer, by route.',
    labelNames: ['route'],
  },
  outcomes: {
    name: 'holdfast_outcomes_total',
    help: 'Outcomes that were answered, by kind (applied, merged, conflict, rejected, blocked).',
    labelNames: ['kind'],
  },
  rejections: { name: 'holdfast_rejections_total', help: 'Rejected operations, by code.', labelNames: ['code'] },
  held: {
    name: 'holdfast_units_held_total',
    help: 'App transactions that were left without an outcome: a write rule that throws, a constraint of the database, an app that is newer than the server.',
    labelNames: [],
  },
  bytes: {
    name: 'holdfast_reply_bytes_total',
    help: 'Bytes of the replies of POST /sync before compression.',
    labelNames: [],
  },
  streams: { name: 'holdfast_streams', help: 'Open streams of pokes.', labelNames: [] },
  up: { name: 'holdfast_database_up', help: '1 when the database answered this scrape, else 0.', labelNames: [] },
  lag: {
    name: 'holdfast_feed_lag_seconds',
    help: 'How long the feed has not moved while later commits wait for an open transaction.',
    labelNames: [],
  },
  waiting: {
    name: 'holdfast_feed_lag_transactions',
    help: 'Places between the horizon of the feed and its head.',
    labelNames: [],
  },
  holder: {
    name: 'holdfast_feed_holder',
    help: '1 with the transaction that holds the feed, while one does.',
    labelNames: ['pid', 'user', 'database', 'application', 'prepared'],
  },
  connections: {
    name: 'holdfast_connections',
    help: 'Connections of the pool to the database (busy, idle), and who waits for one (waiting).',
    labelNames: ['state'],
  },
  retries: {
    name: 'holdfast_transaction_retries',
    help: 'Transactions that were run again after a deadlock or a serialization failure, since the start.',
    labelNames: [],
  },
} as const

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]

  const requests = new Counter({ ...definitions.requests, registers })
  const seconds = new Histogram({
    ...definitions.seconds,
    registers,
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  })
  const outcomes = new Counter({ ...definitions.outcomes, registers })
  const rejections = new Counter({ ...definitions.rejections, registers })
  const held = new Counter({ ...definitions.held, registers })
  const bytes = new Counter({ ...definitions.bytes, registers })
  const streams = new Gauge({ ...definitions.streams, registers })
  const up = new Gauge({ ...definitions.up, registers })
  const lag = new Gauge({ ...definitions.lag, registers })
  const waiting = new Gauge({ ...definitions.waiting, registers })
  const holder = new Gauge({ ...definitions.holder, registers })
  const connections = new Gauge({ ...definitions.connections, registers })
  const retries = new Gauge({ ...definitions.retries, registers })

  const setFeed = (feed: FeedState | null): void => {
    up.set(feed === null ? 0 : 1)
    holder.reset()
    if (feed === null) return
    const { health, lagMs } = feed
    lag.set(lagMs / 1000)
    waiting.set(Math.max(0, health.head - health.horizon))
    retries.set(health.retries)
    if (health.holder !== null) {
      const { pid, user, database, application, prepared } = health.holder
      holder.set({ pid: pid ?? '', user, database, application, prepared: prepared ?? '' }, 1)
    }
    for (const [state, count] of Object.entries(health.connections ?? {})) connections.set({ state }, count)
  }

  return {
    answered: (route, status, duration) => {
      requests.inc({ route, status })
      seconds.observe({ route }, duration)
    },
    outcomes: (texts) => {
      for (const text of texts) {
        const kind = kindOf(text)
        outcomes.inc({ kind })
        if (kind === 'rejected') rejections.inc({ code: codeOf(text) })
      }
    },
    held: (count) => held.inc(count),
    replied: (size) => bytes.inc(size),
    streamOpened: () => streams.inc(),
    streamClosed: () => streams.dec(),
    text: async (feed) => {
      setFeed(feed)
      return Registry.merge([ofProcess(), registry]).metrics()
    },
    contentType: registry.contentType,
  }
}

let processRegistry: Registry | null = null

/** Memory, processor and event loop: of the process, whatever the number of servers in it. */
function ofProcess(): Registry {
  if (processRegistry !== null) return processRegistry
  processRegistry = new Registry()
  collectDefaultMetrics({ register: processRegistry, prefix: 'holdfast_' })
  return processRegistry
}

/** Without parsing the text: there may be thousands, and nearly all of them are applied. */
function kindOf(text: string): Outcome['kind'] | 'other' {
  const start = kindStart.length
  const kind = text.startsWith(kindStart) ? text.slice(start, text.indexOf('"', start)) : ''
  return isKind(kind) ? kind : 'other'
}

const kindStart = '{"kind":"'

function isKind(text: string): text is Outcome['kind'] {
  return text === 'applied' || text === 'merged' || text === 'conflict' || text === 'rejected' || text === 'blocked'
}

function codeOf(text: string): ErrorCode | 'other' {
  const code = /"code":"([A-Z_]+)"/.exec(text)?.[1]
  return isErrorCode(code) ? code : 'other'
}
