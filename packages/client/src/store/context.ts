/**
 * What the modules of the store share: the connection, the schema's tables, the store's own state, and transactions.
 *
 * A transaction that fails leaves database and memory as they were. Listeners hear of a commit after it, never inside.
 */
import { assert, type DeviceId, type Schema, type UserId } from '@holdfast/core'
import type { Ambient } from '../ports/ambient.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { DeviceTime } from './device-clock.ts'
import type { Meta } from './meta.ts'
import type { OutboxRoom } from './outbox-room.ts'
import type { RecordTable } from './record-table.ts'

/** The tables that a transaction has written so far; who writes adds. */
export type Written = Set<string>

/** Records whose shown row has to be made anew, by collection. */
export type Touched = Map<string, Set<string>>

export interface StoreContext {
  readonly driver: SqliteDriver
  readonly schema: Schema
  readonly user: UserId
  readonly device: DeviceId
  readonly ambient: Ambient
  readonly meta: Meta
  readonly time: DeviceTime
  readonly tables: ReadonlyMap<string, RecordTable>
  readonly transaction: Transaction
  readonly room: OutboxRoom
  /** Told of what is wrong and stops nothing: a row that breaks the schema, a listener that throws. */
  readonly report: (problem: unknown) => void
}

export type Transaction = <T>(work: (written: Written) => T) => T

export function createTransaction(
  driver: SqliteDriver,
  meta: Meta,
  committed: (written: ReadonlySet<string>) => void,
): Transaction {
  let isOpen = false

  function run<T>(work: (written: Written) => T, written: Written): T {
    const restore = meta.remember()
    isOpen = true
    try {
      driver.exec('begin')
      const answer = work(written)
      driver.exec('commit')
      return answer
    } catch (error) {
      restore()
      rollBack(driver)
      throw error
    } finally {
      isOpen = false
    }
  }

  return (work) => {
    assert(!isOpen, 'a transaction of the store does not nest')
    const written: Written = new Set()
    const answer = run(work, written)
    if (written.size > 0) committed(written)
    return answer
  }
}

export function touch(touched: Touched, collection: string, record: string): void {
  const records = touched.get(collection)
  if (records === undefined) touched.set(collection, new Set([record]))
  else records.add(record)
}

// The error that led here tells what happened; a connection that is gone has rolled back by itself.
function rollBack(driver: SqliteDriver): void {
  try {
    driver.exec('rollback')
  } catch {}
}
