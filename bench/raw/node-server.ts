/** The raw limit of the embedded server: the backlog's rows upserted by sets, and a changelog kept by triggers. */
import { DatabaseSync } from 'node:sqlite'
import { quoted } from '@holdfast/core'
import type { Lead } from '../workload.ts'
import { indexSql, leadRow, type RowBatch, tables, typedColumns, upsertTail } from './server-rows.ts'

export interface RawServer {
  /** Milliseconds until all batches are durable. A second call would meet the rows of the first: open one server per run. */
  apply(batches: readonly (readonly RowBatch[])[]): Promise<number>
  close(): Promise<void>
}

export function openRawNodeServer(file: string, leads: readonly Lead[]): RawServer {
  const database = new DatabaseSync(file)
  // The settings of the embedded store (packages/server/src/store/sqlite.ts).
  database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -65536')
  database.exec('create table changelog (seq integer primary key, name text not null, record text not null)')
  for (const table of names) {
    database.exec(`create table ${table} (${typedColumns(table, 'integer').join(', ')}, primary key (id)) strict`)
    for (const sql of indexSql(table)) database.exec(sql)
    for (const event of ['insert', 'update'])
      database.exec(`create trigger ${table}_${event} after ${event} on ${table} begin
        insert into changelog (name, record) values ('${table}', new.id); end`)
  }
  const upsert = { leads: database.prepare(upsertSql('leads')), calls: database.prepare(upsertSql('calls')) }
  // Arrays, not objects: json_each reads them in a third of the time.
  const write = ({ table, rows }: RowBatch) =>
    upsert[table].run(JSON.stringify(rows.map((row) => tables[table].map((column) => row[column]))))
  database.exec('begin')
  for (let from = 0; from < leads.length; from += 5_000)
    write({ table: 'leads', rows: leads.slice(from, from + 5_000).map(leadRow) })
  database.exec('commit')

  return {
    async apply(batches) {
      const start = performance.now()
      for (const batch of batches) {
        database.exec('begin immediate')
        for (const part of batch) write(part)
        database.exec('commit')
      }
      return performance.now() - start
    },
    async close() {
      database.close()
    },
  }
}

const names = ['leads', 'calls'] as const

function upsertSql(table: RowBatch['table']): string {
  return `insert into ${table} (${tables[table].map(quoted).join(', ')})
    select ${tables[table].map((_, index) => `value ->> ${index}`).join(', ')} from json_each(?) where true
    ${upsertTail(table)}`
}
