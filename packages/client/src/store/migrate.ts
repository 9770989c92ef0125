/**
 * Opens the database for a schema: moves the fields that a migration names (move-fields.ts) and makes what is missing, in one transaction.
 * Otherwise a schema only grows: a collection or a field that it has no more stays in the file, so that a step back loses nothing.
 *
 * What was pulled under a schema without a collection or a field lacks its values. A schema that has more than the one that
 * pulled last therefore pulls everything again, from no cursor; meanwhile all that is here stays shown. This holds as well after
 * an older version of the app was at work in between.
 */
import {
  type Collection,
  currentNames,
  type DeviceId,
  declaredTable,
  deviceColumn,
  deviceTables,
  documentColumn,
  EngineError,
  type Field,
  isObject,
  isOutdated,
  notedVersion,
  parseDeviceId,
  parseTablesVersion,
  quoted,
  type Schema,
  searchTable,
  tablesKey,
  UsageError,
  type UserId,
} from '@holdfast/core'
import type { Random } from '../ports/ambient.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createBulkRows } from './bulk-rows.ts'
import { missingValue, toColumn } from './column-values.ts'
import { deletionsTable } from './deletions.ts'
import { dropOtherIndexes, makeIndexes, searchTablesOf } from './indexes.ts'
import { readMeta, writeMeta } from './meta.ts'
import { moveFields } from './move-fields.ts'
import { leftTable, noteWipe } from './purge.ts'

/** Answers the device's id, made when the database is. */
export function migrate(
  driver: SqliteDriver,
  schema: Schema,
  user: UserId,
  random: Random,
  report: (problem: unknown) => void,
): DeviceId {
  const isNew = driver.all(selectMetaTable).length === 0
  if (!isNew) refuseOtherUser(driver, user)
  const signature = signatureOf(schema)
  if (isNew || readMeta(driver, 'tables') !== signature || isOfAnother(driver, schema))
    inTransaction(driver, () => makeTables(driver, schema, signature, report))
  if (isNew || readMeta(driver, 'device') === null) {
    inTransaction(driver, () => {
      writeMeta(driver, 'user', user)
      writeMeta(driver, 'device', random.uuid())
    })
  }
  return parseDeviceId(readMeta(driver, 'device'))
}

/** Whether the tables are of another version of the schema. */
function isOfAnother(driver: SqliteDriver, schema: Schema): boolean {
  const found = parseTablesVersion(readMeta(driver, tablesKey))
  return isOutdated(schema, found) || notedVersion(schema, found) !== null
}

function makeTables(driver: SqliteDriver, schema: Schema, signature: string, report: (problem: unknown) => void): void {
  const before = new Set(driver.all(selectTables).map(([name]) => String(name)))
  if (before.has('_meta')) meetVersion(driver, schema, report)
  const declared = [...deviceTables(schema).tables, deletionsTable, leftTable]
  for (const sql of declared) addEngineColumns(driver, schema, before, sql)
  for (const sql of declared) driver.exec(sql)
  for (const [name, collection] of Object.entries(schema.collections)) {
    if (before.has(name)) addFields(driver, name, collection)
  }
  dropOtherIndexes(driver, schema)
  // A first sync that is under way makes its indexes at its end.
  if (readMeta(driver, 'completeness') !== '"partial"') makeIndexes({ driver, schema })
  makeSearch(driver, schema)
  writeMeta(driver, 'fields', JSON.stringify(fieldsOf(schema)))
  writeMeta(driver, 'tables', signature)
  const noted = notedVersion(schema, parseTablesVersion(readMeta(driver, tablesKey)))
  if (noted !== null) writeMeta(driver, tablesKey, noted)
}

function meetVersion(driver: SqliteDriver, schema: Schema, report: (problem: unknown) => void): void {
  const { isMoved, isLess } = moveFields(driver, schema, report)
  // A snapshot that is being loaded has the form of before.
  if (isMoved) writeMeta(driver, 'snapshot', 'null')
  if (isMoved) writeMeta(driver, refoldKey, '1')
  if (isLess || hasMore(schema, pulledFields(driver))) pullAnew(driver)
}

/** Whether what is shown has to be folded anew, since fields have moved; it stands in the database until that is done. */
export function isRefoldDue(driver: SqliteDriver): boolean {
  return readMeta(driver, refoldKey) !== null
}

/** In the transaction that has done it. */
export function refoldDone(driver: SqliteDriver): void {
  driver.run('delete from _meta where key = ?', [refoldKey])
}

const refoldKey = 'refold'

/** Names of fields by collection. */
type FieldNames = { readonly [collection: string]: readonly string[] }

function fieldsOf(schema: Schema): FieldNames {
  const entries = Object.entries(schema.collections)
  return Object.fromEntries(entries.map(([name, { fields }]) => [name, Object.keys(fields)]))
}

/** What the schema had that pulled last; in a file that does not say so, the columns that are there. */
function pulledFields(driver: SqliteDriver): ReadonlyMap<string, readonly unknown[]> {
  const text = readMeta(driver, 'fields')
  const names: unknown = text === null ? null : JSON.parse(text)
  if (isObject(names)) {
    return new Map(Object.entries(names).map(([name, fields]) => [name, Array.isArray(fields) ? fields : []]))
  }
  const columns = driver.all(selectColumns).map(([table, column]) => ({ table: String(table), column }))
  return new Map(
    [...Map.groupBy(columns, ({ table }) => table)].map(([table, of]) => [table, of.map(({ column }) => column)]),
  )
}

