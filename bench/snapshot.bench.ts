import { readFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { nodeSqlite } from '@holdfast/client/node'
import { pageRowsMax, quoted } from '@holdfast/core'
import { postgres, type ServerStore, sqlite } from '@holdfast/server'
import { crm } from '../apps/crm/src/schema.ts'
import { createSnapshots, snapshotLimits } from '../packages/server/src/snapshot/snapshots.ts'
import { nodeSystem } from '../packages/server/src/system/node-system.ts'
import type { BenchOptions, Figure, Line, Result } from './harness/bench.ts'
import { isComplete, openDevice, whenStatus } from './harness/device.ts'
import { databaseFile } from './harness/files.ts'
import { alternate, figure, timed } from './harness/measure.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { type StoreChoice, startServer, tokenOf } from './harness/server.ts'
import { type SeededStore, seedEmbedded, seedPostgres } from './harness/stores.ts'
import { copyOut } from './raw/copy-out.ts'
import { deviceRow } from './raw/device-rows.ts'
import { leadRow, tables } from './raw/server-rows.ts'
import { type Lead, leads } from './workload.ts'

export const name = 'snapshot'
export const question =
  'The snapshot of 100,000 leads: its making, its bytes on the wire, and the memory of the server.'

const ratioMax = 2.5
const wireBytesMax = 10_000_000
const memoryMbMax = 256
const scopes = ['all']

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const rows = leads(isQuick ? 15_000 : 100_000)
  const runs = isQuick ? 2 : 5
  log('seeding')
  const [embedded, onPostgres] = [await seedEmbedded(rows), await seedPostgres(rows)]
  log('making, on Postgres')
  const pg = await measureMaking(onPostgres, runs)
  log('making, on the embedded store')
  const lite = await measureMaking(embedded, runs)
  log('memory of the server')
  const memory = { pg: await memoryOf(onPostgres), lite: await memoryOf(embedded) }
  log('a ready file')
  const file = readyFile(rows, runs)
  const wire = (lineName: string, ours: Figure): Line => ({
    name: lineName,
    unit: 'bytes',
    ours,
    limit: null,
    target: { kind: 'absolute', max: wireBytesMax },
  })
  const held = (lineName: string, mb: number): Line => ({
    name: lineName,
    unit: 'MB',
    ours: figure([mb]),
    limit: null,
    target: { kind: 'absolute', max: memoryMbMax },
  })
  const beside = (lineName: string, unit: Line['unit'], ours: Figure): Line => ({
    name: lineName,
    unit,
    ours,
    limit: null,
    target: { kind: 'none' },
  })
  return {
    lines: [
      pg.line('making, Postgres'),
      lite.line('making, embedded store'),
      wire('on the wire, zstd', pg.zstd),
      wire('on the wire, gzip', pg.gzip),
      held('server memory, Postgres', memory.pg),
      held('server memory, embedded store', memory.lite),
      beside('beside: rows in place of columns, zstd', 'bytes', figure([bytesOfRows(rows)])),
      beside('beside: a ready file, making', 'ms', file.making),
      beside('beside: a ready file, on the wire, gzip', 'bytes', file.gzip),
    ],
    notes: [
      'Making is all from the first read to parts that other processes can give out, compressed by zstd at level 1. Other encodings are made when they are first asked for.',
      'The limit on Postgres is COPY TO STDOUT of the table, into Node, where the bytes are counted and dropped; on the embedded store all rows as one JSON text.',
      'Memory is the peak of the resident set (VmHWM) of a server process that made the snapshot while a device pulled pages, and then gave it to a device.',
      'A ready file is a database as a device has it, with indexes and search, made by node:sqlite and compressed by gzip at level 1.',
    ],
  }
}

interface Making {
  readonly line: (name: string) => Line
  readonly zstd: Figure
  readonly gzip: Figure
}

