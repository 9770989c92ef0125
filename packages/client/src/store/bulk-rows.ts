/**
 * Many rows of one collection in few statements: what the server sent goes into the table as one JSON text (an array of
 * arrays), and what has settled goes there from `_confirmed`. SQLite takes the values apart, so that no value of a page passes
 * through JavaScript one by one.
 *
 * BR1  A row never replaces one of a higher version [I-13].
 * BR2  A value that its column cannot hold never stops a page: that page is written again with such values coerced, and reported.
 */
import {
  type Collection,
  type CollectionChanges,
  deviceColumns,
  documentColumn,
  EngineError,
  type Field,
  type GoneRecord,
  type Json,
  quoted,
  type RecordId,
  searchTable,
  searchText,
  sharedFields,
} from '@holdfast/core'
import type { SqliteDriver, SqliteValue } from '../ports/sqlite-driver.ts'
import { coerce, missingValue, toColumn } from './column-values.ts'

/** The function of SQL that folds a record's text; see `searchText`. */
export const searchFunction = 'search_text'

export interface BulkRows {
  /** Writes rows of records without unsettled operations. */
  upsert(columns: readonly string[], rows: CollectionChanges['rows']): void
  /**
   * Of these rows those that are not here as they are, but for their version: the others take theirs, where that counts as 0. It
   * leaves their indexes and their search alone.
   */
  takeSame(columns: readonly string[], rows: CollectionChanges['rows']): CollectionChanges['rows']
  /** Removes records without unsettled operations. */
  remove(gone: readonly GoneRecord[]): void
  /** The confirmed rows of these records become the shown ones. */
  showConfirmed(records: readonly RecordId[]): void
  /** Marks the clean rows among these. */
  markRefused(records: readonly RecordId[]): void
  /** Nothing of them lies in the inbox any more. */
  unmarkRefused(records: readonly RecordId[]): void
  /** A pulled row as `_confirmed` holds it. */
  rowText(columns: readonly string[], row: readonly Json[]): string
  /** Makes the search entries of all rows anew. */
  indexAll(): void
}

/** Of one JSON text that is bound: SQLite takes it apart in memory. */
const textLengthMax = 4_000_000

