/**
 * All that scopes hold, from Postgres, for a snapshot: pages whose rows stand column by column. Page by page each row would be looked up in an
 * index; here each table is read and sorted once.
 *
 *   a cursor a collection: entries joined with rows, in the order of the feed ──► merged ──► cut into pages
 *
 * PW1  A page holds every entry of the scopes between its positions and those of the page before, whatever the collection: who goes on from
 *      there by ordinary pages misses nothing. What is gone comes with the first one.
 * PW2  It ends at the horizon. What is committed above that comes with the pull that follows.
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
    sql: rowsSql(name, collection),
  }))

  return async function* (session, request) {
    const scopes = request.positions.map(({ scope }) => scope)
    const [[[horizon] = []]] = await Promise.all([session.all(horizonSql), session.all(settingsSql)])
    const range = [scopes, Number(horizon)] as const
    const [[counted] = [], gone] = await Promise.all([session.all(countSql, range), session.all(goneSql, range)])
    let remaining = Number(counted?.[0] ?? 0)
    const sources = collections.map(({ cursor, sql, ...of }) => createSource(session, { cursor, sql, range, ...of }))
    for (const source of sources) await source.open()

    let part = createPart(collections, scopes.length > 1)
    for (const [name, record, version, state] of gone) {
      const why = state === 'deleted' ? 'deleted' : 'left'
      part.addGone(String(name), { record: String(record), version: Number(version), why })
    }
    let end: Place = { place: 0, seq: 0 }
    const pageOf = (more: boolean): Page => ({
      changes: part.changes(),
      positions: scopes.map((scope): ScopePosition => ({ scope, place: end.place, seq: end.seq })),
      leaving: request.leaving,
      seen: null,
      more,
      through: Number(horizon),
      remaining: more ? remaining : null,
    })
    for (let source = firstOf(sources); source !== null; source = firstOf(sources)) {
      const entry = source.next()
      if (entry === null) break
      // What has one place goes into one page: a position tells nothing apart within it.
      if (!isSame(entry, end) && !part.hasRoom(entry, request)) {
        yield pageOf(true)
        remaining = Math.max(remaining - part.count(), 1)
        part = createPart(collections, scopes.length > 1)
      }
      part.add(source.name, entry)
      end = entry
      const further = source.step()
      if (further !== null) await further
    }
    yield pageOf(false)
  }
}

/** Of an entry: where it stands in the feed, what it takes, and its row. */
interface Entry extends Place {
  readonly bytes: number
  /** With what the entry says before it. */
  readonly row: SqlRow
}

/** Place, sequence and bytes stand before a row. */
const rowStart = 3

interface Place {
  readonly place: number
  readonly seq: number
}

function isSame(one: Place, other: Place): boolean {
  return one.place === other.place && one.seq === other.seq
}

interface Source {
  readonly name: string
  /** The next entry; null: there is none. */
  next(): Entry | null
  /** Takes it; null: the one after it is known at once. */
  step(): Promise<void> | null
  /** Makes the first one known. */
  open(): Promise<void>
}

function createSource(
  session: Session,
  given: {
    readonly name: string
    readonly cursor: string
    readonly sql: string
    readonly range: readonly [readonly string[], number]
    readonly jsonIndexes: ReadonlySet<number>
  },
): Source {
  const { name, cursor, sql, range, jsonIndexes } = given
  const fetch = () => session.all(`fetch ${fetchMax} from ${cursor}`)
  let rows: readonly SqlRow[] = []
  let index = 0
  let following: Promise<readonly SqlRow[]> | null = null
  let entry: Entry | null = null

  function look(): void {
    const found = rows[index]
    index += 1
    entry = found === undefined ? null : entryOf(found, jsonIndexes)
  }

  async function lookFurther(): Promise<void> {
    rows = (await following) ?? []
    index = 0
    // The next ones are made while these are used.
    following = rows.length === fetchMax ? fetch() : null
    look()
  }

  return {
    name,
    next: () => entry,
    step: () => {
      if (index === rows.length && following !== null) return lookFurther()
      look()
      return null
    },
    open: async () => {
      await session.all(`declare ${cursor} no scroll cursor for ${sql}`, range)
      following = fetch()
      await lookFurther()
    },
  }
}

