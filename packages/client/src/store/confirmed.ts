/**
 * The last row that the server sent, kept beside the shown one for as long as the record has unsettled operations; null when
 * the server has no such record on this device. A confirmed row never goes back to a lower version.
 */
import type { RecordId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'

export interface ConfirmedRow {
  readonly version: number
  /** Column values by name as JSON; see `rowText`. */
  readonly row: string | null
}

/** Keeps the row of a record that was clean; answers false when the record had unsettled operations already. */
export function keepConfirmed(driver: SqliteDriver, collection: string, record: RecordId, row: ConfirmedRow): boolean {
  return driver.run(insertConfirmed, [collection, record, row.version, row.row]) > 0
}

export function readConfirmed(driver: SqliteDriver, collection: string, record: RecordId): ConfirmedRow | null {
  const row = driver.all(selectConfirmed, [collection, record])[0]
  return row === undefined ? null : { version: Number(row[0]), row: row[1] === null ? null : String(row[1]) }
}

/** The records of a collection that have unsettled operations. */
export function dirtyRecords(driver: SqliteDriver, collection: string): ReadonlySet<RecordId> {
  return new Set(driver.all(selectRecords, [collection]).map(([record]) => String(record)))
}

/** Takes what the server sent about records that have unsettled operations; lower versions are ignored. */
export function moveConfirmed(
  driver: SqliteDriver,
  collection: string,
  rows: readonly (readonly [record: RecordId, version: number, row: string | null])[],
): void {
  if (rows.length > 0) driver.run(upsertConfirmed, [collection, JSON.stringify(rows)])
}

export function forgetConfirmed(driver: SqliteDriver, collection: string, records: string): void {
  driver.run(deleteConfirmed, [collection, records])
}

const insertConfirmed = `insert into _confirmed (collection, record, version, "row") values (?, ?, ?, ?)
on conflict do nothing`
const selectConfirmed = 'select version, "row" from _confirmed where collection = ? and record = ?'
const selectRecords = 'select record from _confirmed where collection = ?'
const upsertConfirmed = `insert into _confirmed (collection, record, version, "row")
select ?, value ->> 0, value ->> 1, value ->> 2 from json_each(?) where true
on conflict (collection, record) do update set version = excluded.version, "row" = excluded."row"
where excluded.version >= _confirmed.version`
const deleteConfirmed = 'delete from _confirmed where collection = ? and record in (select value from json_each(?))'
