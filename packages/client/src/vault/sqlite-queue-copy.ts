/** The second copy of the queue in a SQLite database of its own: Node. Keeps the laws of ports/queue-copy.ts. */
import { isObject } from '@holdfast/core'
import type { QueueCopy } from '../ports/queue-copy.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { parseKeptOperations, parseOwner } from './parse-kept.ts'
import { lastText, readTable, type Table } from './read-table.ts'
import { isCorrupt } from './watchful-driver.ts'

export interface SqliteQueueCopy extends QueueCopy {
  /** Leaves nothing of it that could be read. */
  wipe(): Promise<void>
}

/** @param driver belongs to the copy from now on. */
export function createSqliteQueueCopy(driver: SqliteDriver): SqliteQueueCopy {
  prepare(driver)
  return {
    async read() {
      const [owners, queue] = [readTable(driver, ownerTable), readTable(driver, queueTable)]
      for (const { error } of [owners, queue]) if (error !== null && !isCorrupt(error)) throw error
      const [found] = owners.rows
      const owner = found === undefined ? null : parseOwner({ user: found[1], device: found[2] })
      const operations = parseKeptOperations(
        queue.rows.map(([id, seq, text, refused]) => ({
          id,
          seq,
          text,
          refused: refused === null ? null : parsed(String(refused)),
        })),
      )
      const isWhole =
        owners.error === null &&
        queue.error === null &&
        (owner === null) === (found === undefined) &&
        operations.length === queue.rows.length
      return { owner, operations, isWhole }
    },
    async write({ owner, put, remove }) {
      const rows = put.map(({ id, seq, text, refused }) => [
        id,
        seq,
        text,
        refused === null ? null : JSON.stringify(refused),
      ])
      driver.exec('begin')
      try {
        driver.run(upsertOwner, [owner.user, owner.device])
        if (rows.length > 0) driver.run(upsertQueue, [JSON.stringify(rows)])
        if (remove.length > 0) driver.run(deleteQueue, [JSON.stringify(remove)])
        driver.exec('commit')
      } catch (error) {
        rollBack(driver)
        throw error
      }
    },
    async purge() {
      emptyWal(driver)
    },
    async wipe() {
      driver.exec('drop table if exists queue; drop table if exists owner; vacuum')
      emptyWal(driver)
      prepare(driver)
    },
    async close() {
      driver.close()
    },
  }
}

// A kill of the process loses nothing of it, a loss of power the last moments: the main database has those.
function prepare(driver: SqliteDriver): void {
  driver.exec(`pragma synchronous = normal;
    create table if not exists queue (
      id text primary key not null, seq integer not null, text text not null, refused text
    ) strict, without rowid;
    create table if not exists owner (one integer primary key check (one = 1), user text not null, device text not null) strict`)
  // What a killed process had removed and not purged.
  emptyWal(driver)
}

// Deleted rows are overwritten in the file (connection.ts); in the WAL their old pages stand until it is emptied.
function emptyWal(driver: SqliteDriver): void {
  driver.all('pragma wal_checkpoint(truncate)')
}

// The error that led here tells what happened; a broken file has rolled back by itself.
function rollBack(driver: SqliteDriver): void {
  try {
    driver.exec('rollback')
  } catch {}
}

function parsed(refused: string): unknown {
  try {
    const value: unknown = JSON.parse(refused)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

const ownerTable: Table = { sql: 'select one, user, device from owner where true', key: 'one', from: 0, to: 2 }
const queueTable: Table = {
  sql: 'select id, seq, text, refused from queue where true',
  key: 'id',
  from: '',
  to: lastText,
}
const upsertOwner = `insert into owner (one, user, device) values (1, ?, ?)
on conflict (one) do update set user = excluded.user, device = excluded.device`
const upsertQueue = `insert into queue (id, seq, text, refused)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each(?) where true
on conflict (id) do update set seq = excluded.seq, text = excluded.text, refused = excluded.refused`
const deleteQueue = 'delete from queue where id in (select value from json_each(?))'
