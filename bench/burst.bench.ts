import { readFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { startBurstDevices } from './harness/burst-devices.ts'
import { createBursts } from './harness/burst-work.ts'
import { alternate, figure } from './harness/measure.ts'
import { startDatabases } from './harness/postgres.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { type BenchServer, type StoreChoice, startServer, tokenOf } from './harness/server.ts'
import { seedEmbedded, seedPostgres } from './harness/stores.ts'
import { openRawNodeServer, type RawServer } from './raw/node-server.ts'
import { openRawPostgresServer } from './raw/postgres-server.ts'
import { type Lead, leads } from './workload.ts'

export const name = 'burst'
export const question = '500 devices come back at once, with 20 operations each → all acknowledged, each exactly once.'

const ratioMax = 3
const memoryMbMax = 256

interface Amount extends Pick<BenchOptions, 'log'> {
  readonly rows: readonly Lead[]
  readonly devices: number
  readonly each: number
  readonly runs: number
}

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const devices = isQuick ? 20 : 500
  const amount: Amount = {
    rows: leads(isQuick ? 2_000 : 100_000, 1, devices),
    devices,
    each: 20,
    runs: isQuick ? 3 : 5,
    log,
  }
  log('seeding Postgres')
  const databases = await startDatabases()
  const onPostgres = await seedPostgres(amount.rows, databases)
  const rawPostgres = await openRawPostgresServer(await databases.create('raw'), amount.rows)
  const one = await measure('Postgres, one process', await onPostgres.copy('one'), 1, rawPostgres, amount)
  const rawAgain = await openRawPostgresServer(await databases.create('raw_again'), amount.rows)
  const two = await measure('Postgres, two processes', await onPostgres.copy('two'), 2, rawAgain, amount)
  log('seeding the embedded store')
  const rawEmbedded = openRawNodeServer(path.join(scratchDirectory('raw-server'), 'raw.sqlite3'), amount.rows)
  const seeded = await seedEmbedded(amount.rows)
  const embedded = await measure('embedded store', await seeded.copy('served'), 1, rawEmbedded, amount)
  return {
    lines: [one.time, two.time, embedded.time, one.memory, two.memory, embedded.memory],
    notes: [
      'The limit upserts the same 10,000 rows, each whole, by sets of 5,000 in one transaction each, with a changelog kept by a trigger: one program, nobody to answer.',
      'Ours: each device is a user of its own with a connection of its own, and sends one request as gzip; the time is that from the first request to the last whole reply. The devices are one other process on the same processors; they speak the protocol and store nothing.',
      'Exactly once: after all runs SQL counts one outcome for each operation, and as many versions of records as there were operations.',
      'Memory is the peak of the resident set (VmHWM) of the largest server process, first sync of the devices included.',
    ],
  }
}

async function measure(
  lineName: string,
  store: StoreChoice,
  processes: number,
  raw: RawServer,
  amount: Amount,
): Promise<{ readonly time: Line; readonly memory: Line }> {
  const servers = await Promise.all(Array.from({ length: processes }, () => startServer(store)))
  const next = createBursts(amount.rows, amount.devices, amount.each)
  const bursts = Array.from({ length: amount.runs + 1 }, next)
  const users = bursts[0]?.devices.map(({ user }) => user) ?? []
  const devices = startBurstDevices()
  const tokens = await Promise.all(users.map((user) => tokenOf(user, 'agent')))
  amount.log(`${lineName}: first sync of ${users.length} devices`)
  await devices.connect(
    users.map((user, index) => ({
      user,
      token: tokens[index] ?? '',
      url: servers[index % servers.length]?.url ?? '',
    })),
  )
  const before = await totals(store)
  const limitOf = (index: number) => raw.apply(bursts[index]?.batches ?? [])
  const oursOf = async (index: number) => {
    const report = await devices.burst(bursts[index]?.devices ?? [])
    const { ms, acknowledged, refused, requests } = report
    const others = JSON.stringify(report.statuses)
    amount.log(`${lineName}, run ${index}: ${Math.round(ms)} ms, ${requests} requests, other statuses ${others}`)
    if (acknowledged !== users.length * amount.each || refused > 0) {
      throw new Error(`${acknowledged} operations were acknowledged, ${refused} of them not applied.`)
    }
    return ms
  }
  await limitOf(0)
  await oursOf(0)
  const { limit, ours } = await alternate(amount.runs, {
    limit: (index) => limitOf(index + 1),
    ours: (index) => oursOf(index + 1),
  })
  const memory = Math.max(...servers.map(peakMb))
  await raw.close()
  await Promise.all(servers.map((server) => server.stop()))
  const after = await totals(store)
  const sent = users.length * amount.each * bursts.length
  if (after.operations - before.operations !== sent || after.versions - before.versions !== sent) {
    throw new Error(`${sent} operations were sent: ${JSON.stringify({ before, after })}.`)
  }
  return {
    time: {
      name: lineName,
      unit: 'ms',
      ours: figure(ours),
      limit: figure(limit),
      target: { kind: 'ratio', max: ratioMax },
    },
    memory: {
      name: `server memory, ${lineName}`,
      unit: 'MB',
      ours: figure([memory]),
      limit: null,
      target: { kind: 'absolute', max: memoryMbMax },
    },
  }
}

interface Totals {
  readonly operations: number
  readonly versions: number
}

const totalsSql = `select (select count(*) from _operations where outcome is not null) as operations,
  (select sum(version) from _sidecar_leads) + coalesce((select sum(version) from _sidecar_calls), 0) as versions`

async function totals(store: StoreChoice): Promise<Totals> {
  const row = store.kind === 'embedded' ? embeddedTotals(store.directory) : await postgresTotals(store.url)
  return { operations: Number(row.operations), versions: Number(row.versions) }
}

type Row = { readonly [column: string]: unknown }

function embeddedTotals(directory: string): Row {
  const database = new DatabaseSync(path.join(directory, 'holdfast.db'), { readOnly: true })
  const row = database.prepare(totalsSql).get()
  database.close()
  return row ?? {}
}

async function postgresTotals(url: string): Promise<Row> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<Row>(totalsSql)
  await client.end()
  return rows[0] ?? {}
}

/** Linux only, as the bench machine is. */
function peakMb({ pid }: BenchServer): number {
  const kb = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kb) / 1_024
}
