/**
 * The next entries of scopes that leave a device, from Postgres, in one snapshot.
 *
 * PV1  Up to the horizon the entries are gone through in order, page after page: whatever commits later comes behind. A scope ends in the
 *      snapshot in which the last of them was told together with every visible entry above the horizon, since those the device may
 *      have too. Where there are more of the latter than a page holds, they wait for the horizon, and the scope does not end.
 */
import type { PageRequest, ScopePosition } from '../ports/server-store.ts'
import type { LeavingMark, LeavingStep } from './leaving.ts'
import type { Session } from './postgres-sessions.ts'

export async function readLeaving(
  session: Session,
  { positions, leaving, rowsMax }: Pick<PageRequest, 'positions' | 'leaving' | 'rowsMax'>,
): Promise<LeavingStep> {
  const from = startsOf(leaving)
  const rows = await session.all(entriesSql, [...from, rowsMax, positions.map(({ scope }) => scope)])
  const entries = rows.flatMap(entryOf)
  const horizon = Number(rows[0]?.[0])
  const below = entries.filter(({ isAbove }) => !isAbove)
  const above = entries.filter(({ isAbove }) => isAbove)
  // The order of the rows is that of the scopes, and within one that of the feed: without the last it is still a beginning of each.
  const isCut = below.length > rowsMax
  const told = isCut ? below.slice(0, rowsMax) : below
  const fitsBeside = !isCut && above.length + below.length <= rowsMax
  const taken = fitsBeside ? entries : told
  return {
    marks: taken.flatMap(({ mark, isHeld }) => (isHeld ? [] : [mark])),
    taken: taken.length,
    rest: fitsBeside ? [] : movedTo(leaving, told),
    horizon,
    remaining: isCut ? Number((await session.all(countSql, from))[0]?.[0]) : entries.length,
  }
}

interface Entry {
  readonly isAbove: boolean
  /** Of the asked scopes, from 1. */
  readonly ordinal: number
  readonly mark: LeavingMark
  readonly place: number
  readonly seq: number
  /** Another scope of the request holds the record, or tells that it was deleted. */
  readonly isHeld: boolean
}

function entryOf([, isAbove, ordinal, collection, record, version, place, seq, isHeld]: readonly unknown[]): Entry[] {
  if (collection === null) return []
  return [
    {
      isAbove: isAbove === true,
      ordinal: Number(ordinal),
      mark: { collection: String(collection), record: String(record), version: Number(version) },
      place: Number(place),
      seq: Number(seq),
      isHeld: isHeld === true,
    },
  ]
}

function movedTo(leaving: readonly ScopePosition[], told: readonly Entry[]): readonly ScopePosition[] {
  const last = new Map(told.map(({ ordinal, place, seq }) => [ordinal, { place, seq }]))
  return leaving.map((scope, index) => ({ ...scope, ...last.get(index + 1) }))
}

function startsOf(leaving: readonly ScopePosition[]) {
  return [leaving.map(({ scope }) => scope), leaving.map(({ place }) => place), leaving.map(({ seq }) => seq)] as const
}

const askedSql = 'unnest($1::text[], $2::bigint[], $3::bigint[]) with ordinality as a(scope, place, seq, ordinal)'

const entriesSql = `
  with horizon as (
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as place
  ), taken as (
    (select false as above, a.ordinal, f.* from ${askedSql} cross join lateral (
      select f.collection, f.record, f.version, f.place, f.seq from _feed f
      where f.scope = a.scope and (f.place, f.seq) > (a.place, a.seq) and f.place <= (select h.place from horizon h)
      order by f.place, f.seq limit $4 + 1
    ) f limit $4 + 1)
    union all
    (select true, a.ordinal, f.* from ${askedSql} cross join lateral (
      select f.collection, f.record, f.version, f.place, f.seq from _feed f
      where f.scope = a.scope and f.place > (select h.place from horizon h)
      order by f.place, f.seq limit $4 + 1
    ) f limit $4 + 1)
  )
  select h.place, t.above, t.ordinal, t.collection, t.record, t.version, t.place, t.seq, exists (
    select from _feed o
    where o.scope = any($5::text[]) and o.collection = t.collection and o.record = t.record
      and (o.state = 'present' or (o.state = 'deleted' and o.version >= t.version))
  )
  from horizon h left join taken t on true
  order by t.above, t.ordinal, t.place, t.seq`

const countSql = `
  select count(*) from ${askedSql} join _feed f on f.scope = a.scope and (f.place, f.seq) > (a.place, a.seq)`
