/**
 * Snapshots of the embedded store: a database of its own beside the store's, which is made anew at each opening. It is nothing that a
 * backup should carry or a commit should wait for, and needs no durability (SH1). Laws: see ports/snapshot-shelf.ts.
 */
import { rmSync } from 'node:fs'
import { parseSnapshotId } from '@holdfast/core'
import type { Page, PageRequest } from '../ports/server-store.ts'
import type { PartEncoding, PressedSnapshot, SnapshotShelf } from '../ports/snapshot-shelf.ts'
import { pagesFrom } from './snapshot-pages.ts'
import { type Connection, openConnection } from './sqlite-connection.ts'

export interface SqliteShelf extends SnapshotShelf {
  /** Waits for what is being made. */
  close(): Promise<void>
}

export interface SqliteShelfParts {
  /** Where the shelf's own database lies; what is there is removed. */
  readonly file: string
  /** Opens another reader of the store: a making must not keep those waiting who pull. */
  readonly openReader: () => Connection
  readonly readPage: (reader: Connection, request: PageRequest) => Promise<Page>
}

export function openSqliteShelf({ file, openReader, readPage }: SqliteShelfParts): SqliteShelf {
  for (const suffix of ['', '-journal']) rmSync(`${file}${suffix}`, { force: true })
  const shelf = openConnection(file, { readOnly: false })
  for (const sql of tables) shelf.exec(sql)
  const makings = new Map<string, Promise<void>>()

  const insert = (key: string, { id, madeAtMs, rows, parts }: PressedSnapshot): void => {
    within(shelf, () => {
      shelf.run(insertSql, [id, key, madeAtMs, parts.length, rows])
      for (const [part, { encoding, bytes }] of parts.entries()) shelf.run(insertPartSql, [id, part, encoding, bytes])
    })
  }

  const read = async (
    { key, request }: Parameters<SnapshotShelf['make']>[0],
    press: Parameters<SnapshotShelf['make']>[1],
  ): Promise<void> => {
    const reader = openReader()
    try {
      reader.exec('begin')
      const pressed = await press(pagesFrom(request, (next) => readPage(reader, next)))
      if (pressed !== null) insert(key, pressed)
    } finally {
      reader.rollback()
      reader.close()
    }
  }

  return {
    newest: async (key, sinceMs) => {
      const row = shelf.first(newestSql, [key, sinceMs])
      if (row === undefined) return null
      return { id: parseSnapshotId(row[0]), parts: Number(row[1]), rows: Number(row[2]) }
    },

    part: async ({ id, key, part, sinceMs }, encoding) => {
      const row = shelf.first(partSql, [id, key, sinceMs, part, encoding])
      if (row === undefined) return null
      if (!(row[1] instanceof Uint8Array)) throw new Error('SQLite answers a blob as bytes.')
      return { encoding: String(row[0]) as PartEncoding, bytes: row[1] }
    },

    keep: async ({ id, key, part }, { encoding, bytes }) => {
      shelf.run(keepSql, [id, key, part, encoding, bytes])
    },

    make: async (plan, press) => {
      if (makings.has(plan.key)) return false
      const making = read(plan, press)
      makings.set(plan.key, making)
      try {
        await making
        return true
      } finally {
        makings.delete(plan.key)
      }
    },

    trim: async ({ sinceMs, snapshotsMax, bytesMax }) => {
      within(shelf, () => {
        shelf.run('delete from snapshots where "madeAt" < ?', [sinceMs])
        shelf.run(trimManySql, [snapshotsMax, bytesMax])
        shelf.run('delete from parts where snapshot not in (select id from snapshots)', [])
      })
    },

    close: async () => {
      await Promise.allSettled(makings.values())
      shelf.close()
    },
  }
}

function within(connection: Connection, work: () => void): void {
  connection.exec('begin')
  try {
    work()
    connection.exec('commit')
  } catch (error) {
    connection.rollback()
    throw error
  }
}

const tables = [
  'pragma journal_mode = memory',
  'pragma synchronous = off',
  // The room of what was trimmed is taken by what comes.
  'create table snapshots (id text primary key not null, key text not null, "madeAt" integer not null, parts integer not null, rows integer not null) strict',
  'create table parts (snapshot text not null, part integer not null, encoding text not null, bytes blob not null, primary key (snapshot, part, encoding)) strict',
]

const newestSql = `select id, parts, rows from snapshots where key = ? and "madeAt" >= ?
  order by "madeAt" desc, id limit 1`
const partSql = `select p.encoding, p.bytes from snapshots s join parts p on p.snapshot = s.id
  where s.id = ? and s.key = ? and s."madeAt" >= ? and p.part = ? order by p.encoding = ? desc limit 1`
const insertSql = 'insert into snapshots (id, key, "madeAt", parts, rows) values (?, ?, ?, ?, ?)'
const insertPartSql = 'insert into parts (snapshot, part, encoding, bytes) values (?, ?, ?, ?)'
const keepSql = `insert or ignore into parts (snapshot, part, encoding, bytes)
  select id, ?3, ?4, ?5 from snapshots where id = ?1 and key = ?2`
const trimManySql = `delete from snapshots where id in (select id from (
  select id, row_number() over w as n, sum(size) over w as bytes
  from (select s.*, (select coalesce(sum(length(bytes)), 0) from parts where snapshot = s.id) as size from snapshots s)
  window w as (order by "madeAt" desc, id rows unbounded preceding)
) where n > ? or bytes > ?)`
