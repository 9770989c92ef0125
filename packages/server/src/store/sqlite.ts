/**
 * The embedded store: one SQLite database in a directory of its own, in the WAL with synchronous=FULL, for one server process.
 *
 *   transact ──► mutex ──► writer connection (begin immediate … commit: flushed to the disk)
 *   readPage ──► mutex ──► reader connection (one read transaction: one snapshot; never waits for the writer)
 *
 * Laws: see ports/server-store.ts. SS3 holds because one transaction runs at a time.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import {
  type DeviceId,
  EngineError,
  type Generation,
  parseGeneration,
  type Schema,
  type UserId,
  withSystemCollections,
} from '@holdfast/core'
import { nobody } from '../ports/broker.ts'
import type { DeviceReport, ServerStore, StoreFactory } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { nodeSystem } from '../system/node-system.ts'
import { createMutex, type Mutex } from './mutex.ts'
import { type Checkpoints, createCheckpoints, walBytesMin } from './sqlite-checkpoints.ts'
import { type Connection, openConnection } from './sqlite-connection.ts'
import { type DirectoryLock, lockDirectory } from './sqlite-lock.ts'
import { readPage } from './sqlite-page.ts'
import { extendTables } from './sqlite-tables.ts'
import { createTransaction } from './sqlite-transaction.ts'

/**
 * Keeps everything in `directory`, which is made if it is missing. A second process on the same directory is refused with
 * STORAGE_LOCKED.
 */
export function sqlite(directory: string, system: System = nodeSystem): StoreFactory {
  return (schema) => createSqliteStore(directory, withSystemCollections(schema), system)
}

interface OpenStore {
  readonly lock: DirectoryLock
  readonly writer: Connection
  readonly reader: Connection
  readonly checkpoints: Checkpoints
  readonly generation: Generation
  readonly secret: string
}

function createSqliteStore(directory: string, schema: Schema, system: System): ServerStore {
  const writing = createMutex()
  const reading = createMutex()
  let state: OpenStore | null = null
  let place = 0

  const opened = (): OpenStore => {
    if (state === null) throw new EngineError('CLOSED', 'The store is not open.')
    return state
  }

  return {
    open: async () => {
      if (state !== null) return
      state = openStore(directory, schema, system)
      place = Number(state.writer.first(metaSql, ['place'])?.[0] ?? 0)
    },
    generation: () => opened().generation,
    secret: () => opened().secret,
    broker: nobody,
    lanes: 1,

    transact: (work) =>
      writing.run(async () => {
        const { writer, checkpoints } = opened()
        const tx = createTransaction(writer, schema, { system, place: place + 1 })
        const result = await within(writer, 'begin immediate', async () => {
          const answer = await work(tx)
          if (tx.wrote()) writer.run(setMetaSql, ['place', String(tx.place)])
          writer.exec('commit')
          return answer
        })
        if (tx.wrote()) {
          place = tx.place
          checkpoints.committed()
        }
        return result
      }),

    readPage: (request) =>
      reading.run(() => {
        const { reader } = opened()
        return within(reader, 'begin', async () => {
          const page = await readPage(reader, schema, request, system)
          reader.exec('commit')
          return page
        })
      }),

    scopes: () =>
      reading.run(async () => opened().reader.all(scopesSql, []).map(([scope]) => String(scope))),

    horizon: async () => {
      opened()
      return place
    },

    deviceReport: async (user, device) => readReport(opened().writer, user, device),

    health: async () => {
      opened().reader.first(metaSql, ['place'])
      return { horizon: place, head: place, holder: null, connections: null, retries: 0 }
    },

    close: () =>
      closeInOrder(writing, reading, async () => {
        const closing = state
        state = null
        await closing?.checkpoints.close()
        closing?.reader.close()
        closing?.writer.close()
        closing?.lock.release()
      }),
  }
}

function readReport(connection: Connection, user: UserId, device: DeviceId): DeviceReport | null {
  const row = connection.first(reportSql, [user, device])
  return row === undefined ? null : { pending: Number(row[0]), atMs: Number(row[1]) }
}

/** Runs `work` in a transaction that `work` commits; whatever it throws, nothing stays open. */
async function within<T>(connection: Connection, begin: string, work: () => Promise<T>): Promise<T> {
  connection.exec(begin)
  try {
    return await work()
  } catch (error) {
    connection.rollback()
    throw error
  }
}

// What was begun is finished first.
function closeInOrder(writing: Mutex, reading: Mutex, close: () => Promise<void>): Promise<void> {
  return writing.run(() => reading.run(close))
}

function openStore(directory: string, schema: Schema, system: System): OpenStore {
  mkdirSync(directory, { recursive: true })
  const lock = lockDirectory(directory)
  const file = path.join(directory, 'holdfast.db')
  try {
    const writer = openConnection(file, { readOnly: false })
    for (const pragma of writerPragmas) writer.exec(pragma)
    const { generation, secret } = prepare(writer, schema, system)
    const reader = openConnection(file, { readOnly: true })
    for (const pragma of readerPragmas) reader.exec(pragma)
    return { lock, writer, reader, checkpoints: createCheckpoints(file, writer), generation, secret }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Tables and identity in one transaction: a process that is killed while it makes a new database leaves an empty one. */
function prepare(
  writer: Connection,
  schema: Schema,
  system: System,
): { readonly generation: Generation; readonly secret: string } {
  writer.exec('begin immediate')
  try {
    extendTables(writer, schema)
    writer.run(addMetaSql, ['generation', Buffer.from(system.randomBytes(6)).toString('hex')])
    writer.run(addMetaSql, ['secret', Buffer.from(system.randomBytes(32)).toString('base64url')])
    writer.run(addMetaSql, ['place', '0'])
    writer.exec('commit')
  } catch (error) {
    writer.rollback()
    throw error
  }
  return {
    generation: parseGeneration(writer.first(metaSql, ['generation'])?.[0]),
    secret: String(writer.first(metaSql, ['secret'])?.[0]),
  }
}

const writerPragmas = [
  'pragma journal_mode = wal',
  // Each commit is on the disk when it is answered.
  'pragma synchronous = full',
  'pragma cache_size = -65536',
  'pragma temp_store = memory',
  // See sqlite-checkpoints.ts.
  'pragma wal_autocheckpoint = 0',
  // An emptied WAL gives its room back, so that its size tells what is in it.
  `pragma journal_size_limit = ${walBytesMin}`,
]

const readerPragmas = ['pragma query_only = on', 'pragma cache_size = -32768', 'pragma temp_store = memory']

// From one scope to the next: it costs the scopes that there are, not the entries.
const scopesSql = `with recursive s(scope) as (
  select min(scope) from _feed
  union all select (select min(f.scope) from _feed f where f.scope > s.scope) from s where s.scope is not null
) select scope from s where scope is not null`
const metaSql = 'select value from _meta where key = ?'
const setMetaSql = 'update _meta set value = ?2 where key = ?1'
const reportSql = 'select pending, "seenAt" from _devices where user = ? and device = ?'
const addMetaSql = 'insert into _meta (key, value) values (?, ?) on conflict do nothing'
