/**
 * One page of a pull from Postgres: entries of the feed in order, joined with the rows as they are now, in one snapshot.
 *
 *   horizon ─ below the oldest transaction that is still open; positions never pass it
 *   ── entries up to the horizon ──►│── entries above it: committed and visible, with an older transaction still open ──►
 *         move the positions        │     come with the last page and do not move the positions, so they come again
 *
 * PP1  The last entry of a page is found in the index, so a pull costs what it carries, whatever the table holds.
 * PP2  The last page completes the snapshot: without the entries above the horizon, a record that was changed twice, the second
 *      time above the horizon, would be missing with its first change too, and half of a transaction would be shown.
 *      When there are more of them than a page holds (somebody else's transaction is open for minutes), they wait for the horizon.
 */
import {
  type ChangesText,
  canonicalJson,
  changeColumns,
  type Field,
  type GoneRecord,
  type Json,
  quoted,
  type Schema,
} from '@holdfast/core'
import type { Page, PageRequest, ScopePosition } from '../ports/server-store.ts'
import type { Session } from './postgres-sessions.ts'

export function createPageReader(schema: Schema): (session: Session, request: PageRequest) => Promise<Page> {
  const readers = new Map(
    Object.entries(schema.collections).map(([name, { fields }]) => {
      const columns = [...changeColumns, ...Object.keys(fields)]
      return [name, { columns, sql: rowsSql(name, Object.keys(fields)), encoders: encodersOf(Object.values(fields)) }]
    }),
  )

  return async (session, request) => {
    const bounds = await readBounds(session, request)
    const full = bounds.counted >= request.rowsMax
    const from = full ? await countFrom(session, request) : 0
    const more = from > request.rowsMax || (bounds.counted > 0 && overflows(bounds, request))
    const range = rangeOf(request, more ? bounds.ends : completed(bounds, request))
    const changes = new Map<string, { rows: string; gone: GoneRecord[] }>()
    const changesOf = (name: string) => {
      const known = changes.get(name) ?? { rows: '[]', gone: [] }
      changes.set(name, known)
      return known
    }
    for (const name of bounds.present) {
      const reader = readers.get(name)
      if (reader === undefined) continue // A collection that this release does not have any more.
      const rows = await session.allText(reader.sql, [...range, name])
      const text = rowsText(rows, reader.encoders)
      if (text !== '[]') changesOf(name).rows = text
    }
    if (bounds.gone) {
      for (const [name, record, version, state] of await session.all(goneSql, range)) {
        if (!readers.has(String(name))) continue
        const why = state === 'deleted' ? 'deleted' : 'left'
        changesOf(String(name)).gone.push({ record: String(record), version: Number(version), why })
      }
    }
    return {
      changes: [...changes].map(
        ([collection, { rows, gone }]): ChangesText => ({
          collection,
          columns: readers.get(collection)?.columns ?? [],
          rows,
          gone,
        }),
      ),
      positions: bounds.ends,
      more,
      through: bounds.horizon,
      remaining: more ? Math.max(from, bounds.counted) : null,
    }
  }
}

interface Bounds {
  readonly horizon: number
  /** Per scope: the last entry of this page up to the horizon. */
  readonly ends: readonly ScopePosition[]
  /** Entries up to the horizon that this page takes. */
  readonly counted: number
  /** Visible entries above the horizon; at most one more than a page holds. */
  readonly above: number
  /** Collections with entries that are present, above the horizon included. */
  readonly present: ReadonlySet<string>
  /** Whether there are entries that are not present. */
  readonly gone: boolean
}

async function readBounds(session: Session, { positions, rowsMax }: PageRequest): Promise<Bounds> {
  const ends = [...positions]
  const present = new Set<string>()
  const bounds = { horizon: 0, counted: 0, above: 0, gone: false }
  for (const row of await session.all(boundsSql, [...starts(positions), rowsMax])) {
    const [isAbove, horizon, collection, isPresent] = row
    const [ordinal, count, place, seq] = row.slice(4).map(Number)
    bounds.horizon = Number(horizon)
    const scope = positions[(ordinal ?? 0) - 1]?.scope
    if (scope === undefined || place === undefined || seq === undefined || count === undefined) continue
    if (isPresent === true) present.add(String(collection))
    else bounds.gone = true
    if (isAbove === true) {
      bounds.above += count
      continue
    }
    bounds.counted += count
    const end = ends[(ordinal ?? 0) - 1]
    if (end !== undefined && (place > end.place || (place === end.place && seq > end.seq))) {
      ends[(ordinal ?? 0) - 1] = { scope, place, seq }
    }
  }
  return { ...bounds, ends, present }
}

/** Entries above the horizon fit into a page of their own, but not into this one. */
function overflows({ counted, above }: Bounds, { rowsMax }: PageRequest): boolean {
  return above <= rowsMax && counted + above > rowsMax
}

/** PP2: the ends of the last page's range, beyond every entry. */
function completed({ ends, above }: Bounds, { rowsMax }: PageRequest): readonly ScopePosition[] {
  if (above === 0 || above > rowsMax) return ends
  return ends.map(({ scope }) => ({ scope, place: Number.MAX_SAFE_INTEGER, seq: 0 }))
}

