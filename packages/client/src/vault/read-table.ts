/** A table of a database that may be broken: as a whole, or else what can be read of it. */
import type { SqliteDriver, SqliteRow, SqliteValue } from '../ports/sqlite-driver.ts'

export interface Table {
  /** A query that ends in a condition, and whose first column is `key`. */
  readonly sql: string
  /** A column that is unique. All its values lie between `from` and `to`. */
  readonly key: string
  readonly from: SqliteValue
  readonly to: SqliteValue
}

/** Behind every text but those that begin with the last character of Unicode. */
export const lastText = '\u{10ffff}'

export interface TableRead {
  readonly rows: readonly SqliteRow[]
  /** Why it could not be read as a whole; null: it was. */
  readonly error: unknown
}

/** Row by row where it cannot be read as a whole. From both ends, so that one broken page in between does not hide what comes behind it. */
export function readTable(driver: SqliteDriver, { sql, key, from, to }: Table): TableRead {
  try {
    return { rows: driver.all(`${sql} order by ${key}`), error: null }
  } catch (error) {
    const rows = [
      ...readUntilBroken((last) => driver.all(`${sql} and ${key} > ? order by ${key} limit 1`, [last]), from),
      ...readUntilBroken((last) => driver.all(`${sql} and ${key} < ? order by ${key} desc limit 1`, [last]), to),
    ]
    return { rows: [...new Map(rows.map((row) => [row[0], row])).values()], error }
  }
}

function readUntilBroken(next: (last: SqliteValue) => readonly SqliteRow[], start: SqliteValue): readonly SqliteRow[] {
  const rows: SqliteRow[] = []
  let last = start
  try {
    for (;;) {
      const row = next(last)[0]
      if (row === undefined || row[0] === undefined || row[0] === last) return rows
      rows.push(row)
      last = row[0]
    }
  } catch {
    return rows
  }
}
