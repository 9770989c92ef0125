/**
 * Which life of the Postgres database this is, and whether it is the database that was served here.
 *
 * PL1  The identity of a database is its cluster's system identifier and its own oid: a copy, and a dump that was loaded elsewhere, are
 *      refused until an operator has said that they are to be served.
 * PL2  A cluster that was recovered to a point in time, or a standby that took over, has the identity of the old one and another timeline:
 *      a life starts by itself, since commits may be missing.
 * PL3  [I-9] What a life shares with its parent is what lies up to the horizon that was noted last before the fork. Transactions commit
 *      in another order than that of their ids, so the highest id that is there would not do.
 * PL4  A dump that was loaded into a cluster with lower transaction ids would hide new commits behind old ones: its entries get the
 *      place of the transaction that starts the life, in their old order, and nothing is shared.
 */
import { parseGeneration, UsageError } from '@holdfast/core'
import type { Fork } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { type CurrentLife, lifeOf } from './lineage.ts'
import type { Session } from './postgres-sessions.ts'

export async function readLife(session: Session): Promise<CurrentLife> {
  const [row] = await session.all(`select value from _meta where key = 'generation'`)
  const generation = parseGeneration(row?.[0])
  const lives = (await session.all('select id, parent, fork, at from _generations')).map(([id, parent, fork, at]) => ({
    id: String(id),
    parent: parent === null ? null : String(parent),
    fork: Number(fork),
    bornMs: Number(at),
  }))
  return lifeOf(lives, generation)
}

/** Inside the transaction of the opening, under its lock. */
export async function meetIdentity(
  session: Session,
  { place, system, restored }: { readonly place: number; readonly system: System; readonly restored: Fork | null },
): Promise<void> {
  const [[identity = '', timeline = ''] = []] = await session.all(identitySql)
  const meta = new Map((await session.all(`select key, value from _meta`)).map(([key, value]) => [key, value]))
  const known = meta.get('identity')
  if (known === undefined) {
    const generation = newId(system)
    await session.all(addLifeSql, [generation, '', 0, system.nowMs()])
    await setMeta(session, { generation, identity: String(identity), timeline: String(timeline) })
  } else if (restored !== null) {
    await setMeta(session, { identity: String(identity) })
    await startLife(session, { place, system, fork: restored })
  } else if (known !== identity) {
    throw new UsageError(
      'This is not the database that was served here: it was copied, or restored from a backup. Say so with "holdfast restored": devices then send again what the backup does not have. Or name the other database.',
    )
  } else if (meta.get('timeline') !== timeline) {
    await startLife(session, { place, system, fork: 'head' })
  }
}

/** Inside a transaction of this place that holds the lock of the opening. */
export async function startLife(
  session: Session,
  { place, system, fork }: { readonly place: number; readonly system: System; readonly fork: Fork },
): Promise<void> {
  const [[parent = null, noted = 0, timeline = ''] = []] = await session.all(beforeSql)
  const isAhead = await renumber(session, place)
  const common = fork === 'head' && !isAhead ? Number(noted) : 0
  const generation = newId(system)
  await session.all(addLifeSql, [generation, String(parent), common, system.nowMs()])
  await setMeta(session, { generation, timeline: String(timeline) })
}

/** PL4. Outcomes name places too: one that is sent again is answered with a place that its device can reach. */
async function renumber(session: Session, place: number): Promise<boolean> {
  await session.all('lock table _feed in exclusive mode')
  const [[head = 0] = []] = await session.all('select coalesce(max(place), 0) from _feed')
  if (Number(head) < place) return false
  await session.all(renumberSql, [place])
  await session.all(
    `update _operations set outcome = regexp_replace(outcome, '"place":[0-9]+', '"place":' || $1::text)`,
    [String(place)],
  )
  await session.all('update _days set place = 0')
  await setMeta(session, { noted: '0' })
  return true
}

/** The life, the horizon and what was pruned, in one look; `isElsewhere`: of another timeline than the life. */
export async function readStanding(session: Session): Promise<{
  readonly horizon: number
  readonly generation: string
  readonly prunedDay: number
  readonly isElsewhere: boolean
}> {
  const [row = []] = await session.all(standingSql)
  const [horizon, generation, prunedDay, isElsewhere] = row
  return {
    horizon: Number(horizon),
    generation: String(generation),
    prunedDay: Number(prunedDay),
    isElsewhere: isElsewhere === true,
  }
}

export async function setMeta(session: Session, values: Readonly<Record<string, string>>): Promise<void> {
  await session.all(setMetaSql, [JSON.stringify(Object.entries(values).map(([key, value]) => ({ key, value })))])
}

function newId(system: System): string {
  return Buffer.from(system.randomBytes(8)).toString('hex')
}

export const timelineSql = 'left(pg_walfile_name(pg_current_wal_lsn()), 8)'
const identitySql = `select
  (select system_identifier::text from pg_control_system()) || ':' ||
    (select oid::text from pg_database where datname = current_database()),
  ${timelineSql}`
const beforeSql = `select
  (select value from _meta where key = 'generation'), (select value from _meta where key = 'noted'), ${timelineSql}`
const standingSql = `select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1,
  (select value from _meta where key = 'generation'),
  coalesce((select value from _meta where key = 'prunedDay'), '0'),
  (select value from _meta where key = 'timeline') is distinct from ${timelineSql}`
const addLifeSql = `insert into _generations (id, parent, fork, at) values ($1, nullif($2, ''), $3, $4)`
const setMetaSql = `insert into _meta (key, value)
  select m.key, m.value from json_to_recordset($1::json) as m(key text, value text)
  on conflict (key) do update set value = excluded.value`
const renumberSql = `update _feed f set place = $1, seq = o.seq
  from (select scope, collection, record, row_number() over (order by place, seq) as seq from _feed) o
  where f.scope = o.scope and f.collection = o.collection and f.record = o.record`
