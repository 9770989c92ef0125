/**
 * Connections to Postgres and transactions on them. Statements are sent without waiting for the answer of the one before
 * (`pipeline`): a transaction costs its `begin` no round trip.
 *
 * PC1  A connection goes back to the pool without an open transaction, or with its end on the way, or is closed.
 * PC2  A transaction that was to write ends before its promise resolves; its commit is on disk, whatever the cluster's default.
 * PC3  What Postgres does for us has an end: statements, locks and idle transactions have a time limit.
 * PC4  Of several statements in flight, what the first one failed with is what all that follow it fail with: whether a transaction is
 *      run again does not hang on whose answer is read first.
 */
import { EngineError } from '@holdfast/core'
import pg from 'pg'
import { connectError, engineError, isRetryable, isSequel } from './postgres-error.ts'

export type SqlRow = readonly unknown[]

/** One transaction's connection. */
export interface Session {
  /** All rows, as arrays: half the time of objects. */
  all(sql: string, parameters?: readonly SqlParameter[]): Promise<readonly SqlRow[]>
}

export type SqlParameter = string | number | Uint8Array | readonly string[] | readonly number[]

export interface Sessions {
  /**
   * READ COMMITTED, with the transaction's id. Work that met a deadlock or a serialization failure is run again from the start, at most 5 times.
   * @param lockMsMax how long it waits for a lock, at most half the time of a statement, so that the lock is what it fails for; as long as for a
   *     statement when it is left out.
   */
  write<T>(work: (session: Session, place: number) => Promise<T>, lockMsMax?: number): Promise<T>
  /** One snapshot, read-only. */
  read<T>(work: (session: Session) => Promise<T>): Promise<T>
  /** For work of a single statement that only reads: no transaction around it, one round trip. */
  look<T>(work: (session: Session) => Promise<T>): Promise<T>
  load(): SessionLoad
  close(): Promise<void>
}

export interface SessionLoad {
  readonly connections: { readonly busy: number; readonly idle: number; readonly waiting: number }
  /** Transactions that were run again. */
  readonly retries: number
}

export interface SessionOptions {
  /** Connections at most; the store has one more, for announcements (postgres-broker.ts). */
  readonly connectionsMax: number
  /** How long a transaction may wait for a connection. */
  readonly connectMsMax: number
  readonly statementMsMax: number
}

/** Thrown by work to say: another transaction was faster, run me again. */
export const outrun = new Error('Another transaction has made the same record.')

export function createSessions(url: string, options: SessionOptions): Sessions {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connectionsMax,
    connectionTimeoutMillis: options.connectMsMax,
    statement_timeout: options.statementMsMax,
    lock_timeout: options.statementMsMax,
    idle_in_transaction_session_timeout: idleMsMax,
    application_name: 'holdfast',
    keepAlive: true,
    pipeline: true,
    types: numbers,
    onConnect: settle,
  })
  pool.on('error', ignore) // An idle connection broke: the pool drops it, the next transaction opens another.
  let closed = false
  let retries = 0

  const connect = async (): Promise<pg.PoolClient> => {
    if (closed) throw new EngineError('CLOSED', 'The store is closed.')
    try {
      const client = await pool.connect()
      client.on('error', ignore) // It breaks between two statements: the next one says so.
      return client
    } catch (error) {
      throw connectError(error)
    }
  }

  const run = async <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await connect()
    const release = (broken: boolean) => {
      client.off('error', ignore)
      client.release(broken)
    }
    try {
      const result = await work(client)
      release(false)
      return result
    } catch (error) {
      await client.query('rollback').then(
        () => release(false),
        () => release(true),
      )
      throw error
    }
  }

  return {
    write: async (work, lockMsMax) => {
      const { statementMsMax } = options
      const waitMsMax = lockMsMax === undefined ? statementMsMax : Math.min(lockMsMax, Math.ceil(statementMsMax / 2))
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await run((client) => writing(client, work, waitMsMax))
        } catch (error) {
          const again = error === outrun || isRetryable(error)
          if (again && attempt < attemptsMax) {
            retries += 1
            continue
          }
          throw error === outrun ? new EngineError('OVERLOADED', 'Too many writers at one record.') : engineError(error)
        }
      }
    },
    read: async (work) => {
      try {
        return await run((client) => reading(client, work))
      } catch (error) {
        throw engineError(error)
      }
    },
    look: async (work) => {
      try {
        return await run((client) => work(sessionOn(client)))
      } catch (error) {
        throw engineError(error)
      }
    },
    load: () => {
      const { totalCount, idleCount, waitingCount } = pool
      return { connections: { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount }, retries }
    },
    close: async () => {
      if (closed) return
      closed = true
      await pool.end()
    },
  }
}