export function createBulkRows(
  driver: SqliteDriver,
  name: string,
  collection: Collection,
  report: (problem: unknown) => void,
): BulkRows {
  const sql = bulkSql(name, collection)
  const upsertByColumns = new Map<string, string>()
  const hasSearch = collection.search.length > 0
  const documents = sharedFields(collection).map(documentColumn)

  function upsert(columns: readonly string[], rows: CollectionChanges['rows']): void {
    if (rows.length === 0) return
    const text = JSON.stringify(rows)
    if (text.length > textLengthMax && rows.length > 1) {
      const middle = rows.length >> 1
      upsert(columns, rows.slice(0, middle))
      upsert(columns, rows.slice(middle))
      return
    }
    const last = hasSearch ? lastRowid() : 0
    upsertText(columns, rows, text)
    if (hasSearch) index(columns, rows, text, last)
  }

  // New rows get the next rowids in order: their texts need not be read back, which is half of the work of a first sync.
  function index(columns: readonly string[], rows: CollectionChanges['rows'], text: string, last: number): void {
    const texts = lastRowid() === last + rows.length ? textsOf(columns, rows) : null
    if (texts === null) driver.run(sql.indexPage, [text])
    else driver.run(sql.indexNew, [last + 1, JSON.stringify(texts)])
  }

  /** The rows' search texts; null unless every search field of every row is text. */
  function textsOf(columns: readonly string[], rows: CollectionChanges['rows']): readonly string[] | null {
    const places = collection.search.map((field) => columns.indexOf(field))
    const texts: string[] = []
    for (const row of rows) {
      const values: string[] = []
      for (const place of places) {
        const value = row[place]
        if (typeof value === 'string') values.push(value)
        else if (value !== null) return null
      }
      texts.push(searchText(values))
    }
    return texts
  }

  function lastRowid(): number {
    return Number(driver.all(sql.lastRowid)[0]?.[0] ?? 0)
  }

  function upsertText(columns: readonly string[], rows: CollectionChanges['rows'], text: string): void {
    const key = columns.join()
    const statement = upsertByColumns.get(key) ?? upsertSql(name, collection, columns)
    upsertByColumns.set(key, statement)
    try {
      driver.run(statement, [text])
    } catch (error) {
      if (error instanceof EngineError) throw error
      report(error) // A value that a strict column refuses. The statement has had no effect.
      driver.run(statement, [JSON.stringify(rows.map((row) => row.map((value, i) => held(columns[i], value))))])
    }
  }

  /** The value as JSON that the column surely holds. */
  function held(column: string | undefined, value: Json): Json {
    const field = column === undefined ? undefined : collection.fields[column]
    if (field === undefined) return value
    const { isBroken, value: coerced } = coerce(field, value)
    return isBroken ? coerced : value
  }

  function rowText(columns: readonly string[], row: readonly Json[]): string {
    const values: Record<string, SqliteValue> = {}
    for (const [field, rule] of Object.entries(collection.fields)) values[field] = toColumn(rule, missingValue(rule))
    for (const document of documents) values[document] = null
    columns.forEach((column, i) => {
      const field = collection.fields[column]
      const value = row[i] ?? null
      if (field !== undefined) values[column] = coerce(field, value).value
      else if (column === 'createdAt' || column === 'updatedAt') values[column] = Number(value)
      else if (documents.includes(column)) values[column] = typeof value === 'string' ? value : null
    })
    return JSON.stringify(values)
  }

  function takeSame(columns: readonly string[], rows: CollectionChanges['rows']): CollectionChanges['rows'] {
    if (rows.length === 0) return rows
    const text = JSON.stringify(rows)
    if (text.length > textLengthMax && rows.length > 1) {
      const middle = rows.length >> 1
      return [...takeSame(columns, rows.slice(0, middle)), ...takeSame(columns, rows.slice(middle))]
    }
    driver.run(takeSameSql(name, collection, columns), [name, text])
    const other = new Set(driver.all(sql.selectOther, [text]).map(([index]) => Number(index)))
    return rows.filter((_, index) => other.has(index))
  }

  function remove(gone: readonly GoneRecord[]): void {
    if (gone.length === 0) return
    const list = JSON.stringify(gone.map(({ record, version }) => [record, version]))
    if (hasSearch) driver.run(sql.unindexGone, [list])
    driver.run(sql.removeGone, [list])
  }

  function showConfirmed(records: readonly RecordId[]): void {
    if (records.length === 0) return
    const list = JSON.stringify(records)
    if (hasSearch) driver.run(sql.unindexAbsent, [name, list])
    driver.run(sql.removeAbsent, [name, list])
    const reindexed = hasSearch ? driver.all(sql.selectOtherText, [list, name]).map(([record]) => record) : []
    driver.run(sql.upsertConfirmed, [name, list])
    if (reindexed.length > 0) driver.run(sql.indexRecords, [JSON.stringify(reindexed)])
  }

  return {
    upsert,
    takeSame,
    remove,
    showConfirmed,
    rowText,
    markRefused: (records) => {
      if (records.length > 0) driver.run(sql.markRefused, [JSON.stringify(records)])
    },
    unmarkRefused: (records) => {
      if (records.length > 0) driver.run(sql.unmarkRefused, [JSON.stringify(records)])
    },
    indexAll: () => {
      if (hasSearch) driver.run(sql.indexAll)
    },
  }
}

