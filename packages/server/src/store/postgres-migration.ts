/** Tables of the Postgres store that stand at an earlier version of the schema; see field-moves.ts. Under the lock of the start, in its transaction. */
import {
  type JsonObject,
  movedRow,
  notedVersion,
  parseTablesVersion,
  quoted,
  type RecordId,
  type RecordValues,
  type Schema,
  type TableMoves,
  type TablesVersion,
  tableMoves,
  tablesKey,
  UsageError,
} from '@holdfast/core'
import pg from 'pg'
import type { SystemCollection } from '../ports/server-store.ts'
import { movedSidecar, moveRowsMax, refuseOutdated, sidecarPatterns } from './field-moves.ts'
import { type Moved, questionCollections } from './move-questions.ts'
import type { Session, SqlRow } from './postgres-sessions.ts'
import { columnType, indexName, sidecarOf } from './postgres-tables.ts'

/** Before the tables are extended. Throws UsageError when a newer server has migrated the database, MigrationFault of the app's migrations. */
export async function moveTables(session: Session, schema: Schema): Promise<Moved> {
  const columns = await columnsByTable(session)
  if (!columns.has('_meta')) return { from: schema.version, questions: new Map() }
  const found = await readTablesVersion(session)
  refuseOutdated(schema, found)
  const tables = tableMoves(schema, found.version, (name) => columns.get(name))
  if (tables.length > 0) await lockWriters(session, tables)
  for (const table of tables) {
    await dropTriggers(session, table)
    await moveColumns(session, schema, found.version, table)
    await moveSidecars(session, schema, found.version, table)
  }
  const names = tables.map(({ collection }) => collection)
  const questions = new Map<SystemCollection, readonly RecordId[]>()
  for (const name of tables.length === 0 ? [] : questionCollections) {
    if (!columns.has(name)) continue
    const rows = await session.all(`select id from ${quoted(name)} where collection = any($1::text[]) order by id`, [
      names,
    ])
    questions.set(
      name,
      rows.map(([id]) => String(id)),
    )
  }
  return { from: found.version, questions }
}

/** After the tables are extended. */
export async function noteTables(session: Session, schema: Schema): Promise<void> {
  const next = notedVersion(schema, await readTablesVersion(session))
  if (next !== null) await session.all(noteSql, [tablesKey, next])
}

export async function readTablesVersion(session: Session): Promise<TablesVersion> {
  const [row] = await session.all('select value from _meta where key = $1', [tablesKey])
  return parseTablesVersion(row === undefined ? null : String(row[0]))
}

/**
 * Servers that run write on while this one waits for its locks. Each of their transactions takes the keys of its operations first: who waits
 * there holds nothing yet, and those who hold something end. Then the tables, as other programs take them: a table before its sidecar.
 */
async function lockWriters(session: Session, tables: readonly TableMoves[]): Promise<void> {
  const names = tables.map(({ collection }) => collection)
  await session.all('lock table _operations in share row exclusive mode')
  await session.all(`lock table ${names.map(quoted).join(', ')} in access exclusive mode`)
  // Pages that are being read may have a sidecar already; they do not write it.
  await session.all(`lock table ${names.map(sidecarOf).join(', ')} in exclusive mode`)
  // The updates that follow are the server's own, and change nothing that a device would have to hear of.
  await session.all(`select set_config('holdfast.origin', 'server', true)`)
}

/** They name columns that go; they are made anew with the tables. */
async function dropTriggers(session: Session, { collection }: TableMoves): Promise<void> {
  for (const [trigger] of await session.all(triggersSql, [collection])) {
    await session.all(`drop trigger ${quoted(String(trigger))} on ${quoted(collection)}`)
  }
  await session.all(`delete from _meta where key = 'triggers'`)
}

