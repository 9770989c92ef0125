import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { postgres } from '@holdfast/server'
import pg from 'pg'
import { crm } from '../apps/crm/src/schema.ts'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { alternate, figure, percentile, timed } from './harness/measure.ts'
import { type Databases, startDatabases } from './harness/postgres.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { leadRow, tables } from './raw/server-rows.ts'
import { leads } from './workload.ts'

export const name = 'external-copy'
export const question = 'Leads that another program copies into our table: what it costs that devices hear of them.'

const copyRatioMax = 3

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const rows = leads(isQuick ? 2_000 : 100_000)
  const runs = isQuick ? 2 : 5
  const file = copyFile(rows.map(leadRow))
  const databases = await startDatabases()
  await prepare(databases)
  const updates = isQuick ? 20 : 200
  const measured = await alternate(runs, {
    limit: (turn) => measure(databases, 'bare', { file, turn, updates, log }),
    ours: (turn) => measure(databases, 'ours', { file, turn, updates, log }),
  })
  const line = (lineName: string, key: keyof Measured, target: Line['target']): Line => ({
    name: lineName,
    unit: 'ms',
    ours: figure(measured.ours.map((one) => one[key])),
    limit: figure(measured.limit.map((one) => one[key])),
    target,
  })
  const count = rows.length.toLocaleString('en')
  return {
    lines: [
      line(`COPY of ${count} leads`, 'copy', { kind: 'ratio', max: copyRatioMax }),
      line('UPDATE of one lead, p50', 'single', { kind: 'none' }),
      line('UPDATE of every tenth lead', 'many', { kind: 'none' }),
      line('DELETE of every tenth lead', 'gone', { kind: 'none' }),
    ],
    notes: [
      'The limit is the same statement on the same table, with the same indexes and defaults, without our triggers.',
      'The file is read by Postgres itself, so that no client takes part in the time. Every commit is flushed to the disk.',
    ],
  }
}

interface Measured {
  readonly copy: number
  readonly single: number
  readonly many: number
  readonly gone: number
}

/** A database as the server makes it, and one in which nobody listens. */
async function prepare(databases: Databases): Promise<void> {
  const store = postgres(await databases.create('template_ours'))(crm)
  await store.open()
  await store.close()
  const bare = await connect(await databases.create('template_bare', 'template_ours'))
  const found = await bare.query<{ drop: string }>(
    `select format('drop trigger %I on %I', tgname, tgrelid::regclass::text) as drop from pg_trigger where not tgisinternal`,
  )
  for (const { drop } of found.rows) await bare.query(drop)
  await bare.end()
}

async function measure(
  databases: Databases,
  kind: 'ours' | 'bare',
  {
    file,
    turn,
    updates,
    log,
  }: { readonly file: string; readonly turn: number; readonly updates: number; readonly log: BenchOptions['log'] },
): Promise<Measured> {
  log(`${kind}, run ${turn + 1}`)
  const client = await connect(await databases.create(`run_${kind}`, `template_${kind}`))
  const columns = tables.leads.map((column) => `"${column}"`).join(', ')
  await databases.checkpoint()
  const copy = await timed(() => client.query(`copy leads (${columns}) from '${file}'`))
  await client.query('analyze leads')
  const ids = (await client.query<{ id: string }>(`select id from leads order by md5(id) limit ${updates}`)).rows
  await databases.checkpoint()
  const singles: number[] = []
  for (const { id } of ids) {
    singles.push(await timed(() => client.query('update leads set budget = budget + 1 where id = $1', [id])))
  }
  await databases.checkpoint()
  const many = await timed(() =>
    client.query(`update leads set stage = 'lost', notes = 'x' where abs(hashtext(id)) % 10 = 1`),
  )
  await databases.checkpoint()
  const gone = await timed(() => client.query('delete from leads where abs(hashtext(id)) % 10 = 2'))
  await client.end()
  return { copy, single: percentile(singles, 0.5), many, gone }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {}) // A bench that failed stops Postgres under it.
  await client.connect()
  return client
}

/** The rows as COPY reads them, in a file that Postgres may open. */
function copyFile(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const directory = scratchDirectory('copy')
  chmodSync(directory, 0o755)
  const file = path.join(directory, 'leads.tsv')
  const escaped = (value: string | number | undefined) =>
    String(value).replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n')
  writeFileSync(file, rows.map((row) => `${tables.leads.map((column) => escaped(row[column])).join('\t')}\n`).join(''))
  return file
}
