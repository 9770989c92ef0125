/**
 * All that scopes hold, from Postgres, for a snapshot: pages whose rows stand column by column. Page by page each row would be looked up in an
 * index; here each table is read once, and Postgres makes the text of a page: no value becomes a JavaScript object.
 *
 *   the feed in its order ──► cut into parts ──► a cursor a collection: entries of a part joined with rows, as one text ──► pages
 *
 * PW1  A page holds every entry of the scopes between its positions and those of the page before, whatever the collection: who goes on from
 *      there by ordinary pages misses nothing. What is gone comes with the first one.
 * PW2  It ends at the horizon. What is committed above that comes with the pull that follows.
 */
import {
  type ChangesText,
  type Collection,
  type GoneRecord,
  type Json,
  quoted,
  type Schema,
  sharedFields,
  wireColumns,
} from '@holdfast/core'
import type { Page, PageRequest, ScopePosition } from '../ports/server-store.ts'
import { jsonIndexesOf, sortedJson } from './postgres-json.ts'
import type { Session, SqlRow } from './postgres-sessions.ts'
import { sidecarOf } from './postgres-tables.ts'

/** @param request its positions are at the beginning. */
export function createWholeReader(schema: Schema): (session: Session, request: PageRequest) => AsyncGenerator<Page> {
  const collections = Object.entries(schema.collections).map(([name, collection], index) => ({
    name,
    columns: wireColumns(collection),
    jsonIndexes: jsonIndexesOf(collection),
    cursor: `whole_${index}`,
    sql: { ofOne: valuesSql(name, collection, entrySql), ofSeveral: valuesSql(name, collection, onceSql) },
  }))
  const names = collections.map(({ name }) => name)

  return async function* (session, request) {
    const scopes = request.positions.map(({ scope }) => scope)
    const [[[horizon] = []]] = await Promise.all([session.all(horizonSql), session.all(settingsSql)])
    const range = [scopes, Number(horizon)] as const
    const [[listed] = [], kinds] = await Promise.all([
      session.all(entriesSql, [...range, names]),
      session.all(kindsSql, range),
    ])
    const gone = goneByCollection(kinds.every(([, isPresent]) => isPresent) ? [] : await session.all(goneSql, range))
    const parts = cut(entriesOf(listed ?? []), request)
    const starts = [parts.map(({ start }) => start.place), parts.map(({ start }) => start.seq)] as const
    const presentNames = new Set(kinds.flatMap(([name, isPresent]) => (isPresent ? [name] : [])))
    const sources = collections.map(({ sql, ...of }) => ({
      ...of,
      values: presentNames.has(of.name)
        ? openValues(session, { ...of, sql: scopes.length > 1 ? sql.ofSeveral : sql.ofOne }, [...range, ...starts])
        : null,
    }))

    let remaining = parts.reduce((sum, { count }) => sum + count, 0)
    for (const [index, { end, count }] of parts.entries()) {
      const changes: ChangesText[] = []
      for (const { name: collection, columns, jsonIndexes, values } of sources) {
        const text = (await values?.of(index + 1)) ?? null
        const here = index === 0 ? (gone.get(collection) ?? []) : []
        if (text === null && here.length === 0) continue
        const rows = text === null ? '[]' : jsonIndexes.size === 0 ? text : withSortedJson(text, jsonIndexes)
        changes.push({ collection, columns, rows, gone: here })
      }
      const more = index < parts.length - 1
      yield {
        changes,
        positions: scopes.map((scope): ScopePosition => ({ scope, place: end.place, seq: end.seq })),
        leaving: request.leaving,
        seen: null,
        more,
        through: Number(horizon),
        remaining: more ? remaining : null,
      }
      remaining = Math.max(remaining - count, 1)
    }
  }
}

interface Place {
  readonly place: number
  readonly seq: number
}

/** Of an entry: where it stands in the feed, and what its row takes. */
interface Entry extends Place {
  readonly bytes: number
}

/** Of a page: its first entry, its last one, and how many there are. */
interface Part {
  readonly start: Place
  readonly end: Place
  readonly count: number
}

function* entriesOf(lists: readonly unknown[]): Generator<Entry> {
  // Each is null where there is no entry.
  const [places = [], seqs = [], sizes = []] = lists.map((list) => (list ?? []) as readonly number[])
  for (const [index, place] of places.entries()) yield { place, seq: seqs[index] ?? 0, bytes: sizes[index] ?? 0 }
}

/** At least one; the only one is empty where there is no entry. */
function cut(entries: Iterable<Entry>, { rowsMax, bytesMax }: PageRequest): readonly Part[] {
  const parts: Part[] = []
  let start: Place = { place: 0, seq: 0 }
  let end = start
  let [count, bytes] = [0, 0]
  for (const entry of entries) {
    const hasRoom = count === 0 || (count < rowsMax && bytes + entry.bytes <= bytesMax)
    // What has one place goes into one page: a position tells nothing apart within it.
    if (!hasRoom && !isSame(entry, end)) {
      parts.push({ start, end, count })
      ;[count, bytes] = [0, 0]
    }
    if (count === 0) start = entry
    end = entry
    count += 1
    bytes += entry.bytes
  }
  return [...parts, { start, end, count }]
}

