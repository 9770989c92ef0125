/** Tables of the embedded store that stand at an earlier version of the schema; see field-moves.ts. Inside the transaction that opens the database. */
import {
  deviceColumn,
  type Json,
  type JsonObject,
  movedRow,
  notedVersion,
  parseTablesVersion,
  quoted,
  type RecordId,
  type RecordValues,
  type Schema,
  type TableMoves,
  tableMoves,
  tablesKey,
} from '@holdfast/core'
import type { SystemCollection } from '../ports/server-store.ts'
import { movedSidecar, moveRowsMax, refuseOutdated, sidecarPatterns } from './field-moves.ts'
import { type Moved, questionCollections } from './move-questions.ts'
import type { Connection } from './sqlite-connection.ts'
import { columnsByTable, sidecarOf } from './sqlite-tables.ts'
import { fromColumn, toColumn } from './sqlite-values.ts'

/** Before the tables are extended. Throws UsageError when a newer server has migrated the database, MigrationFault of the app's migrations. */
export function moveTables(connection: Connection, schema: Schema): Moved {
  const columns = columnsByTable(connection)
  if (!columns.has('_meta')) return { from: schema.version, questions: new Map() }
  const found = parseTablesVersion(textOrNull(connection.first(versionSql, [tablesKey])?.[0]))
  refuseOutdated(schema, found)
  const tables = tableMoves(schema, found.version, (name) => columns.get(name))
  for (const table of tables) {
    moveColumns(connection, schema, found.version, table)
    moveSidecars(connection, schema, found.version, table)
  }
  const names = JSON.stringify(tables.map(({ collection }) => collection))
  const idsOf = (name: SystemCollection): RecordId[] =>
    columns.has(name) ? connection.all(questionsSql(name), [names]).map(([id]) => String(id)) : []
  const questions = tables.length === 0 ? [] : questionCollections.map((name) => [name, idsOf(name)] as const)
  return { from: found.version, questions: new Map(questions) }
}

/** After the tables are extended. */
export function noteTables(connection: Connection, schema: Schema): void {
  const noted = textOrNull(connection.first(versionSql, [tablesKey])?.[0])
  const next = notedVersion(schema, parseTablesVersion(noted))
  if (next !== null) connection.run(noteSql, [tablesKey, next])
}

function moveColumns(connection: Connection, schema: Schema, from: number, table: TableMoves): void {
  const { collection, renames, sources, targets } = table
  const name = quoted(collection)
  // Those over columns that go; the wanted ones are made with the tables.
  for (const [index] of connection.all(indexesSql, [collection])) connection.exec(`drop index ${quoted(String(index))}`)
  for (const { from: old, to } of renames) {
    connection.exec(`alter table ${name} rename column ${quoted(old)} to ${quoted(to)}`)
  }
  if (sources.length === 0) return
  for (const { name: target, field } of targets) {
    connection.exec(`alter table ${name} add column ${deviceColumn(target, field)}`)
  }
  const select = `select id, ${sources.map(({ name: source }) => quoted(source)).join(', ')} from ${name}
    where id > ? order by id limit ${moveRowsMax}`
  const set = targets.map(({ name: target }, index) => `${quoted(target)} = j.value ->> ${index + 1}`)
  const update = `update ${name} as r set ${set.join(', ')} from json_each(?) as j where r.id = j.value ->> 0`
  inBatches(
    (last) => connection.all(select, [last]),
    (rows) => {
      const moved = rows.map(([id, ...values]) => {
        const given = sources.map(({ field }, index) => fromColumn(field, values[index]))
        const next = movedRow(schema, from, table, given)
        return [String(id), ...targets.map(({ field }, index) => storedValue(toColumn(field, next[index])))]
      })
      connection.run(update, [JSON.stringify(moved)])
    },
  )
  for (const { name: source } of sources) connection.exec(`alter table ${name} drop column ${quoted(source)}`)
}

/** As `->>` answers it: a boolean is a number in its column. */
function storedValue(value: Json): Json {
  return typeof value === 'boolean' ? Number(value) : value
}

function moveSidecars(connection: Connection, schema: Schema, from: number, table: TableMoves): void {
  const sidecar = sidecarOf(table.collection)
  const patterns = sidecarPatterns(table)
  const isNamed = patterns.map(() => '(stamps like ? or states like ?)').join(' or ')
  const select = `select id, stamps, "values", states from ${sidecar}
    where id > ? and ("values" is not null or ${isNamed}) order by id limit ${moveRowsMax}`
  const update = `update ${sidecar} as s set stamps = j.value ->> 1, "values" = j.value ->> 2, states = j.value ->> 3
    from json_each(?) as j where s.id = j.value ->> 0`
  inBatches(
    (last) => connection.all(select, [last, ...patterns.flatMap((pattern) => [pattern, pattern])]),
    (rows) => {
      const moved = rows.map(([id, stamps, values, states]) => {
        const stored = {
          stamps: parsed<JsonObject>(stamps) ?? {},
          values: parsed<RecordValues>(values),
          states: parsed<JsonObject>(states),
        }
        const next = movedSidecar(schema, from, table, stored)
        return [String(id), text(next.stamps), text(next.values), text(next.states)]
      })
      connection.run(update, [JSON.stringify(moved)])
    },
  )
}

type Rows = ReturnType<Connection['all']>

function inBatches(read: (last: string) => Rows, write: (rows: Rows) => void): void {
  for (let last = ''; ; ) {
    const rows = read(last)
    if (rows.length > 0) write(rows)
    if (rows.length < moveRowsMax) return
    last = String(rows.at(-1)?.[0])
  }
}

// What a sidecar holds, the store has written.
function parsed<T>(value: unknown): T | null {
  return value === null || value === undefined ? null : (JSON.parse(String(value)) as T)
}

function text(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}

function textOrNull(value: unknown): string | null {
  return value === undefined || value === null ? null : String(value)
}

const indexesSql = "select name from sqlite_master where type = 'index' and tbl_name = ? and sql is not null"
const questionsSql = (name: SystemCollection) =>
  `select id from ${quoted(name)} where collection in (select value from json_each(?)) order by id`
const versionSql = 'select value from _meta where key = ?'
const noteSql = 'insert into _meta (key, value) values (?1, ?2) on conflict (key) do update set value = excluded.value'