function bulkSql(name: string, collection: Collection) {
  const table = quoted(name)
  const search = quoted(searchTable(name))
  const columns = deviceColumns(collection)
  const text = `${searchFunction}(concat_ws(' ', ${['null', ...collection.search.map((field) => `l.${quoted(field)}`)].join(', ')}))`
  const confirmed = columns.map((column) => confirmedColumn(column))
  const otherText = collection.search.map((field) => `l.${quoted(field)} is not c."row" ->> '${field}'`)
  const absent = `select l.rowid from _confirmed as c join ${table} as l on l.id = c.record
where c.collection = ? and c.record in (select value from json_each(?)) and c."row" is null`
  const gone = `select l.rowid from json_each(?) as j cross join ${table} as l on l.id = j.value ->> 0
where l."$version" <= j.value ->> 1`
  return {
    indexPage: `insert or replace into ${search} (rowid, text)
select l.rowid, ${text} from json_each(?) as j cross join ${table} as l on l.id = j.value ->> 0`,
    indexNew: `insert into ${search} (rowid, text) select ? + key, value from json_each(?)`,
    lastRowid: `select max(rowid) from ${table}`,
    indexRecords: `insert or replace into ${search} (rowid, text)
select l.rowid, ${text} from json_each(?) as j cross join ${table} as l on l.id = j.value`,
    indexAll: `insert or replace into ${search} (rowid, text) select l.rowid, ${text} from ${table} as l`,
    unindexGone: `delete from ${search} where rowid in (${gone})`,
    removeGone: `delete from ${table} where rowid in (${gone})`,
    unindexAbsent: `delete from ${search} where rowid in (${absent})`,
    removeAbsent: `delete from ${table} where rowid in (${absent})`,
    selectOtherText: `select c.record from json_each(?) as j
cross join _confirmed as c on c.collection = ? and c.record = j.value
left join ${table} as l on l.id = c.record
where c."row" is not null and (${['l.id is null', ...otherText].join(' or ')})`,
    selectOther: `select j.key from json_each(?) as j
where not exists (select 1 from ${table} as l where l.id = j.value ->> 0 and l."$version" = j.value ->> 1)`,
    upsertConfirmed: `insert into ${table} (${columns.map(quoted).join(', ')})
select ${confirmed.join(', ')} from _confirmed as c
where c.collection = ? and c.record in (select value from json_each(?)) and c."row" is not null
on conflict (id) do update set ${assignExcluded(columns)}`,
    markRefused: `update ${table} set "$sync" = 'refused'
where id in (select value from json_each(?)) and "$sync" = 'synced'`,
    unmarkRefused: `update ${table} set "$sync" = 'synced'
where id in (select value from json_each(?)) and "$sync" = 'refused'`,
  }
}

function confirmedColumn(column: string): string {
  switch (column) {
    case 'id':
      return 'c.record'
    case '$version':
      return 'c.version'
    case '$sync':
      return `'synced'`
    case '$pending':
      return 'null'
    default:
      return `c."row" ->> '${column}'`
  }
}

// Columns that the device does not know are left out; fields that the page does not have get what a new record would.
function upsertSql(name: string, collection: Collection, given: readonly string[]): string {
  const columns = deviceColumns(collection)
  const values = columns.map((column) => {
    if (column === '$sync') return `'synced'`
    if (column === '$pending') return 'null'
    return columnValue(collection, column, given)
  })
  return `insert into ${quoted(name)} (${columns.map(quoted).join(', ')}) select ${values.join(', ')} from json_each(?) as j where true
on conflict (id) do update set ${assignExcluded(columns)} where excluded."$version" >= ${quoted(name)}."$version"`
}

/** The value of a column in a row `j` of the page, in SQL. */
function columnValue(collection: Collection, column: string, given: readonly string[]): string {
  const index = given.indexOf(column)
  const field = collection.fields[column]
  if (field === undefined) return index < 0 ? 'null' : `j.value ->> ${index}`
  return index < 0 ? literal(toColumn(field, missingValue(field))) : fieldValue(field, index)
}

// Of a record with unsettled operations what is shown says nothing of what the server has.
function takeSameSql(name: string, collection: Collection, given: readonly string[]): string {
  const compared = deviceColumns(collection).filter(
    (column) => !['id', '$version', '$sync', '$pending'].includes(column),
  )
  const isSame = compared.map((column) => `l.${quoted(column)} is ${columnValue(collection, column, given)}`)
  return `update ${quoted(name)} as l set "$version" = j.value ->> 1 from json_each(?2) as j
where l.id = j.value ->> 0 and l."$version" = 0 and ${isSame.join(' and ')}
and not exists (select 1 from _confirmed as c where c.collection = ?1 and c.record = l.id)`
}

// `->>` makes 1 and 0 of true and false and text of objects; `->` keeps JSON as it came: canonical.
function fieldValue(field: Field, index: number): string {
  return field.rule.kind === 'json' || field.rule.kind === 'set'
    ? `nullif(j.value -> ${index}, 'null')`
    : `j.value ->> ${index}`
}

function literal(value: SqliteValue): string {
  if (value === null) return 'null'
  return typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`
}

/** `a = excluded.a, …` for all columns but the id. */
export function assignExcluded(columns: readonly string[]): string {
  return columns
    .filter((column) => column !== 'id')
    .map((column) => `${quoted(column)} = excluded.${quoted(column)}`)
    .join(', ')
}
