/**
 * One page of a pull from Postgres: entries of the feed in order, joined with the rows as they are now, in one snapshot.
 *
 *   horizon ─ below the oldest transaction that is still open; positions never pass it
 *   ── entries up to the horizon ──►│── entries above it: committed and visible, with an older transaction still open ──►
 *         move the positions        │     come with the last page and do not move the positions; `seen` says which came
 *
 * PP1  The last entry of a page, by rows and by what the rows take, is found in the feed before a row is read: a pull costs what it
 *      carries, whatever the table holds.
 * PP2  The last page completes the snapshot: without the entries above the horizon, a record that was changed twice, the second
 *      time above the horizon, would be missing with its first change too, and half of a transaction would be shown.
 *      When there are more of them than a page holds (somebody else's transaction is open for minutes), they wait for the horizon.
 * PP3  `seen` is the snapshot of the last page that completed one: an entry whose commit was visible in it has been sent, whatever
 *      becomes of the horizon, and one that was changed since has a later commit. It is dropped when the positions have passed it.
 */
import {
  type ChangesText,
  type Collection,
  type GoneRecord,
  quoted,
  type Schema,
  sharedFields,
  wireColumns,
} from '@holdfast/core'
import type { Page, PageRequest, ScopePosition } from '../ports/server-store.ts'
import { leavingPage } from './leaving.ts'
import { jsonIndexesOf, sortedJson } from './postgres-json.ts'
import { readLeaving } from './postgres-leaving.ts'
import type { Session, SqlRow } from './postgres-sessions.ts'
import { sidecarOf } from './postgres-tables.ts'

export function createPageReader(schema: Schema): (session: Session, request: PageRequest) => Promise<Page> {
  const readers = new Map(
    Object.entries(schema.collections).map(([name, collection]) => {
      const [columns, jsonIndexes] = [wireColumns(collection), jsonIndexesOf(collection)]
      return [name, { columns, jsonIndexes, sql: rowsSql(name, collection) }]
    }),
  )

  const counts = createCounts()

  const readHeld = async (session: Session, request: PageRequest): Promise<Page> => {
    const bounds = await readBounds(session, request)
    const more = bounds.more || overflows(bounds, request)
    const remaining = more ? await counts.remaining(session, request, bounds) : null
    const range = rangeOf(request, more ? bounds.ends : completed(bounds, request))
    const seen = more ? request.seen : seenWith(bounds, request)
    const changes = new Map<string, { rows: string; gone: GoneRecord[] }>()
    const changesOf = (name: string) => {
      const known = changes.get(name) ?? { rows: '[]', gone: [] }
      changes.set(name, known)
      return known
    }
    // Of collections that this release still has. Sent together: they are one round trip.
    const wanted = [...readers].filter(([name]) => bounds.present.has(name))
    const [gone, ...rows] = await Promise.all([
      bounds.gone ? session.all(goneSql, range) : [],
      ...wanted.map(([name, reader]) => session.all(reader.sql, [...range, name])),
    ])
    for (const [index, [name, reader]] of wanted.entries()) {
      const found = distinct(rows[index] ?? [], request.positions.length)
      // Not made in SQL: a row as text, or all of them as one, takes Postgres longer than this takes us.
      if (found.length > 0) changesOf(name).rows = JSON.stringify(withSortedJson(found, reader.jsonIndexes))
    }
    for (const [name, record, version, state] of gone) {
      if (!readers.has(String(name))) continue
      const why = state === 'deleted' ? 'deleted' : 'left'
      changesOf(String(name)).gone.push({ record: String(record), version: Number(version), why })
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
      leaving: request.leaving,
      seen,
      more,
      through: bounds.horizon,
      remaining,
    }
  }

  return async (session, request) => {
    if (request.leaving.length === 0) return readHeld(session, request)
    const step = await readLeaving(session, request)
    return leavingPage(schema, request, step) ?? readHeld(session, { ...request, leaving: step.rest })
  }
}

interface Bounds {
  readonly horizon: number
  /** This page's snapshot as Postgres writes it: `xmin:xmax:open,open,…`. */
  readonly snapshot: string
  /** Per scope: the last entry of this page up to the horizon. */
  readonly ends: readonly ScopePosition[]
  /** Entries up to the horizon that this page takes. */
  readonly counted: number
  /** There are entries up to the horizon that this page does not take. */
  readonly more: boolean
  /** What their rows take. */
  readonly bytes: number
  /** Visible entries above the horizon that were not sent before; at most one more than a page holds. */
  readonly above: number
  readonly aboveBytes: number
  /** Collections with entries that are present, above the horizon included. */
  readonly present: ReadonlySet<string>
  /** Whether there are entries that are not present. */
  readonly gone: boolean
}