/** The first run included. */
const attemptsMax = 6

/** An open transaction holds the horizon of every device, so work that does not go on is ended. */
const idleMsMax = 10_000

const int8 = 20
const numbers = new pg.TypeOverrides()
numbers.setTypeParser(int8, Number)

async function writing<T>(
  client: pg.PoolClient,
  work: (session: Session, place: number) => Promise<T>,
  lockMsMax: number,
): Promise<T> {
  const session = sessionOn(client)
  // Answered before the work starts: a statement whose `begin` failed would be a transaction of its own.
  const [, [row]] = await Promise.all([
    client.query('begin isolation level read committed read write'),
    // By the second, the triggers that keep the feed for other programs know that this one does so itself.
    session.all(beginSql, [String(lockMsMax)]),
  ])
  const result = await work(session, Number(row?.[0]))
  const { command } = await client.query('commit')
  // Postgres answers a commit after an error, which the work may have kept to itself, with a rollback and no error.
  if (command !== 'COMMIT')
    throw new EngineError('SERVER_ERROR', 'A transaction went on after one of its statements failed.')
  return result
}

// What triggers file within it has numbers far behind those of the server's own entries: postgres-transaction.ts counts from 1.
const beginSql = `select pg_current_xact_id()::text::bigint, set_config('holdfast.origin', 'server', true),
  set_config('lock_timeout', $1, true), set_config('holdfast.seq', '1099511627776', true)`

async function reading<T>(client: pg.PoolClient, work: (session: Session) => Promise<T>): Promise<T> {
  const begun = client.query('begin isolation level repeatable read read only')
  const [result] = await Promise.all([work(sessionOn(client)), begun])
  // Not waited for: whoever has the connection next is behind it, and there is nothing that could fail but the connection.
  client.query('commit').catch(ignore)
  return result
}

function sessionOn(client: pg.PoolClient): Session {
  let first: unknown
  return {
    all: async (text, parameters = []) => {
      const statement = { text, values: [...parameters], rowMode: 'array' } as const
      const isKept = parameters.length > 0 || text.startsWith('select')
      const name = isKept ? nameOf(text) : null
      try {
        return (await client.query<unknown[]>(name === null ? statement : { ...statement, name })).rows
      } catch (error) {
        first ??= error
        throw isSequel(error) ? first : error
      }
    },
  }
}

/**
 * The name under which a connection keeps a statement prepared: to parse and plan the statements of a round takes longer than to run
 * them. Null: there are so many texts that somebody makes them up.
 */
function nameOf(text: string): string | null {
  const known = names.get(text)
  if (known !== undefined) return known
  if (names.size >= namesMax) return null
  const name = `holdfast_${names.size}`
  names.set(text, name)
  return name
}

const names = new Map<string, string>()
const namesMax = 500

function settle(client: pg.ClientBase): Promise<unknown> {
  return client.query(settingsSql)
}

// PC2. And no JIT: it costs more than any of our statements. Every statement is meant to walk an index: on a feed that has
// just grown, without fresh statistics, Postgres would rather read and sort all of it (measured: 27 ms for 3). So one plan does for
// all parameters: left to itself, Postgres plans a page anew each time, which takes longer than reading it (1.1 ms for 0.36).
const settingsSql = `
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
  select set_config(name, 'off', false) from unnest(array['jit', 'enable_bitmapscan', 'enable_seqscan']) as name;
  select set_config('plan_cache_mode', 'force_generic_plan', false)`

function ignore(): void {}
