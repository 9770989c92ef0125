/** Search as a condition of a query. */
import { searchQuery, searchTable } from '@holdfast/core'
import { type RawBuilder, type SqlBool, sql } from 'kysely'

/**
 * True for the records of a collection whose search fields hold what was typed: each word begins a word there, or ends a number. What
 * holds nothing to search for (no letter, no digit) filters nothing.
 *
 * @param alias the name of the collection's table in the query, where it is not its own.
 * @example
 * db.query((q) => q.selectFrom('leads').selectAll().where(matches('leads', 'mona')).orderBy('name').limit(50))
 */
export function matches(collection: string, typed: string, alias: string = collection): RawBuilder<SqlBool> {
  const found = searchQuery(typed)
  if (found === null) return sql<SqlBool>`true`
  const index = sql.table(searchTable(collection))
  return sql<SqlBool>`${sql.ref(`${alias}.rowid`)} in (select rowid from ${index} where ${index} match ${found})`
}
