/**
 * The next entries of scopes that leave a device, from the embedded store, in the caller's read transaction. In steps, with the event loop
 * free in between, as a page.
 */
import type { PageRequest, ScopePosition } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import type { LeavingMark, LeavingStep } from './leaving.ts'
import type { Connection } from './sqlite-connection.ts'

export async function readLeaving(
  connection: Connection,
  { positions, leaving, rowsMax }: Pick<PageRequest, 'positions' | 'leaving' | 'rowsMax'>,
  system: System,
): Promise<LeavingStep> {
  const held = JSON.stringify(positions.map(({ scope }) => scope))
  const marks: LeavingMark[] = []
  let rest = leaving
  let taken = 0
  while (taken < rowsMax) {
    const [scope, ...others] = rest
    if (scope === undefined) break
    const entriesMax = Math.min(rowsMax - taken, stepRowsMax)
    const entries = connection.all(entriesSql, [...boundsOf(scope), held, entriesMax])
    for (const [collection, record, version, , , isHeld] of entries) {
      if (isHeld === 0) {
        marks.push({ collection: String(collection), record: String(record), version: Number(version) })
      }
    }
    const last = entries.at(-1)
    taken += entries.length
    rest =
      last === undefined || entries.length < entriesMax
        ? others
        : [{ ...scope, place: Number(last[3]), seq: Number(last[4]) }, ...others]
    if (rest.length > 0) await system.breathe()
  }
  const remaining = rest.reduce((sum, scope) => sum + countOf(connection, scope), taken)
  return { marks, taken, rest, horizon: Number(connection.first(throughSql, [])?.[0] ?? 0), remaining }
}

/** A few milliseconds. */
const stepRowsMax = 1_000

function boundsOf({ scope, place, seq }: ScopePosition): readonly [string, number, number] {
  return [scope, place, seq]
}

function countOf(connection: Connection, scope: ScopePosition): number {
  return Number(connection.first(countSql, boundsOf(scope))?.[0] ?? 0)
}

const entriesSql = `select f.collection, f.record, f.version, f.place, f.seq, exists (
    select 1 from json_each(?4) s cross join _feed o
    on o.scope = s.value and o.collection = f.collection and o.record = f.record
    and (o.state = 'present' or (o.state = 'deleted' and o.version >= f.version))
  ) from _feed f indexed by _feed_order where f.scope = ?1 and (f.place, f.seq) > (?2, ?3) order by f.place, f.seq limit ?5`

const countSql = `select count(*) from _feed f indexed by _feed_order where f.scope = ?1 and (f.place, f.seq) > (?2, ?3)`
const throughSql = "select value from _meta where key = 'place'"
