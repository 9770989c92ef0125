import path from 'node:path'
import { nodeSqlite } from '@holdfast/client/node'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { isComplete, openDevice, whenStatus } from './harness/device.ts'
import { alternate, figure } from './harness/measure.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { startServer, tokenOf } from './harness/server.ts'
import { type SeededStore, seedEmbedded, seedPostgres } from './harness/stores.ts'
import { deviceRow } from './raw/device-rows.ts'
import { loadRawDevice } from './raw/node-device.ts'
import { type Lead, leads } from './workload.ts'

export const name = 'first-sync-node'
export const question = 'An empty device in Node → 100,000 leads durable, counted and listed, over HTTP.'

const ratioMax = 3

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const rows = leads(isQuick ? 5_000 : 100_000)
  const runs = isQuick ? 3 : 5
  log('seeding the embedded store')
  const embedded = await measure('embedded store', await seedEmbedded(rows), { rows, runs })
  log('seeding Postgres')
  const onPostgres = await measure('Postgres', await seedPostgres(rows), { rows, runs })
  return {
    lines: [embedded, onPostgres],
    notes: [
      'The limit has the rows in memory and inserts them by node:sqlite with the same settings, tables, indexes and search, in one transaction.',
      'Ours fetches them from a server in another process. The limit indexes the text of search as it is; ours folds it first.',
    ],
  }
}

async function measure(
  lineName: string,
  store: SeededStore,
  { rows, runs }: { readonly rows: readonly Lead[]; readonly runs: number },
): Promise<Line> {
  const directory = scratchDirectory('devices')
  const server = await startServer(await store.copy('served'))
  const deviceRows = rows.map(deviceRow)
  const { limit, ours } = await alternate(runs, {
    limit: async (run) => loadRawDevice(path.join(directory, `raw-${run}.sqlite3`), deviceRows),
    ours: (run) => firstSync(server.url, path.join(directory, `ours-${run}.sqlite3`), rows.length),
  })
  await server.stop()
  const target = { kind: 'ratio', max: ratioMax } as const
  return { name: lineName, unit: 'ms', ours: figure(ours), limit: figure(limit), target }
}

async function firstSync(url: string, file: string, rowCount: number): Promise<number> {
  const token = await tokenOf('manager')
  const start = performance.now()
  const client = await openDevice({ url, user: 'manager', driver: nodeSqlite(file), token: async () => token })
  await whenStatus(client, isComplete)
  const [counted] = await client.query((q) => q.selectFrom('leads').select((e) => e.fn.countAll<number>().as('count')))
  await client.query((q) =>
    q
      .selectFrom('leads')
      .selectAll()
      .where('owner', '=', 'agent-7')
      .where('stage', '=', 'visit')
      .orderBy('updatedAt', 'desc')
      .limit(50),
  )
  const elapsed = performance.now() - start
  await client.close()
  if (counted?.count !== rowCount) throw new Error(`The device counts ${counted?.count} leads of ${rowCount}.`)
  return elapsed
}