function entryOf(found: SqlRow, jsonIndexes: ReadonlySet<number>): Entry {
  const row =
    jsonIndexes.size === 0
      ? found
      : found.map((value, i) => (jsonIndexes.has(i - rowStart) ? sortedJson(value) : value))
  return { place: Number(found[0]), seq: Number(found[1]), bytes: Number(found[2]), row }
}

function firstOf(sources: readonly Source[]): Source | null {
  let first: Source | null = null
  let least: Entry | null = null
  for (const source of sources) {
    const entry = source.next()
    if (entry === null) continue
    if (least === null || entry.place < least.place || (entry.place === least.place && entry.seq < least.seq)) {
      first = source
      least = entry
    }
  }
  return first
}

/** The rows of a page that is being filled. */
function createPart(
  collections: readonly { readonly name: string; readonly columns: readonly string[] }[],
  hasRepeats: boolean,
) {
  const known = new Map(collections.map(({ name, columns }) => [name, columns]))
  const filled = new Map<
    string,
    { readonly columns: unknown[][]; readonly ids: Set<unknown>; readonly gone: GoneRecord[] }
  >()
  let rows = 0
  let bytes = 0
  const of = (name: string, columns: readonly string[]) => {
    const there = filled.get(name)
    if (there !== undefined) return there
    const made = { columns: columns.map((): unknown[] => []), ids: new Set<unknown>(), gone: [] }
    filled.set(name, made)
    return made
  }
  return {
    count: () => rows,
    hasRoom: (entry: Entry, { rowsMax, bytesMax }: PageRequest) =>
      rows === 0 || (rows < rowsMax && bytes + entry.bytes <= bytesMax),
    add: (name: string, { row, bytes: size }: Entry) => {
      rows += 1
      bytes += size
      const { columns, ids } = of(name, known.get(name) ?? [])
      const id = row[rowStart]
      if (hasRepeats && ids.has(id)) return // A record that is in several scopes comes once.
      if (hasRepeats) ids.add(id)
      for (let i = 0; i < columns.length; i += 1) columns[i]?.push(row[i + rowStart])
    },
    addGone: (name: string, gone: GoneRecord) => {
      const columns = known.get(name)
      // Else of a collection that this release does not have any more.
      if (columns !== undefined) of(name, columns).gone.push(gone)
    },
    changes: (): readonly ChangesText[] =>
      [...filled].map(([collection, { columns, gone }]) => ({
        collection,
        columns: known.get(collection) ?? [],
        rows: columns[0]?.length === 0 ? '[]' : JSON.stringify(columns),
        gone,
      })),
  }
}

/** Rows that are read at a time: about 10 ms. */
const fetchMax = 2_500

// For this transaction: rows are wanted all and not soon. What Postgres sorts in memory, it need not write to the disk.
const settingsSql = `select set_config(name, value, true) from (values ('enable_seqscan', 'on'), ('enable_bitmapscan', 'on'),
  ('work_mem', '64MB'), ('cursor_tuple_fraction', '1')) as s(name, value)`
const horizonSql = 'select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1'
const countSql = 'select count(*) from _feed where scope = any($1::text[]) and place <= $2::bigint'

function rowsSql(name: string, collection: Collection): string {
  const shared = sharedFields(collection)
  const fields = ['createdAt', 'updatedAt', ...Object.keys(collection.fields)].map((column) => `r.${quoted(column)}`)
  const documents = shared.map((field) => `s.states ->> '${field}'`)
  const sidecar = shared.length === 0 ? '' : `join ${sidecarOf(name)} s on s.id = f.record`
  return `select ${['f.place', 'f.seq', 'f.bytes', 'f.record', 'f.version', ...fields, ...documents].join(', ')}
  from _feed f join ${quoted(name)} r on r.id = f.record ${sidecar}
  where f.scope = any($1::text[]) and f.place <= $2::bigint and f.collection = '${name}' and f.state = 'present'
  order by f.place, f.seq`
}

const goneSql = `
  select distinct on (f.collection, f.record) f.collection, f.record, f.version, f.state from _feed f
  where f.scope = any($1::text[]) and f.place <= $2::bigint and f.state <> 'present' and not exists (
    select from _feed o
    where o.scope = any($1::text[]) and o.collection = f.collection and o.record = f.record and o.state = 'present'
  )
  order by f.collection, f.record, f.version desc`
