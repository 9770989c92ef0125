import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import type { Crm } from '../apps/crm/src/schema.ts'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { isComplete, openDevice, whenStatus } from './harness/device.ts'
import { alternate, figure } from './harness/measure.ts'
import { startDatabases } from './harness/postgres.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { startServer, tokenOf } from './harness/server.ts'
import { type SeededStore, seedEmbedded, seedPostgres } from './harness/stores.ts'
import { openRawNodeServer, type RawServer } from './raw/node-server.ts'
import { openRawPostgresServer } from './raw/postgres-server.ts'
import { callFields, createBacklogs } from './raw/server-rows.ts'
import { type Lead, leads, type Work } from './workload.ts'

export const name = 'backlog'
export const question = '10,000 operations that waited offline → all acknowledged.'

const ratioMax = 3

interface Amount extends Pick<BenchOptions, 'log'> {
  readonly rows: readonly Lead[]
  readonly operations: number
  readonly runs: number
}

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const amount: Amount = {
    rows: leads(isQuick ? 5_000 : 100_000),
    operations: isQuick ? 500 : 10_000,
    runs: isQuick ? 3 : 5,
    log,
  }
  log('seeding Postgres')
  const databases = await startDatabases()
  const rawPostgres = await openRawPostgresServer(await databases.create('raw'), amount.rows)
  const onPostgres = await measure('Postgres', await seedPostgres(amount.rows, databases), rawPostgres, amount)
  log('seeding the embedded store')
  const rawEmbedded = openRawNodeServer(path.join(scratchDirectory('raw-server'), 'raw.sqlite3'), amount.rows)
  const embedded = await measure('embedded store', await seedEmbedded(amount.rows), rawEmbedded, amount)
  return {
    lines: [onPostgres, embedded],
    notes: [
      'The limit upserts the same rows, each whole and once a batch, by sets of 5,000 in one transaction each, with a changelog kept by a trigger.',
      'Ours has one app transaction an operation, takes them from the outbox in a file, and ends when the device has taken in the last outcome. One run before the first was not counted.',
    ],
  }
}

async function measure(lineName: string, store: SeededStore, raw: RawServer, amount: Amount): Promise<Line> {
  const server = await startServer(await store.copy('served'))
  const token = await tokenOf('manager')
  const driver = nodeSqlite(path.join(scratchDirectory('device'), 'device.sqlite3'))
  const client = await openDevice({ url: server.url, user: 'manager', driver, token: async () => token })
  await whenStatus(client, isComplete)
  // Every run has a backlog of its own, so that none finds its work done; the limit and ours of a run have the same.
  const next = createBacklogs(amount.rows, amount.operations)
  const backlogs = Array.from({ length: amount.runs + 1 }, next)
  const limitOf = (run: number) => raw.apply(backlogs[run]?.batches ?? [])
  const oursOf = (run: number) => {
    amount.log(`${lineName}, run ${run} of ${amount.runs}`)
    return pushed(client, backlogs[run]?.work ?? [])
  }
  await limitOf(0)
  await oursOf(0)
  const { limit, ours } = await alternate(amount.runs, {
    limit: (run) => limitOf(run + 1),
    ours: (run) => oursOf(run + 1),
  })
  await client.close()
  await raw.close()
  await server.stop()
  const target = { kind: 'ratio', max: ratioMax } as const
  return { name: lineName, unit: 'ms', ours: figure(ours), limit: figure(limit), target }
}

/** Queues the work while paused; the time is that from resuming to the last acknowledgement. */
async function pushed(client: Client<Crm>, work: readonly Work[]): Promise<number> {
  await client.sync.pause()
  for (const one of work) await write(client, one)
  await sleep(50) // The status is told on a turn of its own.
  const { pending } = client.sync.status
  const start = performance.now()
  await client.sync.resume()
  await whenStatus(client, (status) => status.pending === 0)
  const elapsed = performance.now() - start
  const { refused } = client.sync.status
  if (pending !== work.length || refused > 0) throw new Error(`${pending} waited and ${refused} were refused.`)
  return elapsed
}

function write(client: Client<Crm>, work: Work): PromiseLike<unknown> {
  switch (work.type) {
    case 'create': {
      const { createdAt: _, updatedAt: __, ...fields } = work.fields
      return client.leads.create({ id: work.id, ...fields })
    }
    case 'update':
      return client.leads.update(work.id, work.fields)
    case 'call':
      return client.calls.create({ id: work.id, ...callFields(work.fields) })
  }
}
