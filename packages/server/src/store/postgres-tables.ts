/**
 * The tables of the Postgres store, as a function of the schema. A collection has a real table of its name with a typed column
 * per field, which other programs may read; beside it a sidecar holds what the engine knows of each record, deleted ones included.
 *
 * PT1  A schema change is additive: new tables, columns and indexes are made at opening; nothing is dropped or retyped but what a migration
 *      names (postgres-migration.ts).
 * PT2  Only what is missing is made: a server that starts takes no lock on a table that is complete.
 * PT3  Fields have no `not null`: a record written under an older schema is served as it is, and judged by who reads it.
 * PT4  A database whose engine tables lack a column is refused.
 * PT5  A table that was there before is taken when it is a plain one whose ids are unique: a view, a partitioned or an inherited table would be
 *      written where no trigger sees it.
 */
import { createHash } from 'node:crypto'
import { type Collection, type Field, type FieldRule, quoted, type Schema, UsageError } from '@holdfast/core'
import pg from 'pg'
import { indexesOf } from './indexes.ts'
import { missingColumn, refuseMissingColumns } from './missing-columns.ts'
import type { Session } from './postgres-sessions.ts'
import { snapshotTables } from './postgres-snapshots.ts'

/** Beside each collection: version, state and stamps of every record that ever was. No collection has an underscore in its name. */
export function sidecarOf(collection: string): string {
  return quoted(sidecarName(collection))
}

export function columnType({ kind }: FieldRule): string {
  switch (kind) {
    case 'text':
    case 'enum':
    case 'ref':
    case 'shared':
      return 'text'
    case 'integer':
    case 'instant':
    case 'counter':
      return 'bigint'
    case 'real':
      return 'double precision'
    case 'boolean':
      return 'boolean'
    case 'json':
    case 'set':
      return 'jsonb'
  }
}

/** A collection's columns with their types, in the order in which rows travel. */
export function columnsOf(collection: Collection): readonly { readonly name: string; readonly type: string }[] {
  const fields = Object.entries(collection.fields).map(([name, { rule }]) => ({ name, type: columnType(rule) }))
  return [
    { name: 'id', type: 'text' },
    { name: 'createdAt', type: 'bigint' },
    { name: 'updatedAt', type: 'bigint' },
    ...fields,
  ]
}

/** Makes what is missing, inside the caller's transaction. */
export async function extendTables(session: Session, schema: Schema): Promise<void> {
  const present = await findRelations(session)
  await refuseOtherTables(session, Object.keys(schema.collections))
  const sidecars = Object.keys(schema.collections).map(sidecarTable)
  refuseMissingColumns([...engineTables.map(([, sql]) => sql), ...sidecars], present)
  const make = async (relation: string, sql: string) => {
    if (!present.has(relation)) await session.all(sql)
  }
  for (const [relation, sql] of engineTables) await make(relation, sql)
  for (const [name, collection] of Object.entries(schema.collections)) {
    const columns = present.get(name)
    if (columns === undefined) await session.all(collectionTable(name, collection))
    else await extendCollection(session, { name, collection, columns })
    await make(sidecarName(name), sidecarTable(name))
    for (const index of indexesOf(collection)) await make(indexName(name, index), indexSql(name, index))
  }
}

type Columns = ReadonlyMap<string, string>

async function findRelations(session: Session): Promise<ReadonlyMap<string, Columns>> {
  const relations = new Map<string, Map<string, string>>()
  for (const [relation, column, type] of await session.all(relationsSql)) {
    const columns = relations.get(String(relation)) ?? new Map<string, string>()
    relations.set(String(relation), columns.set(String(column), String(type)))
  }
  return relations
}

async function refuseOtherTables(session: Session, names: readonly string[]): Promise<void> {
  for (const [name, isPlain, isAlone, isUnique] of await session.all(kindsSql, [names])) {
    if (isPlain !== true)
      throw new UsageError(
        `"${name}" is no plain table: a collection cannot be a view, a partitioned or a foreign table.`,
      )
    if (isAlone !== true)
      throw new UsageError(`The table "${name}" inherits, or others inherit from it: a collection is one table.`)
    if (isUnique !== true)
      throw new UsageError(`The table "${name}" has no primary key or unique index on its id alone: make one.`)
  }
}

async function extendCollection(
  session: Session,
  table: { readonly name: string; readonly collection: Collection; readonly columns: Columns },
): Promise<void> {
  const { name, collection, columns } = table
  for (const { name: column, type } of columnsOf(collection)) {
    const present = columns.get(column)
    const field = collection.fields[column]
    if (present === undefined && field !== undefined) {
      await session.all(`alter table ${quoted(name)} add column ${fieldColumn(column, field)}`)
    } else if (present === undefined) {
      throw missingColumn(name, column)
    } else if (present !== type) {
      const kind = field?.rule.kind ?? 'system column'
      throw new UsageError(
        `The database has ${name}.${column} as ${present}, the schema as ${kind} (${type}). A field keeps its kind: add a new field.`,
      )
    }
  }
}

