/**
 * A device's tables that stand at an earlier version of the schema, inside the transaction that opens them: rows, confirmed rows, pages
 * that wait, conflicts, decisions, and what an undo goes back to. Operations are texts that never change: they are up-cast when they are read.
 *
 * DM1  [L-5] All or nothing: a device that is killed meanwhile has what it had, and does it when it is opened next.
 * DM2  What is here equals what the server has made of the same, by the same functions, so that nothing is pulled for it. Where a newer server
 *      brought rows down for this device, and what it has lost by that is not known, everything is pulled again; meanwhile it is shown.
 * DM3  An app that is older than the migrations of a database does not touch it.
 */
import {
  canonicalJson,
  changesUp,
  conflictsCollection,
  decisionsCollection,
  deviceColumn,
  documentColumn,
  EngineError,
  type Field,
  isLossless,
  isObject,
  isOutdated,
  type Json,
  type JsonObject,
  MigrationFault,
  movedRow,
  movesBetween,
  parseTablesVersion,
  partId,
  questionsUp,
  quoted,
  type Schema,
  systemCollections,
  type TableMoves,
  tableMoves,
  tablesKey,
  upFields,
} from '@holdfast/core'
import type { SqliteDriver, SqliteValue } from '../ports/sqlite-driver.ts'
import { coerce, fromColumn, missingValue, toColumn } from './column-values.ts'
import { dropOtherIndexes } from './indexes.ts'
import { readMeta, writeMeta } from './meta.ts'
import { changeStaged } from './staged.ts'
import { readSystemRows, type SystemCollection } from './system-rows.ts'

export interface FieldsMoved {
  /** Rows that are folded have to be made anew. */
  readonly isMoved: boolean
  /** What is here may be less than what the server has. */
  readonly isLess: boolean
}

/** UPGRADE_REQUIRED when a newer version of the app has moved the fields of this database; then nothing is touched. */
export function moveFields(driver: SqliteDriver, schema: Schema, report: (problem: unknown) => void): FieldsMoved {
  const found = parseTablesVersion(readMeta(driver, tablesKey))
  if (isOutdated(schema, found)) throw olderApp
  const columns = columnsByTable(driver)
  const tables = tableMoves(schema, found.version, (name) => columns.get(name))
  if (tables.length === 0) return { isMoved: false, isLess: false }
  const faults: MigrationFault[] = []
  const moving: Moving = { driver, schema, from: found.version, fault: (fault) => faults.push(fault) }
  dropOtherIndexes(driver, schema)
  for (const table of tables) {
    moveColumns(moving, table)
    moveConfirmed(moving, table)
  }
  for (const name of [conflictsCollection, decisionsCollection] as const) moveQuestions(moving, name, tables)
  moveBefore(moving)
  moveStaged(moving)
  if (faults[0] !== undefined) report(faults[0])
  const served = Number(readMeta(driver, servedKey) ?? 0)
  driver.run('delete from _meta where key = ?', [servedKey])
  const isLess = faults.length > 0 || (served > found.version && !isLossless(schema, found.version, schema.version))
  return { isMoved: true, isLess }
}

/** Notes that a newer server has brought rows down to this app's version. */
export function noteServer(driver: SqliteDriver, schema: Schema, version: number | null): void {
  if (version === null || version <= schema.version || readMeta(driver, servedKey) === String(version)) return
  writeMeta(driver, servedKey, String(version))
}

const servedKey = 'served'

const olderApp = new EngineError(
  'UPGRADE_REQUIRED',
  'A newer version of the app has moved the data on this device. Nothing was changed; load the newer version again.',
)

interface Moving {
  readonly driver: SqliteDriver
  readonly schema: Schema
  readonly from: number
  /** Told of values that a migration could not take; their fields are empty until they are pulled again. */
  readonly fault: (fault: MigrationFault) => void
}

/** Rows that are read, made and written at a time. */
const rowsMax = 2_000

function moveColumns(moving: Moving, table: TableMoves): void {
  const { driver } = moving
  const { collection, renames, sources, targets } = table
  const name = quoted(collection)
  const present = columnsByTable(driver).get(collection)
  for (const { from, to } of renames) {
    driver.exec(`alter table ${name} rename column ${quoted(from)} to ${quoted(to)}`)
    if (present?.has(documentColumn(from)) !== true) continue
    driver.exec(`alter table ${name} rename column ${quoted(documentColumn(from))} to ${quoted(documentColumn(to))}`)
  }
  if (sources.length === 0) return
  for (const { name: target, field } of targets) {
    driver.exec(`alter table ${name} add column ${deviceColumn(target, field)}`)
  }
  const select = `select rowid, ${sources.map(({ name: source }) => quoted(source)).join(', ')} from ${name}
    where rowid > ? order by rowid limit ${rowsMax}`
  const set = targets.map(({ name: target }, index) => `${quoted(target)} = j.value ->> ${index + 1}`)
  const update = `update ${name} as r set ${set.join(', ')} from json_each(?) as j where r.rowid = j.value ->> 0`
  for (let last = 0; ; ) {
    const rows = driver.all(select, [last])
    const moved = rows.map(([rowid, ...values]) => [Number(rowid), ...movedColumns(moving, table, values)])
    if (moved.length > 0) driver.run(update, [JSON.stringify(moved)])
    if (rows.length < rowsMax) break
    last = Number(rows.at(-1)?.[0])
  }
  for (const { name: source } of sources) driver.exec(`alter table ${name} drop column ${quoted(source)}`)
}

