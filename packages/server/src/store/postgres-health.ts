/**
 * How the feed of a Postgres store stands, and who holds it. The horizon of the feed is the oldest open transaction that has written
 * anything, in any database of the cluster: until it ends, nothing that was committed after its start reaches a device.
 *
 * The holder is found by the lock that every writing transaction has on its own id: `pg_locks` shows it to every role, whereas
 * `pg_stat_activity` shows a role without `pg_monitor` little more than pid, user and program of other roles' sessions.
 */
import type { FeedHolder } from '../ports/server-store.ts'
import type { Session } from './postgres-sessions.ts'

/** `horizon`: the place below which nothing is open; `head`: the next place that would be given. */
export async function readFeedState(
  session: Session,
): Promise<{ readonly horizon: number; readonly head: number; readonly holder: FeedHolder | null }> {
  const [row] = await session.all(feedStateSql)
  const [horizon = 0, head = 0] = (row ?? []).slice(0, 2).map(Number)
  const [pid, user, database, application, prepared] = (row ?? []).slice(2)
  if (horizon >= head || (typeof pid !== 'number' && typeof prepared !== 'string'))
    return { horizon, head, holder: null }
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  return {
    horizon,
    head,
    holder: {
      pid: typeof pid === 'number' ? pid : null,
      user: text(user),
      database: text(database),
      application: text(application),
      prepared: typeof prepared === 'string' ? prepared : null,
    },
  }
}

// An xid of 64 bits has the epoch above; locks and prepared transactions name its lower half.
const feedStateSql = `
  with now as materialized (
    select pg_snapshot_xmin(s)::text::bigint as horizon, pg_snapshot_xmax(s)::text::bigint as head,
      ((pg_snapshot_xmin(s)::text::bigint) & 4294967295)::text::xid as oldest
    from pg_current_snapshot() s
  )
  select n.horizon, n.head, l.pid, coalesce(a.usename::text, p.owner::text), coalesce(a.datname::text, p.database::text),
    a.application_name, p.gid
  from now n
  left join pg_locks l on l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted and l.transactionid = n.oldest
  left join pg_stat_activity a on a.pid = l.pid
  left join pg_prepared_xacts p on p.transaction = n.oldest
  limit 1`