function isSame(one: Place, other: Place): boolean {
  return one.place === other.place && one.seq === other.seq
}

interface Values {
  /** The text of a part's rows, column by column; null: it has none. Parts are kinds from 1 and asked for in order. */
  of(part: number): Promise<string | null>
}

function openValues(
  session: Session,
  { cursor, sql }: { readonly cursor: string; readonly sql: string },
  parameters: readonly [readonly string[], number, readonly number[], readonly number[]],
): Values {
  const fetch = () => {
    const fetched = session.all(`fetch 1 from ${cursor}`)
    fetched.catch(() => {}) // Told to whoever waits for it.
    return fetched
  }
  const declared = session.all(`declare ${cursor} no scroll cursor for ${sql}`, parameters)
  let following = fetch()
  return {
    of: async (part) => {
      await declared
      const [row] = await following
      if (row === undefined || Number(row[0]) !== part) return null
      // The next one is made while this one is used.
      following = fetch()
      return String(row[1])
    },
  }
}

/** The wire has the keys of JSON sorted. */
function withSortedJson(text: string, jsonIndexes: ReadonlySet<number>): string {
  const columns = JSON.parse(text) as readonly (readonly Json[])[]
  return JSON.stringify(
    columns.map((values, index) => (jsonIndexes.has(index) ? values.map((value) => sortedJson(value)) : values)),
  )
}

function goneByCollection(found: readonly SqlRow[]): ReadonlyMap<string, readonly GoneRecord[]> {
  const gone = new Map<string, GoneRecord[]>()
  for (const [name, record, version, state] of found) {
    const list = gone.get(String(name)) ?? []
    list.push({ record: String(record), version: Number(version), why: state === 'deleted' ? 'deleted' : 'left' })
    gone.set(String(name), list)
  }
  return gone
}

// For this transaction: rows are wanted all and not soon. What Postgres sorts in memory, it need not write to the disk.
const settingsSql = `select set_config(name, value, true) from (values ('enable_seqscan', 'on'), ('enable_bitmapscan', 'on'),
  ('work_mem', '64MB'), ('cursor_tuple_fraction', '1')) as s(name, value)`
const horizonSql = 'select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1'

const presentSql = `f.scope = any($1::text[]) and f.place <= $2::bigint and f.state = 'present'`
const entriesSql = `select json_agg(place), json_agg(seq), json_agg(bytes) from (
  select f.place, f.seq, f.bytes from _feed f where ${presentSql} and f.collection = any($3::text[]) order by f.place, f.seq
) f`
/** Which collections have entries, and whether present ones. */
const kindsSql = `select distinct f.collection, f.state = 'present' from _feed f
  where f.scope = any($1::text[]) and f.place <= $2::bigint`

/** The part in which an entry is, from 1; `$3` and `$4` say with which entry each part begins. */
const partSql = `width_bucket(row(f.place, f.seq), (
    select array_agg(row(s.place, s.seq) order by s.place, s.seq) from unnest($3::bigint[], $4::bigint[]) s(place, seq)
  ))`
const entrySql = (name: string) => `select ${partSql} as part, f.record, f.version
  from _feed f where ${presentSql} and f.collection = '${name}'`
/** A record that is in several scopes comes once in a part. */
const onceSql = (name: string) =>
  `select part, record, max(version) as version from (${entrySql(name)}) f group by part, record`

/** A row for each part that has rows, in order: its number, and the text of its rows, which are in none. */
function valuesSql(name: string, collection: Collection, entries: (name: string) => string): string {
  const shared = sharedFields(collection)
  const fields = Object.entries(collection.fields).map(([field, { rule }]) =>
    rule.kind === 'real' ? finite(`r.${quoted(field)}`) : `r.${quoted(field)}`,
  )
  const documents = shared.map((field) => `s.states ->> '${field}'`)
  const columns = ['r.id', 'f.version', 'r."createdAt"', 'r."updatedAt"', ...fields, ...documents]
  const sidecar = shared.length === 0 ? '' : `join ${sidecarOf(name)} s on s.id = f.record`
  return `select f.part, concat('[', ${columns.map((column) => `json_agg(${column})`).join(`, ',', `)}, ']')
  from (${entries(name)}) f join ${quoted(name)} r on r.id = f.record ${sidecar}
  group by f.part order by f.part`
}

/** What is no number in JSON is none in a page either, and there is one zero. */
function finite(column: string): string {
  return `case when ${column} not in ('NaN', 'Infinity', '-Infinity') then ${column} + 0 end`
}

const goneSql = `
  select distinct on (f.collection, f.record) f.collection, f.record, f.version, f.state from _feed f
  where f.scope = any($1::text[]) and f.place <= $2::bigint and f.state <> 'present' and not exists (
    select from _feed o
    where o.scope = any($1::text[]) and o.collection = f.collection and o.record = f.record and o.state = 'present'
  )
  order by f.collection, f.record, f.version desc`
