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
import { type DeviceId, EngineError, type Schema, type UserId, withSystemCollections } from '@holdfast/core'
import { nobody } from '../ports/broker.ts'
import type { DeviceReport, Fork, ServerStore, StoreFactory, StoreTransaction } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { nodeSystem } from '../system/node-system.ts'
import type { CurrentLife } from './lineage.ts'
import { moveQuestions } from './move-questions.ts'
import { createMutex, type Mutex } from './mutex.ts'
import { rescope, rescopedCollections, rescopeRowsMax, scopesKey, scopesNote } from './rescope.ts'
import { type Checkpoints, createCheckpoints, walBytesMin } from './sqlite-checkpoints.ts'
import { type Connection, openConnection } from './sqlite-connection.ts'
import { keepIdentity, meetIdentity, readLife, startLife } from './sqlite-lives.ts'
import { type DirectoryLock, lockDirectory } from './sqlite-lock.ts'
import { moveTables, noteTables } from './sqlite-migration.ts'
import { readPage } from './sqlite-page.ts'
import { dayBefore, forgetBefore, noteDay, prune, prunedDayOf } from './sqlite-retention.ts'
import { openSqliteShelf, type SqliteShelf } from './sqlite-snapshots.ts'
import { extendTables, sidecarOf } from './sqlite-tables.ts'
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
  readonly shelf: SqliteShelf
  readonly secret: string
}

