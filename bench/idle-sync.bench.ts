import path from 'node:path'
import { nodeSqlite } from '@holdfast/client/node'
import type { BenchOptions, Figure, Line, Result } from './harness/bench.ts'
import { isComplete, openDevice, whenStatus } from './harness/device.ts'
import { alternate, figure, percentile, timed } from './harness/measure.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { startBareServer, startServer, tokenOf } from './harness/server.ts'
import { sortedLeads } from './harness/sorted-leads.ts'
import { type SeededStore, seedEmbedded, seedPostgres } from './harness/stores.ts'
import { startTap } from './harness/tap.ts'

export const name = 'idle-sync'
export const question = 'A round when nothing has changed: time and bytes, whatever the number of rows.'

const ratioMax = 2
const flatMax = 1.5
const bodyBytesMax = 300
const bytesMax = 1_100

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const sizes = isQuick ? [1_000, 5_000] : [1_000, 100_000, 1_000_000]
  const rounds = isQuick ? 20 : 200
  const middle = sizes.at(1) ?? 0
  const measured: Measured[] = []
  for (const size of sizes) {
    log(`${size.toLocaleString('en')} rows on the embedded store`)
    measured.push(await measure(await seedEmbedded(sortedLeads(size)), rounds))
  }
  log(`${middle.toLocaleString('en')} rows on Postgres`)
  const onPostgres = await measure(await seedPostgres(sortedLeads(middle)), rounds)

  const timeLines = measured.map((one, index) => timeLine(`time, ${sizes.at(index)?.toLocaleString('en')} rows`, one))
  const [smallest, main = smallest] = measured
  const largest = measured.at(-1)
  const [firstLine, mainLine] = timeLines
  if (!smallest || !main || !largest || !firstLine || !mainLine) throw new Error('No size was measured.')
  return {
    lines: [
      mainLine,
      ...timeLines.filter((line) => line !== mainLine),
      timeLine(`time, ${middle.toLocaleString('en')} rows, Postgres`, onPostgres),
      {
        name: 'growth of the time, most to fewest rows',
        unit: 'ms',
        ours: largest.time,
        limit: smallest.time,
        limitName: 'fewest rows',
        target: { kind: 'ratio', max: flatMax },
      },
      bytesLine('bodies, both ways', largest.bodyBytes, bodyBytesMax),
      bytesLine('with headers, both ways', largest.bytes, bytesMax),
    ],
    notes: [
      'The limit is an empty POST on a kept connection to a bare server in another process, by the same fetch of Node.',
      'Ours is the whole round: the outbox is asked, the token known again, standing and page read, the reply taken in, the status told.',
    ],
  }
}

interface Measured {
  readonly time: Figure
  readonly limit: Figure
  readonly bodyBytes: number
  readonly bytes: number
}

async function measure(store: SeededStore, rounds: number): Promise<Measured> {
  const server = await startServer(await store.copy('served'))
  const bare = await startBareServer()
  const token = await tokenOf('manager')
  const open = (url: string, file: string) =>
    openDevice({ url, user: 'manager', driver: nodeSqlite(file), token: async () => token })
  const file = path.join(scratchDirectory('device'), 'device.sqlite3')
  const client = await open(server.url, file)
  await whenStatus(client, isComplete)
  const block = async (call: () => Promise<unknown>): Promise<number> => {
    const times: number[] = []
    for (let round = 0; round < rounds; round += 1) times.push(await timed(call))
    return percentile(times, 0.5)
  }
  const post = async () => (await fetch(bare.url, { method: 'POST', body: '{}' })).text()
  await block(post)
  await block(() => client.sync.now())
  const { limit, ours } = await alternate(5, { limit: () => block(post), ours: () => block(() => client.sync.now()) })
  await client.close()

  // Through the tap afterwards: it would cost time.
  const tap = await startTap(server.port)
  const tapped = await open(tap.url, file)
  await whenStatus(tapped, (status) => status.kind === 'idle')
  await tapped.sync.now()
  // A round that the device makes by itself, when its stream of pokes is open, may come between: the least of some is one round.
  const each: ReturnType<typeof tap.take>[] = []
  for (let round = 0; round < 5; round += 1) {
    tap.take()
    await tapped.sync.now()
    each.push(tap.take())
  }
  const passed = each.reduce((least, one) => (one.bytes < least.bytes ? one : least))
  await tapped.close()
  await Promise.all([server.stop(), bare.stop()])
  return { time: figure(ours), limit: figure(limit), ...passed }
}

function timeLine(lineName: string, { time, limit }: Measured): Line {
  return { name: lineName, unit: 'ms', ours: time, limit, target: { kind: 'ratio', max: ratioMax } }
}

function bytesLine(lineName: string, bytes: number, max: number): Line {
  return { name: lineName, unit: 'bytes', ours: figure([bytes]), limit: null, target: { kind: 'absolute', max } }
}