async function moveColumns(session: Session, schema: Schema, from: number, table: TableMoves): Promise<void> {
  const { collection, renames, sources, targets } = table
  const name = quoted(collection)
  // Ours over columns that go; the wanted ones are made with the tables.
  const gone = [...renames, ...sources].map((one) => ('from' in one ? one.from : one.name))
  for (const [index, over] of await session.all(indexesSql, [collection, gone])) {
    // An operator's index may have a name like ours; it goes on over the renamed column.
    if (index !== indexName(collection, over as readonly string[])) continue
    await session.all(`drop index ${quoted(String(index))}`)
  }
  for (const { from: old, to } of renames) {
    await session.all(`alter table ${name} rename column ${quoted(old)} to ${quoted(to)}`)
  }
  if (sources.length === 0) return
  const typed = targets.map(({ name: target, field }) => `${quoted(target)} ${columnType(field.rule)}`)
  await session.all(`alter table ${name} ${typed.map((column) => `add column ${column}`).join(', ')}`)
  const select = `select id, ${sources.map(({ name: source }) => quoted(source)).join(', ')} from ${name}
    where id > $1 order by id limit ${moveRowsMax}`
  const set = targets.map(({ name: target }) => `${quoted(target)} = v.${quoted(target)}`).join(', ')
  const update = `update ${name} r set ${set} from json_to_recordset($1::json) as v(id text, ${typed.join(', ')}) where r.id = v.id`
  await inBatches(
    (last) => session.all(select, [last]),
    async (rows) => {
      const moved = rows.map(([id, ...values]) => {
        // The driver answers what the engine takes: numbers, texts, booleans, and JSON as it is.
        const next = movedRow(schema, from, table, values as Parameters<typeof movedRow>[3])
        return { id, ...Object.fromEntries(targets.map(({ name: target }, index) => [target, next[index] ?? null])) }
      })
      await session.all(update, [JSON.stringify(moved)])
    },
  )
  await session
    .all(`alter table ${name} ${sources.map(({ name: source }) => `drop column ${quoted(source)}`).join(', ')}`)
    .catch((error: unknown) => {
      if (!(error instanceof pg.DatabaseError) || error.code !== dependentObjects) throw error
      throw new UsageError(
        `The migration takes columns of ${collection} away, and something in the database hangs on them: ${error.detail ?? error.message}. Drop it, start the server, and make it anew.`,
      )
    })
}

const dependentObjects = '2BP01'

async function moveSidecars(session: Session, schema: Schema, from: number, table: TableMoves): Promise<void> {
  const sidecar = sidecarOf(table.collection)
  const select = `select id, stamps, "values", states from ${sidecar}
    where id > $1 and ("values" is not null or stamps::text like any($2::text[]) or states::text like any($2::text[]))
    order by id limit ${moveRowsMax}`
  const update = `update ${sidecar} s set stamps = v.stamps, "values" = v."values", states = v.states
    from json_to_recordset($1::json) as v(id text, stamps json, "values" json, states json) where s.id = v.id`
  await inBatches(
    (last) => session.all(select, [last, sidecarPatterns(table)]),
    async (rows) => {
      const moved = rows.map(([id, stamps, values, states]) => {
        // What a sidecar holds, the store has written.
        const stored = {
          stamps: stamps as JsonObject,
          values: values as RecordValues | null,
          states: states as JsonObject | null,
        }
        return { id, ...movedSidecar(schema, from, table, stored) }
      })
      await session.all(update, [JSON.stringify(moved)])
    },
  )
}

async function inBatches(
  read: (last: string) => Promise<readonly SqlRow[]>,
  write: (rows: readonly SqlRow[]) => Promise<void>,
): Promise<void> {
  for (let last = ''; ; ) {
    const rows = await read(last)
    if (rows.length > 0) await write(rows)
    if (rows.length < moveRowsMax) return
    last = String(rows.at(-1)?.[0])
  }
}

async function columnsByTable(session: Session): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const columns = (await session.all(columnsSql)).map(([table, column]) => ({
    table: String(table),
    column: String(column),
  }))
  const tables = Map.groupBy(columns, ({ table }) => table)
  return new Map([...tables].map(([table, of]) => [table, new Set(of.map(({ column }) => column))]))
}

const columnsSql = `
  select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')`
const triggersSql = `
  select tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = current_schema()::regnamespace and c.relname = $1 and not t.tgisinternal and tgname like 'holdfast\\_%'`
const indexesSql = `
  select i.relname, o.names from pg_index x
  join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
  cross join lateral (
    select array_agg(a.attname::text order by k.number) as names from unnest(x.indkey::int2[]) with ordinality k(attribute, number)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attribute
  ) o
  where c.relnamespace = current_schema()::regnamespace and c.relname = $1 and o.names && $2::text[]
    and not x.indisunique and x.indpred is null and x.indexprs is null`
const noteSql = 'insert into _meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value'
