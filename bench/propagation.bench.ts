import path from 'node:path'
import type { Client } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import type { Crm } from '../apps/crm/src/schema.ts'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { isComplete, openDevice, whenStatus } from './harness/device.ts'
import { alternate, latencyFigures } from './harness/measure.ts'
import { startDatabases } from './harness/postgres.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { type BenchServer, startRelay, startServer, tokenOf } from './harness/server.ts'
import { seedEmbedded, seedPostgres } from './harness/stores.ts'
import { startWriter, type Writer } from './harness/writer.ts'
import { leads } from './workload.ts'

export const name = 'propagation'
export const question = "From the call of A's write to B's subscriber that has the new value, both online."

const p50MsMax = 8
const p99MsMax = 18
/** Between two writes the devices come to rest: what is measured is one write, not how many go together. */
const pauseMs = 15

interface Amount {
  readonly runs: number
  readonly writes: number
}

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const amount: Amount = { runs: 3, writes: isQuick ? 20 : 150 }
  const rows = leads(isQuick ? 1_000 : 10_000)
  const databases = await startDatabases()
  log('seeding')
  const store = await seedPostgres(rows, databases)
  const rawUrl = await databases.create('raw')
  const relays = [await startRelay(rawUrl), await startRelay(rawUrl)] as const

  const choice = await store.copy('served')
  const servers = [await startServer(choice), await startServer(choice)] as const
  log('one process')
  const one = await measure('one process', [servers[0], servers[0]], [relays[0], relays[0]], amount)
  log('two processes')
  const two = await measure('two processes', [servers[0], servers[1]], [relays[0], relays[1]], amount)
  for (const { stop } of [...servers, ...relays]) await stop()
  log('the embedded store')
  const server = await startServer(await (await seedEmbedded(rows)).copy('served'))
  const embedded = await measure('embedded store', [server, server], null, amount)
  await server.stop()
  return {
    lines: [...one, ...two, ...embedded],
    notes: [
      'The limit writes a row and sends NOTIFY in one transaction; the other side has a stream open, asks for the row, and has its JSON.',
      'Ours is the whole way: saved in the file of A, sent, judged, committed, announced, poked, pulled, saved in the file of B, and told to a live query.',
    ],
  }
}

type Pair<T> = readonly [T, T]

async function measure(
  lineName: string,
  [from, to]: Pair<BenchServer>,
  relays: Pair<BenchServer> | null,
  { runs, writes }: Amount,
): Promise<[Line, Line]> {
  const a = await startWriter(from.url, await tokenOf('manager'))
  const b = await openManager(to.url)
  const ours = await oursBetween(a, b)
  const raw = relays === null ? null : await rawBetween(relays)
  const block = (way: Way) => async (run: number) => {
    const times: number[] = []
    for (let write = 0; write < writes; write += 1) {
      times.push(await way.once(run * writes + write + 1))
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
    return times
  }
  await block(ours)(runs)
  if (raw !== null) await block(raw)(runs)
  const blocks = await alternate<readonly number[]>(runs, {
    limit: raw === null ? async () => [] : block(raw),
    ours: block(ours),
  })
  ours.end()
  raw?.end()
  await a.stop()
  await b.close()
  const figures = latencyFigures(blocks.ours)
  const limits = raw === null ? null : latencyFigures(blocks.limit)
  const lineOf = (share: 'p50' | 'p99', max: number): Line => ({
    name: `${lineName}, ${share}`,
    unit: 'ms',
    ours: figures[share],
    limit: limits === null ? null : limits[share],
    target: { kind: 'absolute', max },
  })
  return [lineOf('p50', p50MsMax), lineOf('p99', p99MsMax)]
}

/** One way from a write to whoever waits for it. */
interface Way {
  /** Milliseconds until this value has arrived; no value comes twice. */
  once(value: number): Promise<number>
  end(): void
}

async function openManager(url: string): Promise<Client<Crm>> {
  const token = await tokenOf('manager')
  const driver = nodeSqlite(path.join(scratchDirectory('device'), 'device.sqlite3'))
  const client = await openDevice({ url, user: 'manager', driver, token: async () => token })
  await whenStatus(client, isComplete)
  return client
}

async function oursBetween(a: Writer, b: Client<Crm>): Promise<Way> {
  const [lead] = await b.query((q) => q.selectFrom('leads').select('id').orderBy('id').limit(1))
  if (lead === undefined) throw new Error('There are no leads.')
  let arrived: (budget: number | null) => void = () => undefined
  const now = () => performance.timeOrigin + performance.now()
  const end = b.watch(
    (q) => q.selectFrom('leads').select(['id', 'budget']).where('id', '=', lead.id),
    ({ rows }) => arrived(rows?.[0]?.budget ?? null),
  )
  // The streams of pokes are open a moment after the first sync.
  await new Promise((resolve) => setTimeout(resolve, 500))
  return {
    end,
    once: async (value) => {
      const arrival = new Promise<number>((resolve) => {
        arrived = (budget) => {
          if (budget === value) resolve(now())
        }
      })
      const [startMs, endMs] = await Promise.all([a.write({ lead: lead.id, budget: value }), arrival])
      return endMs - startMs
    },
  }
}

async function rawBetween([from, to]: Pair<BenchServer>): Promise<Way> {
  const id = crypto.randomUUID()
  const post = async (url: string, body: object): Promise<{ readonly budget: string }[]> =>
    (await fetch(url, { method: 'POST', body: JSON.stringify(body) })).json()
  await post(from.url, { id, budget: 0 })
  const aborter = new AbortController()
  const stream = await fetch(`${to.url}/poke`, { signal: aborter.signal })
  let poked: () => void = () => undefined
  const read = async (): Promise<void> => {
    for await (const chunk of stream.body ?? []) if (new TextDecoder().decode(chunk).includes('data')) poked()
  }
  read().catch(() => undefined) // It ends with the bench.
  return {
    end: () => aborter.abort(),
    once: (value) =>
      new Promise((resolve, reject) => {
        const startMs = performance.now()
        poked = () => {
          post(to.url, { id }).then(([row]) => {
            if (Number(row?.budget) === value) resolve(performance.now() - startMs)
          }, reject)
        }
        post(from.url, { id, budget: value }).catch(reject)
      }),
  }
}
