/**
 * A database that another version of the engine has made: what it lacks is said when the server starts, and not by the first request that
 * meets it. The tables of the engine hold what cannot be made up afterwards, so nothing is added to them.
 */
import { declaredTable, UsageError } from '@holdfast/core'

/**
 * @param declared `create table` statements of the tables of the engine.
 * @param present columns by table.
 */
export function refuseMissingColumns(
  declared: readonly string[],
  present: ReadonlyMap<string, { has(column: string): boolean }>,
): void {
  for (const sql of declared) {
    const table = declaredTable(sql)
    const columns = table && present.get(table.name)
    const missing = columns && table.columns.find(({ name }) => !columns.has(name))
    if (missing) throw missingColumn(table.name, missing.name)
  }
}

export function missingColumn(table: string, column: string): UsageError {
  return new UsageError(
    `The database has no column ${table}.${column}, which this version needs: another version has made it. Start over with an empty database (the demo: npm start -- --reset), or go on with the version that made this one.`,
  )
}
