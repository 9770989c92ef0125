/**
 * The tables of the embedded store, as a function of the schema. A collection has a real table of its name with a column per
 * field, and beside it `_sidecar_<collection>` with what the engine knows of each record, deleted ones included.
 *
 * SQ1  A schema change is additive: new tables, columns and indexes are made at opening; nothing is dropped or retyped but what a migration
 *      names (sqlite-migration.ts).
 * SQ2  Fields have no `not null`: a record written under an older schema is served as it is, and judged by who reads it.
 * SQ3  A database whose engine tables lack a column is refused.
 */
import { type Collection, deviceColumn, type Field, type Json, quoted, type Schema, UsageError } from '@holdfast/core'
import { indexesOf } from './indexes.ts'
import { missingColumn, refuseMissingColumns } from './missing-columns.ts'
import type { Connection } from './sqlite-connection.ts'

/** Beside each collection: version, state and stamps of every record that ever was. */
export function sidecarOf(collection: string): string {
  return quoted(`_sidecar_${collection}`)
}

/** A collection's columns, in the order in which rows travel. */
export function columnsOf(collection: Collection): readonly string[] {
  return ['id', 'createdAt', 'updatedAt', ...Object.keys(collection.fields)]
}

/** Makes what is missing, inside the caller's transaction. */
export function extendTables(connection: Connection, schema: Schema): void {
  const sidecars = Object.keys(schema.collections).map(sidecarTable)
  refuseMissingColumns([...engineTables, ...sidecars], columnsByTable(connection))
  for (const sql of engineTables) connection.exec(sql)
  for (const [name, collection] of Object.entries(schema.collections)) {
    connection.exec(collectionTable(name, collection))
    connection.exec(sidecarTable(name))
    extendCollection(connection, name, collection)
    for (const sql of collectionIndexes(name, collection)) connection.exec(sql)
  }
}

function extendCollection(connection: Connection, name: string, collection: Collection): void {
  const present = new Map(
    connection.all(tableColumnsSql, [name]).map(([column, type]) => [String(column), String(type)]),
  )
  const system = ['id', 'createdAt', 'updatedAt'].find((column) => !present.has(column))
  if (system !== undefined) throw missingColumn(name, system)
  for (const [fieldName, field] of Object.entries(collection.fields)) {
    const type = present.get(fieldName)
    if (type === undefined) {
      connection.exec(`alter table ${quoted(name)} add column ${columnWithDefault(fieldName, field)}`)
    } else if (`${quoted(fieldName)} ${type.toLowerCase()}` !== deviceColumn(fieldName, field)) {
      throw new UsageError(
        `The database has ${name}.${fieldName} as ${type}, the schema as ${field.rule.kind}. A field keeps its kind: add a new field.`,
      )
    }
  }
}

/** The names of the columns of each table that there is. */
export function columnsByTable(connection: Connection): ReadonlyMap<string, ReadonlySet<string>> {
  const tables = new Map<string, Set<string>>()
  for (const [table, column] of connection.all(allColumnsSql, [])) {
    const columns = tables.get(String(table)) ?? new Set<string>()
    tables.set(String(table), columns.add(String(column)))
  }
  return tables
}

function collectionTable(name: string, collection: Collection): string {
  const fields = Object.entries(collection.fields).map(([fieldName, field]) => columnWithDefault(fieldName, field))
  const columns = [
    'id text primary key not null',
    '"createdAt" integer not null',
    '"updatedAt" integer not null',
    ...fields,
  ]
  return `create table if not exists ${quoted(name)} (\n  ${columns.join(',\n  ')}\n) strict`
}

function sidecarTable(name: string): string {
  return `create table if not exists ${sidecarOf(name)} (
  id text primary key not null,
  version integer not null,
  -- 'live' | 'deleted'
  state text not null,
  -- {field: [version, device, user, stamp without the device, time by the device's clock]}; '' stands for every field without an entry.
  stamps text not null,
  -- The last values of a deleted record, {createdAt, updatedAt, fields}; null while it lives.
  "values" text,
  -- What merging needs beside the values, by field: marks of a set, the document of a shared text; under '' the version vector. Null: nothing.
  states text
) strict`
}

function collectionIndexes(name: string, collection: Collection): readonly string[] {
  return indexesOf(collection).map((columns) => {
    const index = quoted(`${name}_${columns.join('_')}`)
    return `create index if not exists ${index} on ${quoted(name)} (${columns.map(quoted).join(', ')})`
  })
}

function columnWithDefault(name: string, field: Field): string {
  const column = deviceColumn(name, field)
  return field.default === undefined || field.default === null ? column : `${column} default ${literal(field)}`
}

function literal(field: Field): string {
  const value: Json = field.default ?? null
  if (field.rule.kind === 'json' || field.rule.kind === 'set') return text(JSON.stringify(value))
  if (typeof value === 'boolean') return value ? '1' : '0'
  return typeof value === 'number' ? String(value) : text(String(value))
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

const allColumnsSql =
  "select m.name, c.name from sqlite_master as m, pragma_table_info(m.name) as c where m.type = 'table'"
const tableColumnsSql = 'select name, type from pragma_table_info(?)'

const engineTables = [
  // The lives of this database; see lineage.ts.
  `create table if not exists _generations (
  id text primary key not null,
  -- Null: the first one.
  parent text,
  -- The last commit that it shares with its parent.
  fork integer not null,
  at integer not null
) strict, without rowid`,
  // Where the feed stood on a day, counted from 1970: what was committed before it is at least as old.
  'create table if not exists _days (day integer primary key not null, place integer not null) strict',
  // One value by key: generation, secret, and the number of the last commit.
  'create table if not exists _meta (key text primary key not null, value text not null) strict, without rowid',
  // The change feed: where each record stands in each scope; moved forward when the record changes.
  `create table if not exists _feed (
  scope text not null,
  collection text not null,
  record text not null,
  version integer not null,
  -- 'present' | 'left' | 'deleted'
  state text not null,
  -- About what the row takes in a page.
  bytes integer not null,
  place integer not null,
  seq integer not null,
  -- The entries of a record side by side: a change touches one page of the tree, not one for each scope.
  primary key (record, collection, scope)
) strict, without rowid`,
  // Covers a page: the entries of a scope in order, without a look at the table.
  'create index if not exists _feed_order on _feed (scope, place, seq, bytes, collection, state, record, version)',
  // Every operation that was answered, by its key, with the text of the answer.
  `create table if not exists _operations (
  user text not null,
  id text not null,
  hash text not null,
  outcome text not null,
  device text not null,
  seq integer not null,
  "receivedAt" integer not null,
  primary key (user, id)
) strict, without rowid`,
  // What each device of a user told last: how much it keeps that is nowhere else.
  `create table if not exists _devices (
  user text not null,
  device text not null,
  pending integer not null,
  "seenAt" integer not null,
  primary key (user, device)
) strict, without rowid`,
]
