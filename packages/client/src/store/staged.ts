/**
 * Pages of a pull whose last page has not come yet: rows move forward between pages, so that page by page would show half of a
 * transaction. They are kept as texts with the cursor after them, so that a killed pull goes on where it was.
 */
import { type CollectionChanges, parseSyncReply } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'

export function stage(driver: SqliteDriver, changes: readonly CollectionChanges[]): void {
  if (changes.length > 0) driver.run(insertPage, [JSON.stringify(changes.map(toWire))])
}

/** Calls with each page in order, one in memory at a time, and forgets them. */
export function takeStaged(driver: SqliteDriver, apply: (changes: readonly CollectionChanges[]) => void): void {
  for (const [page] of driver.all(selectPages)) {
    const text = driver.all(selectPage, [page ?? 0])[0]?.[0]
    apply(parsePage(String(text)))
  }
  driver.run(deletePages)
}

/** Each page in another form. */
export function changeStaged(
  driver: SqliteDriver,
  change: (changes: readonly CollectionChanges[]) => readonly CollectionChanges[],
): void {
  for (const [page] of driver.all(selectPages)) {
    const text = driver.all(selectPage, [page ?? 0])[0]?.[0]
    driver.run(updatePage, [JSON.stringify(change(parsePage(String(text))).map(toWire)), page ?? 0])
  }
}

function toWire(changes: CollectionChanges) {
  return { ...changes, gone: changes.gone.map(({ record, version, why }) => [record, version, why]) }
}

function parsePage(text: string): readonly CollectionChanges[] {
  const changes: unknown = JSON.parse(text)
  // The wire's own parser: a page is what a reply held.
  return parseSyncReply({ generation: 'none', serverTime: 0, through: 0, changes }).changes
}

const insertPage = 'insert into _staged (changes) values (?)'
const selectPages = 'select page from _staged order by page'
const selectPage = 'select changes from _staged where page = ?'
const updatePage = 'update _staged set changes = ? where page = ?'
const deletePages = 'delete from _staged'