function hasMore(schema: Schema, pulled: ReadonlyMap<string, readonly unknown[]>): boolean {
  return Object.entries(fieldsOf(schema)).some(([name, fields]) => {
    const before = pulled.get(name)?.flatMap((field) => currentNames(schema, name, String(field)))
    return before === undefined || fields.some((field) => !before.includes(field))
  })
}

/** Rows of equal versions are taken, and what does not come any more goes. */
function pullAnew(driver: SqliteDriver): void {
  if (driver.run('delete from _staged') > 0) noteWipe(driver)
  writeMeta(driver, 'cursor', 'null')
  writeMeta(driver, 'stagedCursor', 'null')
  writeMeta(driver, 'snapshot', 'null')
  // The server may have forgotten what has gone since this device was here last.
  const completeness = readMeta(driver, 'completeness')
  if (completeness !== null && completeness !== '"empty"') writeMeta(driver, 'differing', 'true')
}

function addFields(driver: SqliteDriver, name: string, collection: Collection): void {
  const existing = new Map(driver.all(`select name, type from pragma_table_info('${name}')`).map(([n, t]) => [n, t]))
  for (const [fieldName, field] of Object.entries(collection.fields)) {
    const definition = deviceColumn(fieldName, field)
    const type = existing.get(fieldName)
    if (type === undefined) addField(driver, name, fieldName, field)
    else if (!definition.toLowerCase().endsWith(` ${String(type).toLowerCase()}`)) {
      throw new UsageError(
        `Field "${name}.${fieldName}" is stored as ${type} on this device; a field's type cannot change. Add a field of another name.`,
      )
    }
  }
}

/**
 * The columns of the engine that a file of another version lacks: added where a row can do without a value; else nothing is touched, and
 * the file stays as it is for the version that made it.
 */
function addEngineColumns(driver: SqliteDriver, schema: Schema, before: ReadonlySet<string>, sql: string): void {
  const table = declaredTable(sql)
  if (table === null || !before.has(table.name)) return
  const present = new Set(driver.all(`select name from pragma_table_info('${table.name}')`).map(([name]) => name))
  const fields = new Set(columnsOfFields(schema.collections[table.name]))
  for (const { name, definition, isAddable } of table.columns) {
    if (present.has(name) || fields.has(name)) continue
    if (!isAddable) {
      throw new UsageError(
        `The database of this device has no column ${table.name}.${name}, which this version of the app needs: another version has made it. Nothing was changed. Open it with the version that made it, let it sync and sign out there.`,
      )
    }
    driver.exec(`alter table ${quoted(table.name)} add column ${definition}`)
  }
}

/** The columns of a collection's fields, which are added with their values. */
function columnsOfFields(collection: Collection | undefined): readonly string[] {
  return Object.keys(collection?.fields ?? {}).flatMap((name) => [name, documentColumn(name)])
}

function addField(driver: SqliteDriver, name: string, fieldName: string, field: Field): void {
  driver.exec(`alter table ${quoted(name)} add column ${deviceColumn(fieldName, field)}`)
  if (field.rule.kind === 'shared') {
    driver.exec(`alter table ${quoted(name)} add column ${quoted(documentColumn(fieldName))} text`)
  }
  const value = toColumn(field, missingValue(field))
  if (value === null) return
  driver.run(`update ${quoted(name)} set ${quoted(fieldName)} = ?`, [value])
  driver.run(
    `update _confirmed set "row" = json_set("row", '$.${fieldName}', ?) where collection = ? and "row" is not null`,
    [value, name],
  )
}

/** Search tables keep no text of their own; they are made anew when a collection is searched in other fields. */
function makeSearch(driver: SqliteDriver, schema: Schema): void {
  const before = readMeta(driver, 'search')
  const indexed: unknown = before === null ? {} : JSON.parse(before)
  const fieldsBefore = new Map(Object.entries(indexed ?? {}).map(([name, fields]) => [name, JSON.stringify(fields)]))
  const creating = new Map(searchTablesOf(schema).map(({ name, sql }) => [name, sql]))
  for (const [name, collection] of Object.entries(schema.collections)) {
    if (fieldsBefore.get(name) === JSON.stringify(collection.search)) continue
    driver.exec(`drop table if exists ${quoted(searchTable(name))}`)
    const sql = creating.get(searchTable(name))
    if (sql === undefined) continue
    driver.exec(sql)
    createBulkRows(driver, name, collection, () => {}).indexAll()
  }
  const wanted = Object.entries(schema.collections).map(([name, { search }]) => [name, search])
  writeMeta(driver, 'search', JSON.stringify(Object.fromEntries(wanted)))
}

function refuseOtherUser(driver: SqliteDriver, user: UserId): void {
  const owner = readMeta(driver, 'user')
  if (owner === null || owner === user) return
  throw new EngineError('USER_MISMATCH', 'this database belongs to another user.')
}

function inTransaction(driver: SqliteDriver, work: () => void): void {
  driver.exec('begin')
  try {
    work()
    driver.exec('commit')
  } catch (error) {
    driver.exec('rollback')
    throw error
  }
}

function signatureOf(schema: Schema): string {
  const { tables, indexes } = deviceTables(schema)
  const fields = Object.values(schema.collections).map(({ search }) => search)
  return JSON.stringify([tables, indexes, fields, deletionsTable, leftTable])
}

/** Whether there is a database at all. */
export const selectMetaTable = `select 1 from sqlite_master where name = '_meta'`
const selectTables = `select name from sqlite_master where type = 'table'`
const selectColumns = `select m.name, c.name from sqlite_master as m, pragma_table_info(m.name) as c where m.type = 'table'`