function createSqliteStore(directory: string, schema: Schema, system: System): ServerStore {
  const writing = createMutex()
  const reading = createMutex()
  let state: OpenStore | null = null
  let place = 0
  let life: CurrentLife | null = null
  let prunedDay = 0

  const opened = (): OpenStore => {
    if (state === null) throw new EngineError('CLOSED', 'The store is not open.')
    return state
  }
  const currentLife = (): CurrentLife => {
    life ??= readLife(opened().writer)
    return life
  }
  /** A transaction of the store's own: it makes no commit of the feed. */
  const step = <T>(work: (writer: Connection) => T): Promise<T> =>
    writing.run(async () => {
      const { writer, checkpoints } = opened()
      const answer = await within(writer, 'begin immediate', async () => {
        const made = work(writer)
        writer.exec('commit')
        return made
      })
      checkpoints.committed()
      await system.breathe()
      return answer
    })

  return {
    open: async () => {
      if (state !== null) return
      state = await openStore(directory, schema, { system, restored: null })
      place = Number(state.writer.first(metaSql, ['place'])?.[0] ?? 0)
      life = null
      prunedDay = prunedDayOf(state.writer)
    },
    generation: () => {
      opened()
      return currentLife().generation
    },
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
      reading.run(async () =>
        opened()
          .reader.all(scopesSql, [])
          .map(([scope]) => String(scope)),
      ),

    horizon: async () => {
      opened()
      return place
    },

    standing: async () => {
      opened()
      return { ...currentLife(), horizon: place, prunedDay }
    },

    startGeneration: async ({ fork, after }) => {
      if (state === null) {
        const restored = await openStore(directory, schema, { system, restored: fork })
        const { generation } = readLife(restored.writer)
        await closeStore(restored)
        return generation
      }
      await step((writer) => {
        if (after !== null && after !== currentLife().generation) return
        startLife(writer, fork, system)
      })
      life = null
      return currentLife().generation
    },

    noteDay: async (day) => {
      await step((writer) => noteDay(writer, day))
      keepIdentity(opened().writer, directory)
    },

    dayBefore: async (noted) => dayBefore(opened().writer, noted),

    forgetBefore: async (day) => {
      if (day <= prunedDay) return
      await step((writer) => forgetBefore(writer, day))
      prunedDay = prunedDayOf(opened().writer)
    },

    prune: () => prune(schema, step),

    snapshots: () => opened().shelf,

    deviceReport: async (user, device) => readReport(opened().writer, user, device),

    health: async () => {
      opened().reader.first(metaSql, ['place'])
      return { horizon: place, head: place, holder: null, connections: null, retries: 0 }
    },

    close: () =>
      closeInOrder(writing, reading, async () => {
        const closing = state
        state = null
        if (closing === null) return
        try {
          keepIdentity(closing.writer, directory)
        } finally {
          await closeStore(closing)
        }
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

async function closeStore({ checkpoints, shelf, reader, writer, lock }: OpenStore): Promise<void> {
  await shelf.close()
  await checkpoints.close()
  reader.close()
  writer.close()
  lock.release()
}

interface Opening {
  readonly system: System
  /** What an operator has said of a database that was not served here; null: nothing. */
  readonly restored: Fork | null
}

async function openStore(directory: string, schema: Schema, opening: Opening): Promise<OpenStore> {
  mkdirSync(directory, { recursive: true })
  const lock = lockDirectory(directory)
  const file = path.join(directory, 'holdfast.db')
  let made: Connection | null = null
  try {
    const writer = openConnection(file, { readOnly: false })
    made = writer
    for (const pragma of writerPragmas) writer.exec(pragma)
    const secret = await prepare(writer, schema, { ...opening, directory })
    if (opening.restored !== null) keepIdentity(writer, directory)
    const openReader = () => {
      const reader = openConnection(file, { readOnly: true })
      for (const pragma of readerPragmas) reader.exec(pragma)
      return reader
    }
    const shelf = openSqliteShelf({
      file: path.join(directory, 'snapshots.db'),
      openReader,
      readPage: (reader, request) => readPage(reader, schema, request, opening.system, 'columns'),
    })
    return { lock, writer, reader: openReader(), checkpoints: createCheckpoints(file, writer), shelf, secret }
  } catch (error) {
    made?.close()
    lock.release()
    throw error
  }
}

/** Tables and identity in one transaction: a process that is killed while it makes a new database leaves an empty one. */
async function prepare(
  writer: Connection,
  schema: Schema,
  opening: Opening & { readonly directory: string },
): Promise<string> {
  const { system } = opening
  writer.exec('begin immediate')
  try {
    const moved = moveTables(writer, schema)
    extendTables(writer, schema)
    noteTables(writer, schema)
    writer.run(addMetaSql, ['secret', Buffer.from(system.randomBytes(32)).toString('base64url')])
    writer.run(addMetaSql, ['place', '0'])
    const place = Number(writer.first(metaSql, ['place'])?.[0]) + 1
    const tx = createTransaction(writer, schema, { system, place })
    await moveQuestions(tx, schema, moved)
    await rescopeRecords(writer, tx, schema)
    if (tx.wrote()) writer.run(setMetaSql, ['place', String(place)])
    meetIdentity(writer, opening)
    writer.exec('commit')
  } catch (error) {
    writer.rollback()
    throw error
  }
  return String(writer.first(metaSql, ['secret'])?.[0])
}

async function rescopeRecords(writer: Connection, tx: StoreTransaction, schema: Schema): Promise<void> {
  const note = scopesNote(schema)
  const noted = writer.first(metaSql, [scopesKey])?.[0]
  if (noted === note) return
  for (const name of rescopedCollections(schema, noted === undefined ? null : String(noted))) {
    const sql = `select id from ${sidecarOf(name)} where state = 'live' and id > ? order by id limit ?`
    for (let last: string | undefined = ''; last !== undefined; ) {
      const ids: readonly string[] = writer.all(sql, [last, rescopeRowsMax]).map(([id]) => String(id))
      await rescope(tx, schema, name, ids)
      last = ids.at(-1)
    }
  }
  writer.run(addMetaSql, [scopesKey, note])
  writer.run(setMetaSql, [scopesKey, note])
}

const writerPragmas = [
  'pragma journal_mode = wal',
  // Each commit is on the disk when it is answered.
  'pragma synchronous = full',
  // Small: the pages lie in the cache of the system as well, and memory of a burst is for what devices bring.
  'pragma cache_size = -16384',
  'pragma temp_store = memory',
  // See sqlite-checkpoints.ts.
  'pragma wal_autocheckpoint = 0',
  // An emptied WAL gives its room back, so that its size tells what is in it.
  `pragma journal_size_limit = ${walBytesMin}`,
]

const readerPragmas = ['pragma query_only = on', 'pragma cache_size = -8192', 'pragma temp_store = memory']

// From one scope to the next: it costs the scopes that there are, not the entries.
const scopesSql = `with recursive s(scope) as (
  select min(scope) from _feed
  union all select (select min(f.scope) from _feed f where f.scope > s.scope) from s where s.scope is not null
) select scope from s where scope is not null`
const metaSql = 'select value from _meta where key = ?'
const setMetaSql = 'update _meta set value = ?2 where key = ?1'
const reportSql = 'select pending, "seenAt" from _devices where user = ? and device = ?'
const addMetaSql = 'insert into _meta (key, value) values (?, ?) on conflict do nothing'
