/** The composition root: schema, store, rights and rules in; a web-standard fetch handler out. */
import { EngineError, type Schema, type UserId } from '@holdfast/core'
import { type Logger, pino } from 'pino'
import type { Demo } from './demo/sign-in.ts'
import { createAdmission } from './http/admission.ts'
import { createApp } from './http/app.ts'
import type { Authenticate } from './http/authenticate.ts'
import { type Limits, limitsOf } from './http/limits.ts'
import { problemResponse } from './http/status.ts'
import { type FeedAlarm, watchFeed } from './metrics/feed-watch.ts'
import { createMetrics } from './metrics/metrics.ts'
import type { Pruned, ServerStore, StoreFactory } from './ports/server-store.ts'
import type { System } from './ports/system.ts'
import { createPokeHub } from './pull/poke.ts'
import { createStandings } from './pull/standings.ts'
import { createCommitter } from './push/committer.ts'
import { createLastReports } from './push/last-reports.ts'
import { importRescue, parseRescueFile, type RescueReport } from './rescue/import-rescue.ts'
import { createRetention, retentionDaysDefault } from './retention/retention.ts'
import type { Rules, WriteRules } from './scope/rules.ts'
import { type GrantedScopes, scopesOfUser } from './scope/scopes.ts'
import type { User } from './scope/user.ts'
import { createSnapshots, type SnapshotLimits, snapshotLimits } from './snapshot/snapshots.ts'
import { nodeSystem } from './system/node-system.ts'

export interface ServerOptions<S extends Schema> {
  readonly schema: S
  /** `sqlite(directory)` or `postgres(url)`. */
  readonly store: StoreFactory
  readonly authenticate: Authenticate
  /** What a user's devices hold: everything, or the values of the scopes that the schema declares. */
  readonly scopes: (user: User) => GrantedScopes | Promise<GrantedScopes>
  /** Who may write what; by default what lies in the user's scopes before and after. */
  readonly rules?: Rules<S>
  /**
   * A person may bring the rescue file of somebody else (a manager that of an agent whose device broke) when this answers as whom it is
   * judged: the file's own user, with the claims that `scopes` and `rules` ask for. By default nobody may.
   */
  readonly rescue?: (sender: User, owner: UserId) => User | null | Promise<User | null>
  /** Sign-in without a password, for a demonstration. */
  readonly demo?: Demo
  /** Origins of other sites that may call; none by default. */
  readonly allowOrigins?: readonly string[]
  /** What the server takes upon itself at a time; see `Limits` for each and `defaultLimits` for what is not given. */
  readonly limits?: Partial<Limits>
  /** How many snapshots are kept for empty devices, how large and for how long; see `snapshotLimits` for what is not given. */
  readonly snapshots?: Partial<SnapshotLimits>
  /**
   * For how many days deletions, outcomes and what left a scope are remembered: 90 when it is left out. A device that was away for longer
   * pulls everything anew, and asks its person about what it may have sent before. 1 to 36,500.
   */
  readonly retentionDays?: number
  readonly logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug'
  readonly system?: System
}

export interface Server {
  /** A web-standard handler: mount it anywhere, or give the server to `serve`. */
  fetch(request: Request): Promise<Response>
  /** Opens the store; the handler answers 503 before. */
  start(): Promise<void>
  /**
   * Takes a rescue file in, parsed from its JSON, as this user whose file it is: what `POST /rescue` does, for an operator's own
   * program. Throws EngineError for a file that is broken (MALFORMED, TOO_LARGE) or another user's (USER_MISMATCH): nothing has changed.
   */
  importRescue(file: unknown, owner: User): Promise<RescueReport>
  /** From now on `/readyz` answers 503, so that a load balancer sends nobody here, and streams of pokes end. Everything else goes on. */
  drain(): void
  /** What Prometheus reads: give it a port that the public does not reach. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>
  /**
   * Notes where the feed stands and removes what is older than the retention, in steps that let others through. The server does it every
   * hour by itself. What a run finds to be old, a later one removes.
   */
  maintain(): Promise<Pruned>
  /** Ends streams, waits for requests under way, closes the store. */
  close(): Promise<void>
  readonly store: ServerStore
  readonly limits: Limits
}

