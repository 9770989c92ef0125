/** The statements that ask where records stand, and what stands below them. */
import { type Collection, quoted } from '@holdfast/core'
import { childrenMax } from '../ports/server-store.ts'
import { sidecarOf } from './postgres-tables.ts'

export interface LocateStatements {
  /** Keeps records from moving: who writes them waits, who reads them does not. In the order of ids. */
  readonly lock: string
  /** Locks what is changed ($1) and keeps others ($2) from moving, in one order of ids. */
  readonly lockBoth: string
  /** The ids of their parents; of deleted ones, the last. A statement of its own, with a newer snapshot than the lock's. Null: they have none. */
  readonly parents: string | null
  /** Live records below the given ones ($1) after an id ($2), with what the feed says of them. */
  readonly children: string | null
}

export function locateStatements(name: string, { scope }: Collection): LocateStatements {
  const [table, sidecar] = [quoted(name), sidecarOf(name)]
  const lock = `select id, version, state from ${sidecar} where id = any($1::text[]) order by id for share`
  // What locks in a lateral query does so for one id after the other.
  const lockBoth = `select from (
      select id, bool_or(changed) as changed
      from (select unnest($1::text[]) as id, true as changed union all select unnest($2::text[]), false) given group by id order by id
    ) k
    left join lateral (select from ${sidecar} s where k.changed and s.id = k.id for update) c on true
    left join lateral (select from ${sidecar} s where not k.changed and s.id = k.id for share) l on true`
  if (scope.kind === 'own') return { lock, lockBoth, parents: null, children: null }
  const field = quoted(scope.field)
  return {
    lock,
    lockBoth,
    parents: `select s.id, case when s.state = 'live' then r.${field} else s."values" -> 'fields' ->> '${scope.field}' end
      from ${sidecar} s left join ${table} r on r.id = s.id where s.id = any($1::text[])`,
    // Of one row and not a join: that could be answered by a hash of the whole feed.
    children: `select r.id, r.${field}, coalesce(f.version, 0), coalesce(f.bytes, 0) from (
        select id, ${field} from ${table} where ${field} = any($1::text[]) and id > $2 order by id limit ${childrenMax}
      ) r left join lateral (
        select e.version, e.bytes from _feed e where e.record = r.id and e.collection = '${name}' and e.scope = 'all' limit 1
      ) f on true order by r.id`,
  }
}

/** Of records of one collection: every scope that ever held them, and what became of them in it. */
export const locateSql = `
  select f.record, f.scope, f.state, f.version from _feed f
  where f.record = any($2::text[]) and f.collection = $1 and f.state <> 'left'`
