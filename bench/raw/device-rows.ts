/** The workload as rows of the device's tables, and the SQL that every limit shares. Runs in Node and in a browser. */
import { deviceColumns, quoted, searchTable } from '@holdfast/core'
import { crm } from '../../apps/crm/src/schema.ts'
import type { Lead } from '../workload.ts'

export type Value = string | number | null
export type DeviceRow = readonly Value[]

export const leadColumns = deviceColumns(crm.collections.leads)

/** A lead as a device holds it after its first sync, in the order of `leadColumns`. */
export function deviceRow(lead: Lead): DeviceRow {
  const known: { readonly [column: string]: Value } = {
    ...lead,
    $version: 1,
    visits: 0,
    $sync: 'synced',
    $pending: null,
  }
  return leadColumns.map((column) => known[column] ?? null)
}

const search = quoted(searchTable('leads'))
const quotedColumns = leadColumns.map(quoted).join(', ')

export const insertLeadSql = `insert into leads (${quotedColumns}) values (${leadColumns.map(() => '?').join(', ')})`

/** One JSON array of arrays in, all rows stored. */
export const insertLeadsJsonSql = `insert into leads (${quotedColumns})
  select ${leadColumns.map((_, index) => `value ->> ${index}`).join(', ')} from json_each(?)`

// The raw limit indexes the text as it is; ours folds Arabic letters and adds phone numbers reversed, and pays for it.
export const fillSearchSql = `insert into ${search} (rowid, text)
  select rowid, name || ' ' || phone || ' ' || notes from leads`

export const countSql = 'select count(*) from leads'

/** The list of every bench: 50 rows of one agent in one stage, newest first, as one JSON text. */
export const listJsonSql = `select json_group_array(json_array(${quotedColumns})) from
  (select * from leads where owner = ? and stage = ? order by "updatedAt" desc limit 50)`

/** The 50 best of a search, as one JSON text. */
export const searchJsonSql = `select json_group_array(json_array(${quotedColumns})) from
  (select l.* from (select rowid from ${search} where ${search} match ? order by rank limit 50) s
   cross join leads l on l.rowid = s.rowid)`

/** The same order as the driver's (packages/client/src/drivers/connection.ts): the limit gains nothing by weaker settings. */
export const settingsSql = `
  pragma locking_mode = exclusive;
  pragma journal_mode = wal;
  pragma synchronous = full;
  pragma cache_size = -65536;
  pragma journal_size_limit = 4194304;
  pragma foreign_keys = off;
  pragma temp_store = memory;
  pragma secure_delete = fast;
  begin exclusive;
  commit`

export const updateLeadSql = `update leads set stage = ?, "updatedAt" = ?, "$sync" = 'pending', "$pending" = '["stage"]' where id = ?`

export const insertOperationSql = `insert into _outbox (seq, id, tx, collection, record, state, operation)
  values (?, ?, ?, 'leads', ?, 'pending', ?)`