async function readBounds(session: Session, { positions, rowsMax, bytesMax, seen }: PageRequest): Promise<Bounds> {
  const ends = [...positions]
  const present = new Set<string>()
  const bounds = { horizon: 0, snapshot: '', counted: 0, bytes: 0, more: false, above: 0, aboveBytes: 0, gone: false }
  for (const row of await session.all(boundsSql, [...starts(positions), seen ?? '', rowsMax, bytesMax])) {
    const [horizon, snapshot, isAbove, collection, isPresent, goesOn] = row
    const [ordinal = 0, count = 0, bytes = 0, place = 0, seq = 0] = row.slice(6).map(Number)
    bounds.horizon = Number(horizon)
    bounds.snapshot = String(snapshot)
    if (goesOn === true) bounds.more = true
    const scope = positions[ordinal - 1]?.scope
    if (scope === undefined || count === 0) continue
    if (isPresent === true) present.add(String(collection))
    else bounds.gone = true
    if (isAbove === true) {
      bounds.above += count
      bounds.aboveBytes += bytes
      continue
    }
    bounds.counted += count
    bounds.bytes += bytes
    const end = ends[ordinal - 1]
    if (end !== undefined && (place > end.place || (place === end.place && seq > end.seq))) {
      ends[ordinal - 1] = { scope, place, seq }
    }
  }
  return { ...bounds, ends, present }
}

/** Entries above the horizon fit into a page of their own, but not into this one. */
function overflows(bounds: Bounds, { rowsMax, bytesMax }: PageRequest): boolean {
  const { counted, bytes, above, aboveBytes } = bounds
  const fitsBeside = counted + above <= rowsMax && bytes + aboveBytes <= bytesMax
  return counted > 0 && above > 0 && isWithinPage(bounds, { rowsMax, bytesMax }) && !fitsBeside
}

/** Whether the entries above the horizon fit into a page. */
function isWithinPage(
  { above, aboveBytes }: Bounds,
  { rowsMax, bytesMax }: Pick<PageRequest, 'rowsMax' | 'bytesMax'>,
): boolean {
  return above <= rowsMax && (aboveBytes <= bytesMax || above === 1)
}

/** PP2: the ends of the last page's range, beyond every entry. */
function completed(bounds: Bounds, request: PageRequest): readonly ScopePosition[] {
  const { ends, above } = bounds
  if (above === 0 || !isWithinPage(bounds, request)) return ends
  return ends.map(({ scope }) => ({ scope, place: Number.MAX_SAFE_INTEGER, seq: 0 }))
}

/** PP3, after the last page. */
function seenWith(bounds: Bounds, request: PageRequest): string | null {
  const { horizon, snapshot, above } = bounds
  const { seen } = request
  if (!isWithinPage(bounds, request)) return seen
  const completing = above > 0 ? snapshot : seen
  if (completing === null || completing.length > seenLengthMax) return null
  const end = Number(completing.split(':')[1])
  return horizon + 1 < end ? completing : null
}

/** A snapshot of very many open transactions is not worth its place in a cursor: its entries come again. */
const seenLengthMax = 1_000

/**
 * How much is left, for progress. Counted once for a pull and carried from page to page: counting anew for each page would make
 * a long pull quadratic. What other servers counted is not known here, and is counted again.
 */
function createCounts() {
  const known = new Map<string, number>()
  return {
    async remaining(session: Session, { positions }: PageRequest, { counted, ends, more }: Bounds): Promise<number> {
      if (!more) return counted // What is left lies above the horizon.
      const start = JSON.stringify(positions)
      const carried = known.get(start)
      const count = carried ?? Number((await session.all(countSql, starts(positions)))[0]?.[0])
      known.delete(start)
      known.set(JSON.stringify(ends), Math.max(count - counted, 1))
      for (const oldest of known.keys()) if (known.size > countsMax) known.delete(oldest)
      return Math.max(count, counted + 1)
    },
  }
}

/** Pulls under way that are remembered. */
const countsMax = 1_000

type Columns = readonly [scopes: readonly string[], places: readonly number[], seqs: readonly number[]]

function starts(positions: readonly ScopePosition[]): Columns {
  return [positions.map(({ scope }) => scope), positions.map(({ place }) => place), positions.map(({ seq }) => seq)]
}

