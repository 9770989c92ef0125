/** The raw limit of a device in Node: `node:sqlite` with the settings, tables, indexes and search of a device, and nothing else. */
import { DatabaseSync } from 'node:sqlite'
import { deviceTables } from '@holdfast/core'
import { crm } from '../../apps/crm/src/schema.ts'
import { countSql, type DeviceRow, fillSearchSql, insertLeadSql, listJsonSql, settingsSql } from './device-rows.ts'

/** Rows in memory → durable, counted and listed. Milliseconds. */
export function loadRawDevice(file: string, rows: readonly DeviceRow[]): number {
  const start = performance.now()
  const database = new DatabaseSync(file)
  database.exec(settingsSql)
  database.exec('begin')
  const { tables, indexes } = deviceTables(crm)
  for (const sql of tables) database.exec(sql)
  const insert = database.prepare(insertLeadSql)
  for (const row of rows) insert.run(...row)
  for (const { sql } of indexes) database.exec(sql)
  database.exec(fillSearchSql)
  database.exec('commit')
  const count = database.prepare(`${countSql}`).get()
  database.prepare(listJsonSql).get('agent-7', 'visit')
  const elapsed = performance.now() - start
  database.close()
  if (count === undefined || Object.values(count)[0] !== rows.length)
    throw new Error('The limit did not load all rows.')
  return elapsed
}
