/** Full-text search by what a person typed. */
import { quoted, type RecordId, searchQuery, searchTable } from '@holdfast/core'
import type { SqliteDriver, SqliteValue } from '../ports/sqlite-driver.ts'

/**
 * A condition for a query over a collection's own table, or null when nothing can be searched in what was typed.
 *
 * @example
 * searchCondition('leads', 'mona') // { sql: 'rowid in (select rowid from "_search_leads" where "_search_leads" match ?)', parameters: ['"mona"*'] }
 */
export function searchCondition(
  collection: string,
  typed: string,
): { readonly sql: string; readonly parameters: readonly SqliteValue[] } | null {
  const match = searchQuery(typed)
  if (match === null) return null
  const table = quoted(searchTable(collection))
  return { sql: `rowid in (select rowid from ${table} where ${table} match ?)`, parameters: [match] }
}

export function search(driver: SqliteDriver, collection: string, typed: string, limit: number): readonly RecordId[] {
  const match = searchQuery(typed)
  if (match === null) return []
  return driver.all(selectBest(collection), [match, limit]).map(([id]) => String(id))
}

// The best are found before rows are looked up.
function selectBest(collection: string): string {
  const table = quoted(searchTable(collection))
  return `select l.id from (select rowid from ${table} where ${table} match ? order by rank limit ?) as s
cross join ${quoted(collection)} as l on l.rowid = s.rowid`
}
