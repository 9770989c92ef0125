/** Cold start at the raw limit: the bare worker opens its database and answers the list. */
import { leadColumns, listJsonSql } from '../raw/device-rows.ts'
import { type ColdTimes, coldQuery, paint, rawDirectoryKey } from './cold.ts'
import { startRaw } from './raw.ts'

globalThis.holdfastCold = start()

async function start(): Promise<ColdTimes> {
  const raw = startRaw()
  void raw.ask({ kind: 'open', directory: localStorage.getItem(rawDirectoryKey) ?? '' })
  const rows: unknown[][] = JSON.parse(
    await raw.ask({ kind: 'text', sql: listJsonSql, parameters: [coldQuery.owner, coldQuery.stage] }),
  )
  const nameAt = leadColumns.indexOf('name')
  paint(rows.map((row) => row[nameAt]))
  const atMs = performance.now()
  return { listMs: atMs, databaseMs: atMs }
}
