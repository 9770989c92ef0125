import { randomUUID } from 'node:crypto'
import type { BenchOptions, Figure, Line, Result } from './harness/bench.ts'
import { figure, percentile, timed } from './harness/measure.ts'
import { startBareServer, startServer, tokenOf } from './harness/server.ts'
import { sortedLeads } from './harness/sorted-leads.ts'
import { seedEmbedded, seedPostgres } from './harness/stores.ts'

export const name = 'pull-scaling'
export const question = 'A pull of nothing and of 100 rows: does it cost the same whatever the server holds?'

const flatMax = 1.5
const runs = 5

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const sizes = isQuick ? [1_000, 5_000] : [1_000, 10_000, 100_000, 1_000_000]
  const rounds = isQuick ? 10 : 100
  const found = new Map<Kind, Measured[]>(kinds.map((kind) => [kind, []]))
  for (const size of sizes) {
    const rows = sortedLeads(size)
    for (const kind of kinds) {
      log(`${size.toLocaleString('en')} rows, ${names[kind]}`)
      found.get(kind)?.push(await measure(kind, rows, rounds))
    }
  }
  const lines = kinds.flatMap((kind) => linesOf(kind, sizes, found.get(kind) ?? []))
  const [first, ...rest] = lines
  if (first === undefined) throw new Error('No size was measured.')
  return {
    lines: [first, ...rest, orientation('an empty POST to a bare server', await bareRound(rounds))],
    notes: [
      'Plain POST /sync by fetch. The limit is the same pull with 1,000 rows on the same store; what any request costs stands beside it: an empty POST to a bare server.',
    ],
  }
}

const kinds = ['embedded', 'postgres'] as const
type Kind = (typeof kinds)[number]
const names: { readonly [K in Kind]: string } = { embedded: 'embedded store', postgres: 'Postgres' }

function linesOf(kind: Kind, sizes: readonly number[], measured: readonly Measured[]): readonly Line[] {
  const [smallest, largest] = [measured[0], measured.at(-1)]
  if (smallest === undefined || largest === undefined) return []
  return [
    flatLine(`empty pull, ${names[kind]}`, largest.empty, smallest.empty),
    flatLine(`100 rows, ${names[kind]}`, largest.hundred, smallest.hundred),
    ...measured.flatMap(({ empty, hundred }, index) => {
      const rows = `${sizes[index]?.toLocaleString('en')} rows, ${names[kind]}`
      return [orientation(`empty pull of ${rows}`, empty), orientation(`100 of ${rows}`, hundred)]
    }),
  ]
}

/** What any request costs here. */
async function bareRound(rounds: number): Promise<Figure> {
  const bare = await startBareServer()
  const times: number[] = []
  for (let run = 0; run <= runs; run += 1) {
    const of: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      of.push(await timed(async () => void (await (await fetch(bare.url, { method: 'POST', body: '{}' })).text())))
    }
    if (run > 0) times.push(percentile(of, 0.5))
  }
  await bare.stop()
  return figure(times)
}

interface Measured {
  readonly empty: Figure
  readonly hundred: Figure
}

/** A writer makes 100 changes, a reader pulls them; both without a store of their own. */
async function measure(kind: Kind, rows: ReturnType<typeof sortedLeads>, rounds: number): Promise<Measured> {
  const size = rows.length
  const store = await (kind === 'embedded' ? seedEmbedded(rows) : seedPostgres(rows))
  const server = await startServer(await store.copy('served'))
  const token = await tokenOf('manager')
  const reader = rounder(server.url, token)
  const writer = rounder(server.url, token)
  let cursor: string | null = null
  for (let more = true; more; ) {
    const reply: Reply = await reader({ cursor, operations: [] })
    cursor = reply.cursor ?? cursor
    more = reply.more ?? false
  }
  const pull = async () => {
    const reply = await reader({ cursor, operations: [] })
    cursor = reply.cursor ?? cursor
  }
  const empty: number[] = []
  const hundred: number[] = []
  let seq = 0
  for (let run = 0; run <= runs; run += 1) {
    const emptyTimes: number[] = []
    for (let round = 0; round < rounds; round += 1) emptyTimes.push(await timed(pull))
    const hundredTimes: number[] = []
    for (let round = 0; round < rounds / 10; round += 1) {
      const at = (run * rounds + round * 100) % (size - 100)
      await writer({ cursor, operations: rows.slice(at, at + 100).map((row, index) => edit(row.id, seq + index + 1)) })
      seq += 100
      hundredTimes.push(await timed(pull))
    }
    if (run === 0) continue // To get warm.
    empty.push(percentile(emptyTimes, 0.5))
    hundred.push(percentile(hundredTimes, 0.5))
  }
  await server.stop()
  return { empty: figure(empty), hundred: figure(hundred) }
}

interface Reply {
  readonly cursor?: string
  readonly more?: boolean
}

function rounder(url: string, token: string) {
  const device = randomUUID().replace(/^(.{14})./, '$17')
  return async (request: {
    readonly cursor: string | null
    readonly operations: readonly object[]
  }): Promise<Reply> => {
    const { cursor, operations } = request
    const response = await fetch(`${url}/sync`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        protocol: 1,
        schema: 1,
        user: 'manager',
        device,
        clock: { now: Date.now(), epoch: 0 },
        ...(cursor === null ? {} : { cursor }),
        ...(operations.length === 0 ? {} : { operations: operations.map((one) => ({ ...one, device })) }),
      }),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`The server answered ${response.status}: ${text}`)
    return JSON.parse(text)
  }
}

function edit(record: string, seq: number): object {
  const at = Date.now()
  const id = randomUUID().replace(/^(.{14})./, '$17')
  return {
    id,
    user: 'manager',
    seq,
    tx: { id, index: 0, count: 1 },
    collection: 'leads',
    record,
    kind: 'update',
    fields: { budget: seq },
    was: { budget: 0 },
    base: { generation: null, version: 0 },
    time: { at, epoch: 0, hlc: [at, 0] },
    schemaVersion: 1,
  }
}

function flatLine(lineName: string, ours: Figure, limit: Figure): Line {
  return { name: lineName, unit: 'ms', ours, limit, limitName: 'fewest rows', target: { kind: 'ratio', max: flatMax } }
}

function orientation(lineName: string, ours: Figure): Line {
  return { name: lineName, unit: 'ms', ours, limit: null, target: { kind: 'none' } }
}
