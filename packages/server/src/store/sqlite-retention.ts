/**
 * Pruning of the embedded database: one pass over each table in the order of its key, in small transactions, so that nobody waits long
 * for the writer. It needs no index of its own, which every write would pay for.
 */
import type { Schema } from '@holdfast/core'
import type { Pruned } from '../ports/server-store.ts'
import { dayMs } from '../retention/days.ts'
import { neededSql } from './pruning.ts'
import type { Connection, SqlRow } from './sqlite-connection.ts'
import { metaOf, setMeta } from './sqlite-lives.ts'
import { sidecarOf } from './sqlite-tables.ts'

/** Runs a step in a transaction of its own; others have their turn between two. */
export type Step = <T>(work: (writer: Connection) => T) => Promise<T>

/** Inside a transaction. The first note of a day stands. */
export function noteDay(writer: Connection, day: number): void {
  if (day < prunedDayOf(writer)) return
  // A clock a little ahead of another one is no jump.
  writer.run('delete from _days where day > ?', [day + 1])
  writer.run('insert into _days (day, place) values (?, ?) on conflict do nothing', [
    day,
    Number(metaOf(writer, 'place')),
  ])
}

export function dayBefore(connection: Connection, noted: number): number | null {
  const row = connection.first('select day from _days order by day desc limit 1 offset ?', [noted])
  return row === undefined ? null : Number(row[0])
}

/** Inside a transaction. */
export function forgetBefore(writer: Connection, day: number): void {
  if (day > prunedDayOf(writer)) setMeta(writer, 'prunedDay', String(day))
}

export function prunedDayOf(connection: Connection): number {
  return Number(metaOf(connection, 'prunedDay') ?? 0)
}

export async function prune(schema: Schema, step: Step): Promise<Pruned> {
  const { day, place, isDone } = await step((writer) => {
    const day = prunedDayOf(writer)
    const place = writer.first('select place from _days where day < ? order by day desc limit 1', [day])?.[0]
    return { day, place: Number(place ?? 0), isDone: Number(metaOf(writer, 'prunedTo') ?? 0) >= day }
  })
  if (isDone) return { entries: 0, records: 0, operations: 0, devices: 0 }
  const needed = neededSql(schema)
  let [entries, records] = [0, 0]
  await inSteps(step, feedKey, (writer, range) => {
    const gone = writer.all(deleteEntries(range, needed), [...range.bounds, place])
    entries += gone.length
    for (const [collection, ids] of deletedOf(schema, gone)) {
      records += writer.all(deleteSidecars(collection), [JSON.stringify(ids)]).length
    }
  })
  const before = day * dayMs
  const operations = await pruneOlder(step, operationsKey, '"receivedAt"', before)
  const devices = await pruneOlder(step, devicesKey, '"seenAt"', before)
  await step((writer) => {
    writer.run('delete from _days where day < (select max(day) from _days where day < ?)', [day])
    setMeta(writer, 'prunedTo', String(day))
  })
  return { entries, records, operations, devices }
}

async function pruneOlder(step: Step, key: Key, column: string, before: number): Promise<number> {
  let count = 0
  await inSteps(step, key, (writer, range) => {
    const sql = `delete from ${key.table} as f where ${range.sql} and ${column} < ? returning 1`
    count += writer.all(sql, [...range.bounds, before]).length
  })
  return count
}

interface Key {
  readonly table: string
  readonly columns: readonly string[]
}

const feedKey: Key = { table: '_feed', columns: ['scope', 'collection', 'record'] }
const operationsKey: Key = { table: '_operations', columns: ['user', 'id'] }
const devicesKey: Key = { table: '_devices', columns: ['user', 'device'] }

interface Range {
  readonly sql: string
  readonly bounds: readonly string[]
}

/** Rows of one step: some ten milliseconds. */
const stepRows = 500

async function inSteps(step: Step, key: Key, work: (writer: Connection, range: Range) => void): Promise<void> {
  const tuple = `(${key.columns.join(', ')})`
  const marks = `(${key.columns.map(() => '?').join(', ')})`
  const endSql = `select ${key.columns.join(', ')} from ${key.table} where ${tuple} > ${marks} order by ${key.columns.join(', ')} limit 1 offset ${stepRows}`
  let from: readonly string[] | null = key.columns.map(() => '')
  while (from !== null) {
    const start: readonly string[] = from
    from = await step((writer) => {
      const end = writer.first(endSql, [...start])?.map(String) ?? null
      const [sql, bounds] =
        end === null
          ? [`${tuple} > ${marks}`, start]
          : [`${tuple} > ${marks} and ${tuple} <= ${marks}`, [...start, ...end]]
      work(writer, { sql, bounds })
      return end
    })
  }
}

function deletedOf(schema: Schema, gone: readonly SqlRow[]): ReadonlyMap<string, readonly string[]> {
  // Every record lies in 'all', and its entry there moves with each change: the newest that there is of it.
  const deleted = gone.filter(
    ([collection, , state, scope]) =>
      scope === 'all' && state === 'deleted' && Object.hasOwn(schema.collections, String(collection)),
  )
  const byCollection = Map.groupBy(deleted, ([collection]) => String(collection))
  return new Map([...byCollection].map(([collection, rows]) => [collection, rows.map(([, record]) => String(record))]))
}

function deleteEntries({ sql }: Range, needed: string): string {
  return `delete from _feed as f where ${sql} and f.state <> 'present' and f.place <= ? and not ${needed}
    returning collection, record, state, scope`
}

function deleteSidecars(collection: string): string {
  return `delete from ${sidecarOf(collection)} where state = 'deleted' and id in (select value from json_each(?)) returning 1`
}
