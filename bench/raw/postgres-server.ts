/** The raw limit of a server on Postgres: the backlog's rows by recordset upserts, and a changelog kept by a trigger. */
import { quoted } from '@holdfast/core'
import pg from 'pg'
import type { Lead } from '../workload.ts'
import type { RawServer } from './node-server.ts'
import { indexSql, leadRow, type RowBatch, tables, typedColumns, upsertTail } from './server-rows.ts'

export async function openRawPostgresServer(url: string, leads: readonly Lead[]): Promise<RawServer> {
  const client = new pg.Client(url)
  client.on('error', () => {}) // A bench that failed stops Postgres under it.
  await client.connect()
  const write = ({ table, rows }: RowBatch) => client.query(upsertSql(table), [JSON.stringify(rows)])
  await client.query(`create table changelog (seq bigserial primary key, name text not null, record text not null);
    create function log_change() returns trigger language plpgsql as $$ begin
      insert into changelog (name, record) select tg_table_name, id from changed; return null; end $$`)
  for (const table of ['leads', 'calls'] as const) {
    await client.query(`create table ${table} (${typedColumns(table, 'bigint').join(', ')}, primary key (id))`)
    for (const event of ['insert', 'update'])
      await client.query(`create trigger ${table}_${event} after ${event} on ${table} referencing new table as changed
        for each statement execute function log_change()`)
  }
  for (let from = 0; from < leads.length; from += 5_000)
    await write({ table: 'leads', rows: leads.slice(from, from + 5_000).map(leadRow) })
  for (const table of ['leads', 'calls'] as const) for (const sql of indexSql(table)) await client.query(sql)
  await client.query('vacuum analyze')

  return {
    async apply(batches) {
      const start = performance.now()
      for (const batch of batches) {
        await client.query('begin')
        for (const part of batch) await write(part)
        await client.query('commit')
      }
      return performance.now() - start
    },
    close: () => client.end(),
  }
}

function upsertSql(table: RowBatch['table']): string {
  return `insert into ${table} (${tables[table].map(quoted).join(', ')})
    select ${tables[table].map(quoted).join(', ')}
    from jsonb_to_recordset($1::jsonb) as row (${typedColumns(table, 'bigint').join(', ')})
    ${upsertTail(table)}`
}
