/**
 * The store on Postgres 15 or newer: for production, with any number of server processes over one database. It needs no
 * superuser, no extension and no replication slot, and makes its tables in the connection's current schema. What one process
 * commits is at once what all of them answer, and they tell each other of it (postgres-broker.ts).
 *
 * Laws: see ports/server-store.ts. The place of a commit is its transaction id (xid8), the horizon what lies below every
 * transaction that is still open: ids are given when a transaction starts, so a later id may commit first, and nobody may pass
 * an open one.
 */
import { type DeviceId, EngineError, isOutdated, type Schema, type UserId, withSystemCollections } from '@holdfast/core'
import type { DeviceReport, ServerStore, StoreFactory, StoreTransaction } from '../ports/server-store.ts'
import type { SnapshotShelf } from '../ports/snapshot-shelf.ts'
import type { System } from '../ports/system.ts'
import { mergeWritten } from '../push/merge-written.ts'
import { nodeSystem } from '../system/node-system.ts'
import type { CurrentLife } from './lineage.ts'
import { moveQuestions } from './move-questions.ts'
import { createPostgresBroker } from './postgres-broker.ts'
import { StatementRefused } from './postgres-error.ts'
import { readFeedState } from './postgres-health.ts'
import { meetIdentity, readLife, readStanding, startLife } from './postgres-lives.ts'
import { moveTables, noteTables, readTablesVersion } from './postgres-migration.ts'
import { createPageReader } from './postgres-page.ts'
import { type RecordStatements, recordStatements } from './postgres-records.ts'
import { dayBefore, forgetBefore, noteDay, prune } from './postgres-retention.ts'
import { createSessions, type Session, type SessionOptions, type Sessions } from './postgres-sessions.ts'
import { createPostgresShelf } from './postgres-snapshots.ts'
import { extendTables, sidecarOf } from './postgres-tables.ts'
import { runPostgresTransaction } from './postgres-transaction.ts'
import { extendTriggers } from './postgres-triggers.ts'
import { createWholeReader } from './postgres-whole.ts'
import { afterWritten, readWritten, unlessWritten } from './postgres-written.ts'
import { rescope, rescopedCollections, rescopeRowsMax, scopesKey, scopesNote } from './rescope.ts'
import { sharedQuestion } from './shared-question.ts'

export interface PostgresOptions extends Partial<SessionOptions> {
  readonly system?: System
}

/** Keeps everything in the database of this URL (`postgres://user:password@host/database`). */
export function postgres(url: string, options: PostgresOptions = {}): StoreFactory {
  return (schema) => createPostgresStore(url, withSystemCollections(schema), options)
}

const defaults: SessionOptions = { connectionsMax: 10, connectMsMax: 5_000, statementMsMax: 30_000 }

/** While one waits for its commit to reach the disk, another works; a third one is in the way (docs/decisions/groups.md). */
const lanes = 2

interface OpenStore {
  readonly sessions: Sessions
  readonly shelf: SnapshotShelf
  /** As it was found last: another process may have started another one. */
  life: CurrentLife
  readonly secret: string
}