function collectionTable(name: string, collection: Collection): string {
  const fields = Object.entries(collection.fields).map(([fieldName, field]) => fieldColumn(fieldName, field))
  const system = ['id text primary key', '"createdAt" bigint not null', '"updatedAt" bigint not null']
  return `create table ${quoted(name)} (${[...system, ...fields].join(', ')}) with (fillfactor = 90)`
}

function sidecarTable(name: string): string {
  return `create table ${sidecarOf(name)} (
  id text primary key,
  version bigint not null,
  -- 'live' | 'deleted'
  state text not null,
  -- {field: [version, device, user, stamp without the device, time by the device's clock]}; '' stands for every field without an entry.
  -- Not jsonb: it is read as a whole, and making jsonb of it costs as much as the rest of this row.
  stamps json not null,
  -- The last values of a deleted record, {createdAt, updatedAt, fields}; null while it lives.
  "values" json,
  -- What merging needs beside the values, by field: marks of a set, the document of a shared text; under '' the version vector. Null: nothing.
  states json
) with (fillfactor = 80)`
}

function fieldColumn(name: string, field: Field): string {
  const column = `${quoted(name)} ${columnType(field.rule)}`
  if (field.default === undefined || field.default === null) return column
  const isJson = columnType(field.rule) === 'jsonb'
  const text = isJson ? JSON.stringify(field.default) : String(field.default)
  return `${column} default ${pg.escapeLiteral(text)}`
}

function indexSql(name: string, columns: readonly string[]): string {
  return `create index ${quoted(indexName(name, columns))} on ${quoted(name)} (${columns.map(quoted).join(', ')})`
}

function sidecarName(collection: string): string {
  return fitted(`_sidecar_${collection}`)
}

/** Of an index that the schema asks for. */
export function indexName(collection: string, columns: readonly string[]): string {
  return fitted(`${collection}_by_${columns.join('_')}`)
}

/** Postgres cuts names at 63 bytes without a word: two long ones would become one. */
export function fitted(name: string): string {
  if (name.length <= nameLengthMax) return name
  return `${name.slice(0, nameLengthMax - 13)}_${createHash('sha256').update(name).digest('hex').slice(0, 12)}`
}

const nameLengthMax = 63

const relationsSql = `
  select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = current_schema()::regnamespace`

const kindsSql = `
  select c.relname, c.relkind = 'r',
    not exists (select from pg_inherits h where c.oid in (h.inhparent, h.inhrelid)),
    exists (
      select from pg_index x join pg_attribute a on a.attrelid = c.oid and a.attname = 'id' and a.attnum = x.indkey[0]
      where x.indrelid = c.oid and x.indnkeyatts = 1 and x.indisunique and x.indimmediate and x.indisvalid and x.indpred is null
    )
  from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relname = any($1::text[])`

const engineTables: readonly (readonly [relation: string, sql: string])[] = [
  // One value by key: generation, secret.
  ['_meta', 'create table _meta (key text primary key, value text not null)'],
  // The lives of this database; see lineage.ts.
  [
    '_generations',
    `create table _generations (
  id text primary key,
  -- Null: the first one.
  parent text,
  -- The last commit that it shares with its parent.
  fork bigint not null,
  at bigint not null
)`,
  ],
  // Where the feed stood on a day, counted from 1970: what was committed before it is at least as old.
  ['_days', 'create table _days (day integer primary key, place bigint not null)'],
  // The change feed: where each record stands in each scope; moved forward when the record changes.
  [
    '_feed',
    `create table _feed (
  scope text not null,
  collection text not null,
  record text not null,
  version bigint not null,
  -- 'present' | 'left' | 'deleted'
  state text not null,
  -- About what the row takes in a page.
  bytes integer not null,
  -- The transaction id (xid8) of the last change. A bigint: text would sort 999 after 1000.
  place bigint not null,
  -- The order within the transaction.
  seq bigint not null,
  primary key (record, collection, scope)
)`,
  ],
  ['_feed_order', 'create index _feed_order on _feed (scope, place, seq)'],
  // Records that another program has written and that the server has to look at before it serves or judges them.
  [
    '_unmerged',
    `create table _unmerged (
  collection text not null,
  record text not null,
  -- Servers up to this version of the schema have looked at it, and know less than the triggers: a newer one is to look again.
  "seenBy" integer not null default 0,
  primary key (collection, record, "seenBy")
)`,
  ],
  // Every operation that was answered, by its key, with the text of the answer.
  [
    '_operations',
    // Half of each page is left for the outcome, which comes after the claim: then no index has to be touched again.
    `create table _operations (
  "user" text not null,
  id uuid not null,
  hash text not null,
  device text not null,
  seq bigint not null,
  -- Null only inside the transaction that claims it.
  outcome text,
  "receivedAt" bigint not null default (extract(epoch from now()) * 1000)::bigint,
  primary key ("user", id)
) with (fillfactor = 50)`,
  ],
  // What each device of a user told last: how much it keeps that is nowhere else.
  [
    '_devices',
    `create table _devices (
  "user" text not null,
  device uuid not null,
  pending bigint not null,
  "seenAt" bigint not null,
  primary key ("user", device)
) with (fillfactor = 50)`,
  ],
  ...snapshotTables,
]