async function measureMaking(seeded: SeededStore, runs: number): Promise<Making> {
  const choice = await seeded.copy('made')
  const store = storeOf(choice)
  await store.open()
  const bytes = { zstd: 0, gzip: 0 }
  const { limit, ours } = await alternate(runs, {
    limit: () => readLimit(choice),
    ours: async () => {
      await store.snapshots().trim({ sinceMs: Number.MAX_SAFE_INTEGER, snapshotsMax: 0, bytesMax: 0 })
      return make(store, bytes)
    },
  })
  await store.close()
  const target = { kind: 'ratio', max: ratioMax } as const
  return {
    line: (lineName) => ({ name: lineName, unit: 'ms', ours: figure(ours), limit: figure(limit), target }),
    zstd: figure([bytes.zstd]),
    gzip: figure([bytes.gzip]),
  }
}

function storeOf(choice: StoreChoice): ServerStore {
  return (choice.kind === 'embedded' ? sqlite(choice.directory) : postgres(choice.url))(crm)
}

/** Milliseconds until the snapshot can be given out; notes the bytes of its parts. */
async function make(store: ServerStore, bytes: { zstd: number; gzip: number }): Promise<number> {
  const report = (problem: unknown) => {
    throw problem
  }
  const snapshots = createSnapshots({ schema: crm, store: told(store), system: nodeSystem, report }, snapshotLimits)
  let made = () => {}
  function told(of: ServerStore): ServerStore {
    const make: ReturnType<ServerStore['snapshots']>['make'] = async (plan, press) => {
      const isMade = await of.snapshots().make(plan, press)
      made()
      return isMade
    }
    return { ...of, snapshots: () => ({ ...of.snapshots(), make }) }
  }
  const elapsed = await timed(
    () =>
      new Promise<void>((resolve) => {
        made = resolve
        snapshots.want(scopes)
      }),
  )
  const offer = await snapshots.ready(scopes)
  if (offer === null) throw new Error('There is no snapshot.')
  for (const encoding of ['zstd', 'gzip'] as const) {
    bytes[encoding] = 0
    for (let part = 0; part < offer.parts; part += 1) {
      const given = await snapshots.part({ scopes, id: offer.id, part }, encoding)
      bytes[encoding] += given?.bytes.length ?? 0
    }
  }
  await snapshots.close()
  return elapsed
}

async function readLimit(choice: StoreChoice): Promise<number> {
  const columns = tables.leads.map(quoted).join(', ')
  if (choice.kind === 'postgres') return copyOut(choice.url, `copy leads (${columns}) to stdout`)
  const database = new DatabaseSync(path.join(choice.directory, 'holdfast.db'), { readOnly: true })
  const statement = database.prepare(`select json_group_array(json_array(${columns})) as rows from leads`)
  const elapsed = await timed(async () => statement.get())
  database.close()
  return elapsed
}

/** Megabytes, of a server whose first device makes the snapshot and whose second one loads it. */
async function memoryOf(seeded: SeededStore): Promise<number> {
  const server = await startServer(await seeded.copy('served'))
  const directory = scratchDirectory('devices')
  const token = await tokenOf('manager')
  for (const file of ['first', 'second']) {
    const driver = nodeSqlite(path.join(directory, file))
    const client = await openDevice({ url: server.url, user: 'manager', driver, token: async () => token })
    await whenStatus(client, isComplete)
    await client.close()
  }
  const kb = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]
  await server.stop()
  return Number(kb) / 1_024
}

/** The same parts with their rows one after the other. */
function bytesOfRows(rows: readonly Lead[]): number {
  const parts = Array.from({ length: Math.ceil(rows.length / pageRowsMax) }, (_, part) =>
    rows
      .slice(part * pageRowsMax, (part + 1) * pageRowsMax)
      .map((lead) => tables.leads.map((column) => leadRow(lead)[column])),
  )
  const level = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
  return parts.reduce((sum, part) => sum + zstdCompressSync(JSON.stringify(part), level).length, 0)
}

/** What would be sent in place of columns: for the decision that docs/decisions/snapshot.md tells of. */
function readyFile(rows: readonly Lead[], runs: number): { readonly making: Figure; readonly gzip: Figure } {
  const deviceRows = rows.map(deviceRow)
  const making: number[] = []
  let bytes = 0
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now()
    const file = gzipSync(databaseFile(deviceRows), { level: 1 })
    making.push(performance.now() - start)
    bytes = file.length
  }
  return { making: figure(making), gzip: figure([bytes]) }
}
