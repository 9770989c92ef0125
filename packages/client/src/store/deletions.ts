/**
 * Deletions by others that were pulled: the version of each, so that a restore can name what it restores. The newest ones only: what
 * is older is restored where it is known.
 */
import type { GoneRecord, RecordId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'

/** In no schema: a table of the device alone. */
export const deletionsTable = `create table if not exists _deleted (
  place integer primary key not null,
  collection text not null,
  record text not null,
  version integer not null,
  unique (collection, record)
) strict`

export const deletionsMax = 10_000

export function rememberDeletions(driver: SqliteDriver, collection: string, gone: readonly GoneRecord[]): void {
  const deleted = gone.flatMap(({ record, version, why }) => (why === 'deleted' ? [[record, version]] : []))
  if (deleted.length === 0) return
  driver.run(insertDeleted, [collection, JSON.stringify(deleted)])
  driver.run(deleteBeyondCount, [deletionsMax])
}

/** 0: not known. */
export function deletedVersion(driver: SqliteDriver, collection: string, record: RecordId): number {
  return Number(driver.all(selectVersion, [collection, record])[0]?.[0] ?? 0)
}

const insertDeleted = `insert or replace into _deleted (collection, record, version)
select ?, value ->> 0, value ->> 1 from json_each(?)`
const deleteBeyondCount = 'delete from _deleted where place <= (select max(place) from _deleted) - ?'
const selectVersion = 'select version from _deleted where collection = ? and record = ?'
