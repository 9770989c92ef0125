/**
 * The device store's tables, as a pure function of the schema: the server can make a file that a device opens as its own.
 * Names with an underscore are the engine's; a collection's table has the collection's name.
 */
import type { Collection } from '../schema/collection.ts'
import { documentColumn, sharedFields, wireColumns } from '../schema/documents.ts'
import type { Field } from '../schema/field.ts'
import type { Schema } from '../schema/schema.ts'

export interface DeviceTableSet {
  /** Run once, in order, in one transaction. */
  readonly tables: readonly string[]
  /** Indexes and search, made after a bulk load: four times faster than before it. */
  readonly indexes: readonly { readonly name: string; readonly sql: string }[]
}

/** Columns of a collection's table: the row as it travels, then what the engine knows of it. */
export function deviceColumns(collection: Collection): readonly string[] {
  return [...wireColumns(collection), '$sync', '$pending']
}

export function searchTable(collectionName: string): string {
  return `_search_${collectionName}`
}

export function deviceTables(schema: Schema): DeviceTableSet {
  const collections = Object.entries(schema.collections)
  return {
    tables: [...engineTables, ...collections.map(([name, collection]) => collectionTable(name, collection))],
    indexes: collections.flatMap(([name, collection]) => collectionIndexes(name, collection)),
  }
}

/** The column of one field, for `create table` and `alter table … add column`. */
export function deviceColumn(name: string, field: Field): string {
  return `${quoted(name)} ${columnType(field)}`
}

export function quoted(identifier: string): string {
  return `"${identifier}"`
}

function columnType(field: Field): string {
  switch (field.rule.kind) {
    case 'integer':
    case 'boolean':
    case 'instant':
    case 'counter':
      return 'integer'
    case 'real':
      return 'real'
    case 'text':
    case 'enum':
    case 'json':
    case 'ref':
    case 'set':
    case 'shared':
      return 'text'
  }
}

// No `not null` on fields: a row that another writer broke is shown and marked, never a reason to stop a page.
function collectionTable(name: string, collection: Collection): string {
  const fields = Object.entries(collection.fields).map(([fieldName, field]) => deviceColumn(fieldName, field))
  const documents = sharedFields(collection).map((field) => `${quoted(documentColumn(field))} text`)
  return `create table if not exists ${quoted(name)} (
  ${[
    'id text primary key not null',
    // The version of the confirmed row; 0: the server has not said anything about this record yet.
    '"$version" integer not null',
    '"createdAt" integer not null',
    '"updatedAt" integer not null',
    ...fields,
    // Of shared texts; null: that of the text.
    ...documents,
    // 'synced' | 'pending' | 'refused' | 'conflict'
    `"$sync" text not null default 'synced'`,
    // JSON array of the names of the fields that wait, or null.
    '"$pending" text',
  ].join(',\n  ')}
) strict`
}

function collectionIndexes(
  name: string,
  collection: Collection,
): readonly { readonly name: string; readonly sql: string }[] {
  const indexes = collection.indexes.map((columns) => {
    const indexName = `${name}_${columns.join('_')}`
    return {
      name: indexName,
      sql: `create index if not exists ${quoted(indexName)} on ${quoted(name)} (${columns.map(quoted).join(', ')})`,
    }
  })
  if (collection.search.length === 0) return indexes
  const table = searchTable(name)
  return [
    ...indexes,
    {
      name: table,
      // Contentless: only the index is stored, not the text a second time. detail=none: search needs words, not phrases.
      sql: `create virtual table if not exists ${quoted(table)} using fts5(text, content='', contentless_delete=1, detail=none, tokenize="unicode61 remove_diacritics 2")`,
    },
  ]
}

const engineTables = [
  // One value by key: device id, cursor, generation, clock, schema, last sync.
  'create table if not exists _meta (key text primary key not null, value text not null) strict, without rowid',
  // Unsettled operations. state: 'pending' | 'sending' | 'acknowledged' (its effect is not in the confirmed row yet).
  `create table if not exists _outbox (
  seq integer primary key not null,
  id text not null unique,
  tx text not null,
  collection text not null,
  record text not null,
  state text not null,
  attempts integer not null default 0,
  -- Of the attempts, those that the server failed on this operation alone.
  failures integer not null default 0,
  "lastError" text,
  -- Set before the first send: what may have arrived is told apart from what never left.
  "firstSentAt" integer,
  -- The epoch of the device's clock in which that was.
  "firstSentEpoch" integer,
  -- 1: the confirmed row has its effect, as it was in another life of the server.
  reflected integer not null default 0,
  -- Of an acknowledged operation: its outcome, the record's version with its effect, and the commit that holds it.
  outcome text,
  version integer,
  place integer,
  operation text not null
) strict`,
  'create index if not exists _outbox_record on _outbox (collection, record)',
  'create index if not exists _outbox_tx on _outbox (tx)',
  'create index if not exists _outbox_reflected on _outbox (seq) where reflected <> 0',
  // Not of the pending ones: a write then has one page less to make durable.
  `create index if not exists _outbox_state on _outbox (state, seq) where state <> 'pending'`,
  // The last row that the server sent, of records with unsettled operations only; "row" is null when the server has none.
  `create table if not exists _confirmed (
  collection text not null,
  record text not null,
  version integer not null,
  "row" text,
  primary key (collection, record)
) strict, without rowid`,
  // Operations that the server refused, with the reason; kept until a person decides, and 14 days longer where that was to discard them.
  `create table if not exists _inbox (
  seq integer primary key not null,
  id text not null unique,
  tx text not null,
  collection text not null,
  record text not null,
  code text not null,
  field text,
  problem text not null,
  "refusedAt" integer not null,
  attempts integer not null,
  -- When a person discarded it, and the id under which that can be undone; null: it waits to be decided.
  "discardedAt" integer,
  "discardedWith" text,
  operation text not null
) strict`,
  // Operations whose outcome is known and reflected, or that were refused and replaced, kept 14 days: a repeated call finds them,
  // a restored server gets those that took effect again.
  `create table if not exists _settled (
  seq integer primary key not null,
  id text not null unique,
  tx text not null,
  "settledAt" integer not null,
  outcome text not null,
  operation text not null,
  -- 1: its record left this device, and the values in its text with it. It cannot be sent again.
  purged integer not null default 0
) strict`,
  'create index if not exists _settled_tx on _settled (tx)',
  // What was shown of the fields of which an operation's writer had seen something older: what its undo goes back to.
  'create table if not exists _before (operation text primary key not null, fields text not null) strict, without rowid',
  // Pages of a pull whose last page has not come yet.
  'create table if not exists _staged (page integer primary key not null, changes text not null) strict',
  'create table if not exists _kv (key text primary key not null, value text not null) strict, without rowid',
]