async function countFrom(session: Session, { positions }: PageRequest): Promise<number> {
  const [row] = await session.all(countSql, starts(positions))
  return Number(row?.[0])
}

type Columns = readonly [scopes: readonly string[], places: readonly number[], seqs: readonly number[]]

function starts(positions: readonly ScopePosition[]): Columns {
  return [positions.map(({ scope }) => scope), positions.map(({ place }) => place), positions.map(({ seq }) => seq)]
}

function rangeOf({ positions }: PageRequest, ends: readonly ScopePosition[]) {
  const [, places, seqs] = starts(ends)
  return [...starts(positions), places, seqs] as const
}

type Encoder = (text: string) => string

/** From the text that Postgres sends to JSON: numbers are not parsed on their way, and a row never becomes an object. */
function encodersOf(fields: readonly Field[]): readonly Encoder[] {
  return [JSON.stringify, asItIs, asItIs, asItIs, ...fields.map(encoderOf)]
}

function encoderOf({ rule }: Field): Encoder {
  switch (rule.kind) {
    case 'text':
    case 'enum':
    case 'ref':
      return JSON.stringify
    case 'integer':
    case 'instant':
    case 'counter':
      return asItIs
    case 'real':
      return (text) => JSON.stringify(Number(text)) // Another program may have written NaN or Infinity: null.
    case 'boolean':
      return (text) => (text === 't' ? 'true' : 'false')
    case 'json':
      return (text) => canonicalJson(JSON.parse(text) as Json)
  }
}

function asItIs(text: string): string {
  return text
}

/** A record that is in several scopes of the request comes once. */
function rowsText(rows: readonly (readonly (string | null)[])[], encoders: readonly Encoder[]): string {
  const seen = new Set<string | null | undefined>()
  let text = '['
  for (const row of rows) {
    if (seen.has(row[0])) continue
    seen.add(row[0])
    text += text === '[' ? '[' : ',['
    for (const [index, encode] of encoders.entries()) {
      const value = row[index]
      if (index > 0) text += ','
      text += value === null || value === undefined ? 'null' : encode(value)
    }
    text += ']'
  }
  return `${text}]`
}

// Scope after scope, until the limit is reached: the inner limit bounds what one scope is read for, the outer one stops the
// walk over the scopes. Whatever order Postgres walks them in, what is taken of a scope is its beginning.
const boundsSql = `
  with asked as (
    select * from unnest($1::text[], $2::bigint[], $3::bigint[]) with ordinality as a(scope, place, seq, ordinal)
  ), horizon as (
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as place
  ), taken as (
    (select false as above, a.ordinal, f.* from asked a cross join lateral (
      select f.collection, f.state = 'present' as present, f.place, f.seq from _feed f
      where f.scope = a.scope and (f.place, f.seq) > (a.place, a.seq) and f.place <= (select h.place from horizon h)
      order by f.place, f.seq limit $4
    ) f limit $4)
    union all
    (select true, a.ordinal, f.* from asked a cross join lateral (
      select f.collection, f.state = 'present' as present, f.place, f.seq from _feed f
      where f.scope = a.scope and (f.place, f.seq) > (a.place, a.seq) and f.place > (select h.place from horizon h)
      order by f.place, f.seq limit $4 + 1
    ) f limit $4 + 1)
  )
  select t.above, h.place, t.collection, t.present, t.ordinal, t.count, t.last[1], t.last[2]
  from horizon h left join (
    select above, collection, present, ordinal, count(*) as count, max(array[place, seq]) as last
    from taken group by above, collection, present, ordinal
  ) t on true`

const countSql = `
  select count(*) from unnest($1::text[], $2::bigint[], $3::bigint[]) as a(scope, place, seq)
  join _feed f on f.scope = a.scope and (f.place, f.seq) > (a.place, a.seq)
  where f.place < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`

const rangeSql = `unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    as a(scope, "fromPlace", "fromSeq", "toPlace", "toSeq")
  join _feed f on f.scope = a.scope
    and (f.place, f.seq) > (a."fromPlace", a."fromSeq") and (f.place, f.seq) <= (a."toPlace", a."toSeq")`

function rowsSql(name: string, fields: readonly string[]): string {
  const columns = ['id', 'createdAt', 'updatedAt', ...fields].map((column) => `r.${quoted(column)}`)
  columns.splice(1, 0, 'f.version')
  return `select ${columns.join(', ')} from ${rangeSql}
  join ${quoted(name)} r on r.id = f.record
  where f.collection = $6 and f.state = 'present'`
}

// One mark a record, the newest. None for a record that another scope of the request holds.
const goneSql = `
  select distinct on (f.collection, f.record) f.collection, f.record, f.version, f.state from ${rangeSql}
  where f.state <> 'present' and not exists (
    select from _feed o
    where o.scope = any($1::text[]) and o.collection = f.collection and o.record = f.record and o.state = 'present'
  )
  order by f.collection, f.record, f.version desc`
