/**
 * A pull that finds out what has gone without being told: for a device that was away for longer than the server remembers, or whose server
 * was restored from a backup. All pages are staged; with the last one, in its transaction, they replace what is here, and what did not come
 * goes, but for what this device has made itself and not sent.
 *
 * DP1  [I-24] Until then everything is shown as it was, and work goes on.
 * DP2  What did not come is no row of the server any more, or none that this user may see: nobody can tell, so it leaves no trace, as
 *      what left (purge.ts). A question about a record that is still here was settled meanwhile; the side of one whose record has gone is kept
 *      in the inbox (left-conflicts.ts).
 */
import { type CollectionChanges, conflictsCollection, type GoneRecord, quoted, type RecordId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { applyChanges } from './apply-changes.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { conflictsGone } from './left-conflicts.ts'
import { forgetReflected } from './outbox.ts'
import { noteLeft } from './purge.ts'
import { takeStaged } from './staged.ts'

/** What is known of the server's versions ends: they are of another life, or it is to be seen which rows come. Inside a transaction. */
export function forgetVersions({ driver, tables }: StoreContext): void {
  for (const name of tables.keys()) {
    driver.run(`update ${quoted(name)} set "$version" = 0 where "$version" <> 0`)
  }
  driver.run('update _confirmed set version = 0 where version <> 0')
}

/** With the last page; inside a transaction. */
export function applyDiffering(
  context: StoreContext,
  last: readonly CollectionChanges[],
  nowMs: number,
  touched: Touched,
  written: Written,
): void {
  forgetVersions(context)
  const take = (pages: readonly CollectionChanges[]) =>
    applyChanges(
      context,
      pages.map((page) => withoutSame(context, page)),
      nowMs,
      touched,
      written,
    )
  takeStaged(context.driver, take)
  take(last)
  forgetReflected(context.driver, null)
  // Questions first: whether their record has come decides what becomes of them.
  const names = [...context.tables.keys()].sort((a, b) => order(a) - order(b))
  for (const name of names) removeAbsent(context, name, nowMs, touched, written)
}

/** Most of it is here as it is. */
function withoutSame({ tables }: StoreContext, page: CollectionChanges): CollectionChanges {
  // Questions change what is shown of their records, also where they are the same.
  const table = page.collection === conflictsCollection ? undefined : tables.get(page.collection)
  return table === undefined ? page : { ...page, rows: table.bulk.takeSame(page.columns, page.rows) }
}

function order(name: string): number {
  return name === conflictsCollection ? 0 : 1
}

function removeAbsent(context: StoreContext, name: string, nowMs: number, touched: Touched, written: Written): void {
  const { driver, tables } = context
  const absent = ids(driver, absentSql(name), [name])
  const gone = absent.map((record): GoneRecord => ({ record, version: 0, why: 'left' }))
  if (name === conflictsCollection) {
    const settled = new Set(absent.filter((id) => isRecordHere(context, id)))
    const told = gone.map((one) => (settled.has(one.record) ? { ...one, why: 'deleted' as const } : one))
    conflictsGone(context, told, nowMs, touched, written)
  }
  tables.get(name)?.bulk.remove(gone)
  noteLeft(context, { collection: name, columns: [], rows: [], gone }, written)
  // Of a record with unsettled operations the confirmed row alone has gone.
  driver.run(`update _confirmed set "row" = null where collection = ? and version = 0`, [name])
  for (const record of ids(driver, 'select record from _confirmed where collection = ?', [name])) {
    touch(touched, name, record)
  }
  written.add(name)
}

/** Whether the record that a question is about has come. */
function isRecordHere({ driver, tables }: StoreContext, conflict: RecordId): boolean {
  const [about] = driver.all(`select collection, record from ${quoted(conflictsCollection)} where id = ?`, [conflict])
  const collection = String(about?.[0])
  if (!tables.has(collection)) return false
  return driver.all(hereSql(collection), [String(about?.[1])]).length > 0
}

function ids(driver: SqliteDriver, sql: string, parameters: readonly string[]): readonly RecordId[] {
  return driver.all(sql, parameters).map(([id]) => String(id))
}

const absentSql = (name: string) => `select id from ${quoted(name)} as l where "$version" = 0
and not exists (select 1 from _confirmed as c where c.collection = ? and c.record = l.id)`
const hereSql = (name: string) => `select 1 from ${quoted(name)} as l where id = ?1 and "$version" > 0
union all select 1 from _confirmed where collection = '${name}' and record = ?1 and version > 0`
