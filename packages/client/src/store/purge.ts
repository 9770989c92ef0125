/**
 * What left this device with the right to see it is gone from its files, and not only from its screens [I-23].
 *
 * PU1  With a record that left go, in the transaction that takes its row: its search entry, its confirmed row, and the values in the texts
 *      of its settled operations and beside them. Such an operation is `purged`: it is known still, with what became of it, and can be
 *      neither undone nor sent again. One that the server has acknowledged and that is not settled yet follows when it settles.
 *      A record that comes back before that is none that left; nor is one that a first sync brings on a later page. What lies in the inbox is a person's own work, and stays.
 * PU2  SQLite overwrites what is deleted (`secure_delete`, see connection.ts). Two places keep it for a while: the search index, which
 *      only marks entries as deleted, and the WAL. After the transaction the one is merged and the other emptied. That this is
 *      due stands in the database, so that a device that is killed in between does it when it is next opened. It is due as well when pages
 *      that were staged are dropped: what comes in their place may be without a record that they had.
 */
import { type CollectionChanges, isSystemCollection, type Operation, quoted, searchTable } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { StoreContext, Written } from './context.ts'
import { readMeta, writeMeta } from './meta.ts'

/** In no schema: records that left, while they have operations that are not settled. */
export const leftTable = `create table if not exists _left (
  collection text not null,
  record text not null,
  primary key (collection, record)
) strict, without rowid`

/** Told to listeners as a table that was written: what was deleted must not be readable in other files either. */
export const purgedMark = '_left'

/** Inside a transaction, page by page: notes which records left, and which of them have come back. */
export function noteLeft(
  { driver }: Pick<StoreContext, 'driver'>,
  { collection, rows, gone }: CollectionChanges,
  written: Written,
): void {
  if (rows.length > 0 && hasLeft(driver)) {
    driver.run(deleteBack, [collection, JSON.stringify(rows.map(([id]) => id))])
  }
  const left = gone.flatMap(({ record, why }) => (why === 'left' ? [record] : []))
  if (left.length === 0) return
  if (!isSystemCollection(collection)) driver.run(insertLeft, [collection, JSON.stringify(left)])
  noteDue(driver, written)
}

/** Inside a transaction: of an empty device, what has settled is about these records. Those of them that the first sync does not bring have left. */
export function noteAwaited(driver: SqliteDriver, about: readonly Pick<Operation, 'collection' | 'record'>[]): void {
  for (const [collection, of] of Map.groupBy(about, ({ collection }) => collection)) {
    driver.run(insertLeft, [collection, JSON.stringify(of.map(({ record }) => record))])
  }
}

/** Inside a transaction, when what has settled is settled: takes the values out of the operations of records that left. */
export function purgeOperations({ driver, meta }: Pick<StoreContext, 'driver' | 'meta'>, written: Written): void {
  if (meta.state.completeness !== 'complete' || !hasLeft(driver)) return
  if (driver.run(updateSettled) > 0) {
    driver.run(deleteBefore)
    noteDue(driver, written)
  }
  driver.run(deleteDone)
}

/** Outside of a transaction: makes what was deleted unreadable, if that is due [PU2]. */
export function wipeDeleted({ driver, schema, transaction }: StoreContext): void {
  if (readMeta(driver, dueKey) === null) return
  transaction(() => {
    for (const [name, { search }] of Object.entries(schema.collections)) {
      if (search.length > 0) driver.exec(mergeAll(name))
    }
  })
  const isBusy = driver.all('pragma wal_checkpoint(truncate)')[0]?.[0] !== 0
  if (!isBusy) transaction(() => driver.run(deleteDue, [dueKey]))
}

/** Grows whenever records have left. */
export function countLeaves(driver: SqliteDriver): number {
  return Number(readMeta(driver, countKey) ?? 0)
}

/** Inside a transaction: something was deleted that was never shown, so that nobody need be told. */
export function noteWipe(driver: SqliteDriver): void {
  writeMeta(driver, dueKey, '1')
}

function noteDue(driver: SqliteDriver, written: Written): void {
  noteWipe(driver)
  writeMeta(driver, countKey, String(countLeaves(driver) + 1))
  written.add(purgedMark)
}

function hasLeft(driver: SqliteDriver): boolean {
  return driver.all(selectAny).length > 0
}

function mergeAll(name: string): string {
  const table = quoted(searchTable(name))
  return `insert into ${table} (${table}) values ('optimize')`
}

const dueKey = 'wipe'
const countKey = 'leaves'

const selectAny = 'select 1 from _left limit 1'
const insertLeft = 'insert or ignore into _left (collection, record) select ?, value from json_each(?)'
const deleteBack = 'delete from _left where collection = ? and record in (select value from json_each(?))'
const deleteBefore = 'delete from _before where operation in (select id from _settled where purged = 1)'
const updateSettled = `update _settled set purged = 1,
operation = json_set(operation, '$.fields', json('{}'), '$.was', json('{}'))
where purged = 0 and (operation ->> 'collection', operation ->> 'record') in (select collection, record from _left)`
const deleteDone = `delete from _left where not exists (
  select 1 from _outbox as o where o.collection = _left.collection and o.record = _left.record
)`
const deleteDue = 'delete from _meta where key = ?'