function createPostgresStore(url: string, schema: Schema, options: PostgresOptions): ServerStore {
  const system = options.system ?? nodeSystem
  const readPage = createPageReader(schema)
  const whole = createWholeReader(schema)
  const readWhole: typeof whole = async function* (session, request) {
    await unlessWritten(session, schema.version, async () => {})
    yield* whole(session, request)
  }
  const statements = new Map(
    Object.entries(schema.collections).map(([name, collection]) => [
      name,
      recordStatements(name, collection, schema.version),
    ]),
  )
  const statementsOf = (name: string) => {
    const known = statements.get(name)
    if (known === undefined) throw new EngineError('UNKNOWN_COLLECTION', `The schema has no collection "${name}".`)
    return known
  }
  const broker = createPostgresBroker(url, system)
  let state: OpenStore | null = null

  /** A newer server may have taken away a column that this one reads: that is no fault of what was sent [FM3]. */
  const unlessOutdated = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      const isMissing = error instanceof StatementRefused && missing.has(error.code)
      if (!isMissing || !isOutdated(schema, await opened().sessions.read(readTablesVersion))) throw error
      throw outdated()
    }
  }

  const catchUp = async (): Promise<void> => {
    let isDone = false
    while (!isDone) {
      isDone = await opened().sessions.write(async (session, place) => {
        const written = await readWritten(session, schema.version)
        if (written === null) return true
        const ports = { session, schema, statements: statementsOf, isCaughtUp: false }
        await runPostgresTransaction(ports, place, (tx) =>
          mergeWritten(tx, { schema, nowMs: system.nowMs() }, written.noted, written.take),
        )
        return false
      })
    }
  }

  const opened = (): OpenStore => {
    if (state === null) throw new EngineError('CLOSED', 'The store is not open.')
    return state
  }

  return {
    open: async () => {
      if (state !== null) return
      const sessions = createSessions(url, { ...defaults, ...options })
      try {
        const opening = { system, restored: null }
        state = {
          sessions,
          shelf: createPostgresShelf(
            { ...sessions, read: (work) => afterWritten(() => sessions.read(work), catchUp) },
            readWhole,
          ),
          ...(await sessions.write((session, place) =>
            prepare(session, { schema, statements: statementsOf }, { ...opening, place }),
          )),
        }
      } catch (error) {
        await sessions.close()
        throw error
      }
      await broker.open()
    },
    generation: () => opened().life.generation,
    secret: () => opened().secret,
    broker,
    lanes,

    transact: async (work, lockMsMax) =>
      unlessOutdated(() => {
        const ports = { schema, statements: statementsOf, isCaughtUp: true }
        const attempt = () =>
          opened().sessions.write(
            (session, place) => runPostgresTransaction({ ...ports, session }, place, work),
            lockMsMax,
          )
        return afterWritten(attempt, catchUp)
      }),

    readPage: async (request) =>
      unlessOutdated(() => {
        const attempt = () =>
          opened().sessions.read((session) => unlessWritten(session, schema.version, () => readPage(session, request)))
        return afterWritten(attempt, catchUp)
      }),

    scopes: async () => {
      const rows = await opened().sessions.look((session) => session.all(scopesSql))
      return rows.map(([scope]) => String(scope))
    },

    horizon: async () => {
      const [row] = await opened().sessions.look((session) => session.all(horizonSql))
      return Number(row?.[0])
    },

    standing: sharedQuestion(async () => {
      const store = opened()
      const ask = () => store.sessions.look(readStanding)
      let found = await ask()
      if (found.isElsewhere) {
        await store.sessions.write((session, place) =>
          startGeneration(session, {
            place,
            system,
            fork: 'head',
            isDue: async (session) => (await readStanding(session)).isElsewhere,
          }),
        )
        found = await ask()
      }
      if (found.generation !== store.life.generation) store.life = await store.sessions.read(readLife)
      return { ...store.life, horizon: found.horizon, prunedDay: found.prunedDay }
    }),

    startGeneration: async ({ fork, after }) => {
      if (state === null) {
        const sessions = createSessions(url, { ...defaults, ...options })
        try {
          const opening = { system, restored: fork }
          const { life } = await sessions.write((session, place) =>
            prepare(session, { schema, statements: statementsOf }, { ...opening, place }),
          )
          return life.generation
        } finally {
          await sessions.close()
        }
      }
      const store = opened()
      const isDue = async (session: Session) => after === null || (await readLife(session)).generation === after
      await store.sessions.write((session, place) => startGeneration(session, { place, system, fork, isDue }))
      store.life = await store.sessions.read(readLife)
      return store.life.generation
    },

    noteDay: async (day) => opened().sessions.write((session) => noteDay(session, day)),
    dayBefore: async (noted) => opened().sessions.look((session) => dayBefore(session, noted)),
    forgetBefore: async (day) => opened().sessions.write((session) => forgetBefore(session, day)),
    prune: () => prune(schema, (work) => opened().sessions.write(work)),

    snapshots: () => opened().shelf,

    deviceReport: async (user, device) => opened().sessions.look((session) => readReport(session, user, device)),

    health: async () => {
      const { sessions } = opened()
      const load = sessions.load()
      const feed = await sessions.read(async (session) => {
        // Not ready any more: whoever looks at this sends nobody here.
        if (isOutdated(schema, await readTablesVersion(session))) throw outdated()
        return readFeedState(session)
      })
      return { ...feed, ...load }
    },

    close: async () => {
      const { sessions } = opened()
      state = null
      await broker.close()
      await sessions.close()
    },
  }
}

