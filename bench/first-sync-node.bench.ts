import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { nodeSqlite } from '@holdfast/client/node'
import { pageRowsMax } from '@holdfast/core'
import pg from 'pg'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { isComplete, openDevice, whenStatus } from './harness/device.ts'
import { figure } from './harness/measure.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { type StoreChoice, startServer, tokenOf } from './harness/server.ts'
import { type SeededStore, seedEmbedded, seedPostgres } from './harness/stores.ts'
import { deviceRow } from './raw/device-rows.ts'
import { loadRawDevice } from './raw/node-device.ts'
import { type Lead, leads } from './workload.ts'

export const name = 'first-sync-node'
export const question = 'An empty device in Node → 100,000 leads durable, counted and listed, over HTTP.'

const ratioMax = 3

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  // Fewer would be one page, and of one page no snapshot is made.
  const rows = leads(isQuick ? pageRowsMax + 1_000 : 100_000)
  const runs = isQuick ? 2 : 5
  log('seeding the embedded store')
  const embedded = await measure('embedded store', await seedEmbedded(rows), { rows, runs })
  log('seeding Postgres')
  const onPostgres = await measure('Postgres', await seedPostgres(rows), { rows, runs })
  return {
    lines: [...embedded, ...onPostgres],
    notes: [
      'The limit has the rows in memory and inserts them by node:sqlite with the same settings, tables, indexes and search, in one transaction.',
      'Ours fetches them from a server in another process. The limit indexes the text of search as it is; ours folds it first.',
      'By pages: the first device of its scopes, which shares the two cores with the making of the snapshot. From a snapshot: a device that comes when one is ready.',
    ],
  }
}

async function measure(
  storeName: string,
  store: SeededStore,
  { rows, runs }: { readonly rows: readonly Lead[]; readonly runs: number },
): Promise<readonly [Line, Line]> {
  const directory = scratchDirectory('devices')
  const deviceRows = rows.map(deviceRow)
  const limit: number[] = []
  const byPages: number[] = []
  const fromSnapshot: number[] = []
  for (let run = 0; run < runs; run += 1) {
    const choice = await store.copy(`served_${run}`)
    const server = await startServer(choice)
    const file = (name: string) => path.join(directory, `${name}-${run}.sqlite3`)
    limit.push(loadRawDevice(file('raw'), deviceRows))
    byPages.push(await firstSync(server.url, file('pages'), rows.length))
    await whenSnapshot(choice)
    fromSnapshot.push(await firstSync(server.url, file('snapshot'), rows.length))
    await server.stop()
  }
  const target = { kind: 'ratio', max: ratioMax } as const
  const line = (way: string, ours: readonly number[]): Line => ({
    name: `${storeName}, ${way}`,
    unit: 'ms',
    ours: figure(ours),
    limit: figure(limit),
    target,
  })
  return [line('by pages', byPages), line('from a snapshot', fromSnapshot)]
}

/** Resolves when the server has a snapshot to offer. */
async function whenSnapshot(choice: StoreChoice): Promise<void> {
  const isReady = choice.kind === 'postgres' ? () => hasRows(choice.url) : async () => fileHasRows(choice.directory)
  for (let turn = 0; turn < 200; turn += 1) {
    if (await isReady()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('No snapshot was made.')
}

async function hasRows(url: string): Promise<boolean> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query('select 1 from _snapshots')
  await client.end()
  return rows.length > 0
}

function fileHasRows(directory: string): boolean {
  const database = new DatabaseSync(path.join(directory, 'snapshots.db'), { readOnly: true })
  const row = database.prepare('select 1 from snapshots').get()
  database.close()
  return row !== undefined
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