/** The columns of `targets` from those of `sources`. */
function movedColumns(
  { schema, from, fault }: Moving,
  table: TableMoves,
  values: readonly SqliteValue[],
): readonly SqliteValue[] {
  const column = (field: Field, value: Json) => coerce(field, value).value
  try {
    const given = table.sources.map(({ field }, index) => fromColumn(field, values[index] ?? null))
    const moved = movedRow(schema, from, table, given)
    return table.targets.map(({ field }, index) => column(field, moved[index] ?? null))
  } catch (error) {
    if (!(error instanceof MigrationFault)) throw error
    fault(error)
    return table.targets.map(({ field }) => column(field, missingValue(field)))
  }
}

function moveConfirmed(moving: Moving, table: TableMoves): void {
  const { driver } = moving
  const { collection, renames, sources, targets } = table
  const rows = driver.all('select record, "row" from _confirmed where collection = ? and "row" is not null', [
    collection,
  ])
  const moved = rows.map(([record, text]) => {
    const row: Record<string, SqliteValue> = JSON.parse(String(text))
    const move = (from: string, to: string) => {
      const value = row[from]
      if (value === undefined) return
      delete row[from]
      row[to] = value
    }
    for (const { from, to } of renames) {
      move(from, to)
      move(documentColumn(from), documentColumn(to))
    }
    if (sources.length > 0) {
      const next = movedColumns(
        moving,
        table,
        sources.map(({ name }) => row[name] ?? null),
      )
      for (const { name } of sources) delete row[name]
      for (const [index, { name }] of targets.entries()) row[name] = next[index] ?? null
    }
    return [record ?? null, JSON.stringify(row)]
  })
  if (moved.length === 0) return
  driver.run(
    `update _confirmed as c set "row" = j.value ->> 1 from json_each(?) as j
     where c.collection = ? and c.record = j.value ->> 0`,
    [JSON.stringify(moved), collection],
  )
}

/** As on the server, with the same ids: what a split makes more is here before it comes from there. */
function moveQuestions(
  { driver, schema, from, fault }: Moving,
  name: SystemCollection,
  tables: readonly TableMoves[],
): void {
  const { fields } = systemCollections[name]
  const columns = Object.keys(fields)
  const names = JSON.stringify(tables.map(({ collection }) => collection))
  const rows = readSystemRows(driver, name, 'where c.collection in (select value from json_each(?))', [names])
  const moved = rows.flatMap(({ id, fields: old }) => {
    try {
      const moves = movesBetween(schema, String(old.collection), from, schema.version)
      return questionsUp(moves, old).map((next, index) => ({ id, next, part: partId(id, index), isNew: index > 0 }))
    } catch (error) {
      if (!(error instanceof MigrationFault)) throw error
      fault(error)
      return []
    }
  })
  if (moved.length === 0) return
  const copied = columns.map(quoted).join(', ')
  driver.run(
    `insert or ignore into ${quoted(name)} (id, "$version", "createdAt", "updatedAt", ${copied})
     select j.value ->> 0, 1, "createdAt", "updatedAt", ${copied}
     from json_each(?) as j join ${quoted(name)} as c on c.id = j.value ->> 1`,
    [JSON.stringify(moved.filter(({ isNew }) => isNew).map(({ id, part }) => [part, id]))],
  )
  const changed = columns.filter((column) => ['field', 'base', 'local', 'remote', 'result'].includes(column))
  const set = changed.map((column, index) => `${quoted(column)} = j.value ->> ${index + 1}`)
  driver.run(`update ${quoted(name)} as c set ${set.join(', ')} from json_each(?) as j where c.id = j.value ->> 0`, [
    JSON.stringify(
      moved.map(({ part, next }) => [part, ...changed.map((column) => questionColumn(name, column, next))]),
    ),
  ])
}

function questionColumn(name: SystemCollection, column: string, row: JsonObject): SqliteValue {
  const field: Field | undefined = Object.entries(systemCollections[name].fields).find(
    ([known]) => known === column,
  )?.[1]
  return field === undefined ? null : toColumn(field, row[column] ?? null)
}

function moveBefore({ driver, schema, from, fault }: Moving): void {
  const moved = driver.all(selectBefore).flatMap(([operation, text, collection]) => {
    const fields: unknown = JSON.parse(String(text))
    if (!isObject(fields)) return []
    try {
      return [[operation ?? null, canonicalJson(upFields(schema, String(collection), from, fields as JsonObject))]]
    } catch (error) {
      if (!(error instanceof MigrationFault)) throw error
      fault(error)
      return []
    }
  })
  driver.run(
    'update _before as b set fields = j.value ->> 1 from json_each(?) as j where b.operation = j.value ->> 0',
    [JSON.stringify(moved)],
  )
}

/** Where a page cannot be moved, everything is pulled again: `fault` sees to that. */
function moveStaged({ driver, schema, from, fault }: Moving): void {
  try {
    changeStaged(driver, (changes) => changesUp(schema, from, changes))
  } catch (error) {
    if (!(error instanceof MigrationFault)) throw error
    fault(error)
  }
}

function columnsByTable(driver: SqliteDriver): ReadonlyMap<string, ReadonlySet<string>> {
  const columns = driver.all(selectColumns).map(([table, column]) => ({ table: String(table), column: String(column) }))
  const tables = Map.groupBy(columns, ({ table }) => table)
  return new Map([...tables].map(([table, of]) => [table, new Set(of.map(({ column }) => column))]))
}

const selectColumns = `select m.name, c.name from sqlite_master as m, pragma_table_info(m.name) as c where m.type = 'table'`
const selectBefore = `select b.operation, b.fields, coalesce(
  (select collection from _outbox where id = b.operation), (select collection from _inbox where id = b.operation),
  (select operation ->> 'collection' from _settled where id = b.operation)
) from _before as b`