function rangeOf({ positions, seen }: PageRequest, ends: readonly ScopePosition[]) {
  const [, places, seqs] = starts(ends)
  return [...starts(positions), seen ?? '', places, seqs] as const
}

/** A record that is in several scopes of the request comes once. */
function distinct(rows: readonly SqlRow[], scopes: number): readonly SqlRow[] {
  return scopes === 1 ? rows : [...new Map(rows.map((row) => [row[0], row])).values()]
}

function withSortedJson(rows: readonly SqlRow[], jsonIndexes: ReadonlySet<number>): readonly SqlRow[] {
  if (jsonIndexes.size === 0) return rows
  return rows.map((row) => row.map((value, index) => (jsonIndexes.has(index) ? sortedJson(value) : value)))
}

/** PP3, with the snapshot as the fourth parameter; '' when there is none. */
const unseenSql = "($4 = '' or not pg_visible_in_snapshot(f.place::text::xid8, nullif($4, '')::pg_snapshot))"

// Scope after scope, until a limit is reached: the inner limit bounds what one scope is read for, the outer one stops the
// walk over the scopes. Whatever order Postgres walks them in, what is taken of a scope is its beginning.
const boundsSql = `
  with asked as (
    select * from unnest($1::text[], $2::bigint[], $3::bigint[]) with ordinality as a(scope, place, seq, ordinal)
  ), horizon as (
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as place, pg_current_snapshot()::text as snapshot
  ), taken as (
    (select false as above, row_number() over w as n, sum(f.bytes) over w as size, a.ordinal, f.* from asked a cross join lateral (
      select f.collection, f.state = 'present' as present, f.bytes, f.place, f.seq from _feed f
      where f.scope = a.scope and (f.place, f.seq) > (a.place, a.seq) and f.place <= (select h.place from horizon h)
      order by f.place, f.seq limit $5 + 1
    ) f window w as (rows unbounded preceding) limit $5 + 1)
    union all
    (select true, 0, 0, a.ordinal, f.* from asked a cross join lateral (
      select f.collection, f.state = 'present' as present, f.bytes, f.place, f.seq from _feed f
      where f.scope = a.scope and f.place > (select h.place from horizon h) and ${unseenSql}
      order by f.place, f.seq limit $5 + 1
    ) f limit $5 + 1)
  )
  select h.place, h.snapshot, t.above, t.collection, t.present, t.more, t.ordinal, t.count, t.bytes, t.last[1], t.last[2]
  from horizon h left join (
    select above, collection, present, ordinal, bool_or(not fits) as more,
      count(*) filter (where fits) as count, coalesce(sum(bytes) filter (where fits), 0) as bytes,
      max(array[place, seq]) filter (where fits) as last
    from (select *, n <= $5 and (size <= $6 or n <= 1) as fits from taken) t group by above, collection, present, ordinal
  ) t on true`

const countSql = `
  select count(*) from unnest($1::text[], $2::bigint[], $3::bigint[]) as a(scope, place, seq)
  join _feed f on f.scope = a.scope and (f.place, f.seq) > (a.place, a.seq)
  where f.place < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`

const rangeSql = `unnest($1::text[], $2::bigint[], $3::bigint[], $5::bigint[], $6::bigint[])
    as a(scope, "fromPlace", "fromSeq", "toPlace", "toSeq")
  join _feed f on f.scope = a.scope
    and (f.place, f.seq) > (a."fromPlace", a."fromSeq") and (f.place, f.seq) <= (a."toPlace", a."toSeq") and ${unseenSql}`

function rowsSql(name: string, collection: Collection): string {
  const shared = sharedFields(collection)
  const columns = ['id', 'createdAt', 'updatedAt', ...Object.keys(collection.fields)].map(
    (column) => `r.${quoted(column)}`,
  )
  columns.splice(1, 0, 'f.version')
  columns.push(...shared.map((field) => `s.states ->> '${field}'`))
  const sidecar = shared.length === 0 ? '' : `join ${sidecarOf(name)} s on s.id = f.record`
  return `select ${columns.join(', ')} from ${rangeSql}
  join ${quoted(name)} r on r.id = f.record ${sidecar}
  where f.collection = $7 and f.state = 'present'`
}

// One mark a record, the newest. None for a record that another scope of the request holds.
const goneSql = `
  select distinct on (f.collection, f.record) f.collection, f.record, f.version, f.state from ${rangeSql}
  where f.state <> 'present' and not exists (
    select from _feed o
    where o.scope = any($1::text[]) and o.collection = f.collection and o.record = f.record and o.state = 'present'
  )
  order by f.collection, f.record, f.version desc`