/** undefined_column, undefined_table */
const missing: ReadonlySet<string> = new Set(['42703', '42P01'])

function outdated(): EngineError {
  return new EngineError(
    'OVERLOADED',
    'The database was migrated by a newer server, which is to take the place of this one.',
  )
}

async function readReport(session: Session, user: UserId, device: DeviceId): Promise<DeviceReport | null> {
  const [row] = await session.all(reportSql, [user, device])
  return row === undefined ? null : { pending: Number(row[0]), atMs: Number(row[1]) }
}

/** Under a lock, so that several servers may start at once; it is no table's lock, and those that run notice nothing. */
async function prepare(
  session: Session,
  { schema, statements }: { readonly schema: Schema; readonly statements: (name: string) => RecordStatements },
  opening: Parameters<typeof meetIdentity>[1],
): Promise<Pick<OpenStore, 'life' | 'secret'>> {
  await lockStart(session)
  const moved = await moveTables(session, schema)
  await extendTables(session, schema)
  await extendTriggers(session, schema)
  await noteTables(session, schema)
  await runPostgresTransaction({ session, schema, statements, isCaughtUp: false }, opening.place, async (tx) => {
    await moveQuestions(tx, schema, moved)
    await rescopeRecords(session, tx, schema)
  })
  await meetIdentity(session, opening)
  const fresh = Buffer.from(opening.system.randomBytes(32)).toString('base64url')
  await session.all(metaInsertSql, ['secret', fresh])
  const meta = new Map((await session.all(metaSql)).map(([key, value]) => [key, String(value)]))
  return { life: await readLife(session), secret: meta.get('secret') ?? fresh }
}

async function rescopeRecords(session: Session, tx: StoreTransaction, schema: Schema): Promise<void> {
  const note = scopesNote(schema)
  const [noted] = await session.all('select value from _meta where key = $1', [scopesKey])
  if (noted?.[0] === note) return
  for (const name of rescopedCollections(schema, noted === undefined ? null : String(noted[0]))) {
    const sql = `select id from ${sidecarOf(name)} where state = 'live' and id > $1 order by id limit $2`
    for (let last: string | undefined = ''; last !== undefined; ) {
      const ids: readonly string[] = (await session.all(sql, [last, rescopeRowsMax])).map(([id]) => String(id))
      await rescope(tx, schema, name, ids)
      last = ids.at(-1)
    }
  }
  await session.all(metaSetSql, [scopesKey, note])
}

/** In place of a life that another process may have ended meanwhile. */
async function startGeneration(
  session: Session,
  { isDue, ...life }: Parameters<typeof startLife>[1] & { readonly isDue: (session: Session) => Promise<boolean> },
): Promise<void> {
  await lockStart(session)
  if (await isDue(session)) await startLife(session, life)
}

async function lockStart(session: Session): Promise<void> {
  await session.all('set local statement_timeout = 0') // An index of a large table takes its time.
  await session.all('set local lock_timeout = 0')
  await session.all('select pg_advisory_xact_lock($1)', [startLock])
}

/** Any number that no other program takes: "holdfast" in letters of a telephone, cut to what JavaScript can say. */
const startLock = 46_533_278

// From one scope to the next: it costs the scopes that there are, not the entries.
const scopesSql = `with recursive s(scope) as (
  (select scope from _feed order by scope limit 1)
  union all select (select f.scope from _feed f where f.scope > s.scope order by f.scope limit 1) from s where s.scope is not null
) select scope from s where scope is not null`
const metaInsertSql = 'insert into _meta (key, value) values ($1, $2) on conflict (key) do nothing'
const metaSetSql =
  'insert into _meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value'
const metaSql = 'select key, value from _meta'
const reportSql = 'select pending, "seenAt" from _devices where "user" = $1 and device = $2'
const horizonSql = 'select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1'
