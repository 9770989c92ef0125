/**
 * The table of one collection: its SQL, made once, and the reading and writing of single shown rows. A row is shown, so it is
 * fold(unsettled operations, confirmed row); what is confirmed lies beside it only while the record has unsettled operations.
 */
import {
  type Collection,
  deviceColumns,
  documentColumn,
  quoted,
  type RecordId,
  type RecordSync,
  type RecordValues,
  searchTable,
  searchText,
  sharedFields,
} from '@holdfast/core'
import type { SqliteDriver, SqliteValue } from '../ports/sqlite-driver.ts'
import { assignExcluded, type BulkRows, createBulkRows } from './bulk-rows.ts'
import { fieldColumn, parseRowText } from './column-values.ts'

/** A row as a write needs it. */
export interface ShownRow {
  readonly rowid: number
  /** Version of the confirmed row; 0: the server has said nothing. */
  readonly version: number
  readonly sync: RecordSync
  /** Names of the fields that wait, sorted. */
  readonly pending: readonly string[]
  readonly values: RecordValues
  /** The row as `_confirmed` holds it. */
  readonly text: string
}

export interface RecordTable {
  readonly name: string
  readonly collection: Collection
  read(record: RecordId): ShownRow | null
  /** Inserts or replaces the whole row of a record with unsettled operations, or with conflicts of this device. */
  put(
    record: RecordId,
    version: number,
    values: RecordValues,
    pending: readonly string[],
    sync?: 'pending' | 'conflict',
  ): void
  /** Changes some fields of an existing row, which is thereby pending. */
  change(record: RecordId, row: ShownRow, values: RecordValues, changed: readonly string[]): void
  remove(record: RecordId): void
  readonly bulk: BulkRows
}

export function createRecordTable(
  driver: SqliteDriver,
  name: string,
  collection: Collection,
  report: (problem: unknown) => void,
): RecordTable {
  const fields = Object.entries(collection.fields)
  const shared = sharedFields(collection)
  const sql = tableSql(name, collection)
  const hasSearch = collection.search.length > 0

  function read(record: RecordId): ShownRow | null {
    const row = driver.all(sql.read, [record])[0]
    if (row === undefined) return null
    const [rowid, version, sync, pending, text] = row
    return {
      rowid: Number(rowid),
      version: Number(version),
      sync: parseSync(sync),
      pending: pending === null || pending === undefined ? [] : parseNames(String(pending)),
      values: parseRowText(collection, String(text)),
      text: String(text),
    }
  }

  const put: RecordTable['put'] = (record, version, values, pending, sync = 'pending') => {
    driver.run(sql.put, [
      record,
      version,
      values.createdAt,
      values.updatedAt,
      ...fields.map(([field, rule]) => fieldColumn(values, field, rule)),
      ...shared.map((field) => values.documents?.[field] ?? null),
      sync,
      namesText(pending),
    ])
    if (hasSearch) driver.run(sql.indexByRecord, [searchTextOf(values), record])
  }

  function change(record: RecordId, row: ShownRow, values: RecordValues, changed: readonly string[]): void {
    const assigned: SqliteValue[] = []
    let setters = ''
    for (const field of changed) {
      const rule = collection.fields[field]
      if (rule === undefined) continue
      setters += `${quoted(field)} = ?, `
      assigned.push(fieldColumn(values, field, rule))
      if (rule.rule.kind !== 'shared') continue
      setters += `${quoted(documentColumn(field))} = ?, `
      assigned.push(values.documents?.[field] ?? null)
    }
    const pending = namesText([...row.pending, ...changed])
    driver.run(
      `update ${quoted(name)} set ${setters}"updatedAt" = ?, "$sync" = 'pending', "$pending" = ? where id = ?`,
      [...assigned, values.updatedAt, pending, record],
    )
    if (changed.some((field) => collection.search.includes(field))) {
      driver.run(sql.index, [row.rowid, searchTextOf(values)])
    }
  }

  function remove(record: RecordId): void {
    if (hasSearch) driver.run(sql.unindex, [record])
    driver.run(sql.remove, [record])
  }

  function searchTextOf(values: RecordValues): string {
    return searchText(
      collection.search.map((field) => {
        const rule = collection.fields[field]
        const value = rule === undefined ? null : fieldColumn(values, field, rule)
        return value === null ? null : String(value)
      }),
    )
  }

  return { name, collection, read, put, change, remove, bulk: createBulkRows(driver, name, collection, report) }
}

/** The `$pending` of a row: JSON of the sorted names, or null when none waits. */
export function namesText(names: readonly string[]): string | null {
  return names.length === 0 ? null : JSON.stringify([...new Set(names)].sort())
}

function parseNames(text: string): readonly string[] {
  const names: unknown = JSON.parse(text)
  return Array.isArray(names) ? names.map(String) : []
}

/** What a confirmed row is kept without. */
const engineColumns = new Set(['id', '$version', '$sync', '$pending'])

function parseSync(value: SqliteValue | undefined): RecordSync {
  return value === 'pending' || value === 'refused' || value === 'conflict' ? value : 'synced'
}

function tableSql(name: string, collection: Collection) {
  const table = quoted(name)
  const columns = deviceColumns(collection)
  const rowColumns = columns.filter((column) => !engineColumns.has(column))
  const search = quoted(searchTable(name))
  return {
    read: `select rowid, "$version", "$sync", "$pending", json_object(${rowColumns.map((column) => `'${column}', ${quoted(column)}`).join(', ')})
from ${table} where id = ?`,
    put: `insert into ${table} (${columns.map(quoted).join(', ')}) values (${columns.map(() => '?').join(', ')})
on conflict (id) do update set ${assignExcluded(columns)}`,
    remove: `delete from ${table} where id = ?`,
    index: `insert or replace into ${search} (rowid, text) values (?, ?)`,
    indexByRecord: `insert or replace into ${search} (text, rowid) select ?, rowid from ${table} where id = ?`,
    unindex: `delete from ${search} where rowid = (select rowid from ${table} where id = ?)`,
  }
}
