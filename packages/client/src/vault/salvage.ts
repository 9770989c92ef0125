/**
 * What can still be read of the queue in a broken database: operations that were written in the moment before it broke may not be in
 * the second copy yet. A part that cannot be read costs only itself.
 */
import { parseJson } from '@holdfast/core'
import type { OpenDriver } from '../ports/open-driver.ts'
import type { KeptOperation } from '../ports/queue-copy.ts'
import type { SqliteDriver, SqliteRow } from '../ports/sqlite-driver.ts'
import { parseKeptOperations } from './parse-kept.ts'

export async function salvageQueue(openDriver: OpenDriver): Promise<readonly KeptOperation[]> {
  let driver: SqliteDriver
  try {
    driver = await openDriver()
  } catch {
    return []
  }
  const found = [selectWaiting, selectRefused].flatMap((sql) => readRows(driver, sql))
  try {
    driver.close()
  } catch {
    // It is set aside in any case.
  }
  return parseKeptOperations(found).filter(isJson)
}

/** Row by row where it cannot be read as a whole. From both ends, so that one broken page in between does not hide what comes behind it. */
function readRows(driver: SqliteDriver, sql: string): readonly object[] {
  try {
    return driver.all(sql).map(asKept)
  } catch {
    // What follows finds what it can.
  }
  const rows = [
    ...readUntilBroken((seq) => driver.all(`${sql} and seq > ? order by seq limit 1`, [seq]), 0),
    ...readUntilBroken(
      (seq) => driver.all(`${sql} and seq < ? order by seq desc limit 1`, [seq]),
      Number.MAX_SAFE_INTEGER,
    ),
  ]
  return [...new Map(rows.map((row) => [row[1], row])).values()].map(asKept)
}

function readUntilBroken(next: (seq: number) => readonly SqliteRow[], start: number): readonly SqliteRow[] {
  const rows: SqliteRow[] = []
  let seq = start
  try {
    for (;;) {
      const row = next(seq)[0]
      if (row === undefined || typeof row[0] !== 'number' || row[0] === seq) return rows
      rows.push(row)
      seq = row[0]
    }
  } catch {
    return rows
  }
}

function asKept([seq, id, text, code, field, problem, refusedAt]: SqliteRow): object {
  return { seq, id, text, refused: code === null ? null : { code, field, problem, refusedAt } }
}

function isJson({ text }: KeptOperation): boolean {
  try {
    parseJson(text, 'an operation')
    return true
  } catch {
    return false
  }
}

const selectWaiting = `select seq, id, operation, null, null, null, null from _outbox where state <> 'acknowledged'`
const selectRefused = `select seq, id, operation, code, field, problem, "refusedAt" from _inbox where "discardedAt" is null`
