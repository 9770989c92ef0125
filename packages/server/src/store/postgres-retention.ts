/**
 * Pruning on Postgres: one pass over each table in the order of its pages, in small transactions. It needs no index of its own, which
 * every write would pay for. One process at a time does it, by an advisory lock that a step holds.
 */
import type { Schema } from '@holdfast/core'
import type { Pruned } from '../ports/server-store.ts'
import { dayMs } from '../retention/days.ts'
import { setMeta, timelineSql } from './postgres-lives.ts'
import type { Session, SqlRow } from './postgres-sessions.ts'
import { sidecarOf } from './postgres-tables.ts'
import { neededSql } from './pruning.ts'

/** Runs a step in a transaction of its own. */
export type Step = <T>(work: (session: Session) => Promise<T>) => Promise<T>

/** The horizon goes into `_meta` each time: what is common to this life and to one that is restored from a backup (PL3). */
export async function noteDay(session: Session, day: number): Promise<void> {
  await session.all(noteSql, [day])
  // A clock a little ahead of another one is no jump.
  await session.all(`delete from _days where day > $1::integer + 1 and $1::integer >= ${prunedDaySql}`, [day])
}

export async function dayBefore(session: Session, noted: number): Promise<number | null> {
  const [row] = await session.all('select day from _days order by day desc limit 1 offset $1', [noted])
  return row === undefined ? null : Number(row[0])
}

export async function forgetBefore(session: Session, day: number): Promise<void> {
  await session.all(forgetSql, [String(day)])
}

export async function prune(schema: Schema, step: Step): Promise<Pruned> {
  const nothing = { entries: 0, records: 0, operations: 0, devices: 0 }
  const [start] = await step((session) => session.all(startSql))
  const [day, place, isDone] = [Number(start?.[0]), Number(start?.[1]), start?.[2] === true]
  if (isDone) return nothing
  const needed = neededSql(schema)
  let [entries, records] = [0, 0]
  const isWhole = await inSteps(step, '_feed', async (session, range) => {
    const left = await session.all(deleteLeft, [...range, place])
    entries += left.length
    const dead = await session.all(deadSql, [...range, place])
    for (const [collection, ids] of idsByCollection(dead)) {
      const isKnown = Object.hasOwn(schema.collections, collection)
      // Locked before a later statement judges: a child that is being written holds its parent. What somebody holds has a day more.
      const own = isKnown ? (await session.all(lockSidecars(collection), [ids])).map(([id]) => String(id)) : ids
      const gone = await session.all(deleteEntries(needed), [collection, own, place])
      entries += gone.length
      const whole = [...new Set(gone.map(([record]) => String(record)))]
      if (isKnown) records += (await session.all(deleteSidecars(collection), [whole])).length
    }
  })
  if (!isWhole) return { ...nothing, entries, records }
  const before = day * dayMs
  const operations = await pruneOlder(step, '_operations', '"receivedAt"', before)
  const devices = await pruneOlder(step, '_devices', '"seenAt"', before)
  await step(async (session) => {
    await session.all('delete from _days where day < (select max(day) from _days where day < $1)', [day])
    await setMeta(session, { prunedTo: String(day) })
  })
  return { entries, records, operations, devices }
}

async function pruneOlder(step: Step, table: string, column: string, before: number): Promise<number> {
  const sql = `delete from ${table} where ${rangeSql} and ${column} < $3 returning 1`
  let count = 0
  await inSteps(step, table, async (session, range) => {
    count += (await session.all(sql, [...range, before])).length
  })
  return count
}

type Range = readonly [from: string, to: string]

/** Pages of one step: some ten thousand rows. */
const stepPages = 1_000

/** False: another process prunes. */
async function inSteps(
  step: Step,
  table: string,
  work: (session: Session, range: Range) => Promise<void>,
): Promise<boolean> {
  for (let from = 0; ; from += stepPages) {
    const pages = await step(async (session) => {
      const [row] = await session.all(lockSql, [table])
      if (row?.[0] !== true) return null
      await work(session, [`(${from},0)`, `(${from + stepPages},0)`])
      return Number(row[1])
    })
    if (pages === null) return false
    if (from + stepPages >= pages) return true
  }
}

function idsByCollection(rows: readonly SqlRow[]): ReadonlyMap<string, readonly string[]> {
  const byCollection = Map.groupBy(rows, ([collection]) => String(collection))
  return new Map([...byCollection].map(([collection, own]) => [collection, own.map(([, record]) => String(record))]))
}

const rangeSql = 'ctid >= $1::text::tid and ctid < $2::text::tid'

const deleteLeft = `delete from _feed as f where ${rangeSql} and f.state = 'left' and f.place <= $3 returning 1`

// Every record lies in 'all', and its entry there moves with each change: the newest that there is of it.
const deadSql = `select f.collection, f.record from _feed f
  where ${rangeSql} and f.scope = 'all' and f.state = 'deleted' and f.place <= $3`

/** In all of its scopes at once: a record is known where it was, or nowhere. */
function deleteEntries(needed: string): string {
  return `delete from _feed as f where f.collection = $1 and f.record = any($2::text[])
    and f.state <> 'present' and f.place <= $3 and not ${needed} returning f.record`
}

function lockSidecars(collection: string): string {
  return `select id from ${sidecarOf(collection)} where state = 'deleted' and id = any($1::text[]) for update skip locked`
}

function deleteSidecars(collection: string): string {
  return `delete from ${sidecarOf(collection)} where state = 'deleted' and id = any($1::text[]) returning 1`
}

/** Any number that no other program takes. */
const pruneLock = 46_533_279
const lockSql = `select pg_try_advisory_xact_lock(${pruneLock}),
  pg_relation_size($1::regclass) / current_setting('block_size')::bigint`
const prunedDaySql = `coalesce((select value from _meta where key = 'prunedDay'), '0')::bigint`
const startSql = `with m as (
    select ${prunedDaySql} as day,
      coalesce((select value from _meta where key = 'prunedTo'), '0')::bigint as done)
  select day, coalesce((select place from _days where _days.day < m.day order by _days.day desc limit 1), 0), done >= day from m`
// Not in a life that has not begun yet: what was noted after a fork is common to nobody.
const noteSql = `with horizon as (
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as place
    where ${timelineSql} = (select value from _meta where key = 'timeline')),
  noted as (
    insert into _meta (key, value) select 'noted', place::text from horizon
    on conflict (key) do update set value = excluded.value)
  insert into _days (day, place) select $1::integer, place from horizon where $1::integer >= ${prunedDaySql} on conflict (day) do nothing`
const forgetSql = `insert into _meta (key, value) values ('prunedDay', $1)
  on conflict (key) do update set value = excluded.value where _meta.value::bigint < excluded.value::bigint`