export function createServer<const S extends Schema>(options: ServerOptions<S>): Server {
  const { schema, authenticate, scopes } = options
  const system = options.system ?? nodeSystem
  const limits = limitsOf(options.limits)
  const store = options.store(schema)
  const admission = createAdmission(limits, system)
  const pokes = createPokeHub({ horizon: () => store.horizon(), broker: store.broker, system })
  const lastReports = createLastReports({ broker: store.broker })
  const log = pino({ level: options.logLevel ?? 'info', serializers: { err: shownError } })
  const committer = createCommitter({
    schema,
    store,
    system,
    onCommit: (commit) => pokes.announce(commit),
  })
  const snapshots = createSnapshots(
    { schema, store, system, report: (err) => log.error({ err }, 'a snapshot was not made') },
    { ...snapshotLimits, ...options.snapshots },
  )
  const retention = createRetention(
    {
      store,
      system,
      pruned: (pruned) => log.info(pruned, 'what is older than the retention was forgotten'),
      failed: (err) => log.error({ err }, 'what is older than the retention was not forgotten'),
    },
    options.retentionDays ?? retentionDaysDefault,
  )
  const ports = {
    schema,
    store,
    retentionMs: retention.ms,
    authenticate,
    scopes,
    rules: untyped(options.rules),
    pokes,
    committer,
    standings: createStandings(store, pokes.startOver),
    lastReports,
    readPage: admission.readPage,
    snapshots,
    system,
    log,
  }
  const metrics = createMetrics()
  const feed = watchFeed(store, system, feedAlarm(log))
  let isDraining = false
  const isReady = () => (isDraining ? Promise.resolve(false) : answers(feed.look(), system))
  const app = createApp(
    { ...ports, admission, metrics, isReady, rescue: options.rescue ?? (() => null) },
    { allowOrigins: options.allowOrigins ?? [], demo: options.demo ?? null },
  )
  const underWay = new Set<Promise<Response>>()
  let isClosing = false

  return {
    store,
    limits,
    fetch: (request) => {
      if (isClosing) {
        const stopping = new EngineError('OVERLOADED', 'The server is stopping.')
        return Promise.resolve(problemResponse(stopping, admission.retryAfterSeconds()))
      }
      const response = app.fetch(request)
      underWay.add(response)
      const done = () => void underWay.delete(response)
      response.then(done, done)
      return response
    },
    start: async () => {
      await store.open()
      retention.start()
    },
    maintain: retention.run,
    importRescue: async (file, owner) =>
      importRescue(ports, {
        file: parseRescueFile(file),
        owner: { user: owner, scopes: scopesOfUser(schema, await scopes(owner)) },
      }),
    drain: () => {
      isDraining = true
      app.closeStreams()
    },
    metrics: async () => {
      const state = await feed.look().catch(() => null)
      return { contentType: metrics.contentType, text: await metrics.text(state) }
    },
    close: async () => {
      isClosing = true
      isDraining = true
      feed.close()
      app.closeStreams()
      pokes.close()
      lastReports.close()
      await Promise.allSettled(underWay)
      await retention.close()
      await snapshots.close()
      await store.close()
    },
  }
}

function feedAlarm(log: Logger): FeedAlarm {
  return {
    stalled: (lagMs, holder) =>
      log.warn(
        { lagMs, holder },
        'the feed is stalled: it waits for an open transaction, and devices get at most a page of what was committed after it',
      ),
    moving: (lagMs) => log.info({ lagMs }, 'the feed moves again'),
  }
}

/** Whether it answers in time. */
function answers(asked: Promise<unknown>, system: System): Promise<boolean> {
  const answered = asked.then(
    () => true,
    () => false,
  )
  return Promise.race([answered, new Promise<boolean>((resolve) => system.after(readyMsMax, () => resolve(false)))])
}

const readyMsMax = 2_000

/** An error for the log: databases put values into details, so only what we know is shown. */
function shownError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error)
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...('code' in error ? { code: error.code } : {}),
    ...(error.cause === undefined ? {} : { cause: shownError(error.cause) }),
  }
}

/** The engine calls rules by name with rows of that collection: the types of the schema are for who writes them. */
function untyped<S extends Schema>(rules: Rules<S> | undefined): WriteRules {
  return (rules ?? {}) as WriteRules
}
