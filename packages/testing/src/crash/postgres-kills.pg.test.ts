/**
 * A Postgres of its own that writes through to the disk as in production, and is killed with all of its processes, again and again,
 * under devices that write. The server is not restarted: it finds its database again by itself.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { serve } from '@holdfast/server'
import pg from 'pg'
import { expect, test } from 'vitest'
import { type Postgres, startPostgres } from '../../../../scripts/postgres.ts'
import { startMovingTarget } from '../network/moving-target.ts'
import { eager } from '../support/eager.ts'
import { leadSchema } from '../support/lead-schema.ts'
import { createLeadServer, manager } from '../support/lead-server.ts'
import { onPostgres, storeAt } from '../support/store-kind.ts'
import { readServer } from '../support/truth.ts'
import { atRest, until } from '../support/until.ts'
import { createDevices } from '../support/world.ts'

const kills = 5
const users = ['ada', 'ben', 'cleo', 'dina']

test(`[I-3] [I-5] Postgres and all of its processes are killed ${kills} times: what devices were told is still true, and nothing counts twice`, async ({
  onTestFinished,
}) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-killed-'))
  let postgres: Postgres = await startPostgres({ durable: true, directory })
  const address = await startMovingTarget(portOf(postgres.url))
  const url = postgres.url.replace(/:\d+\//, `:${address.port}/`)
  const database = await onPostgres(url).create()
  const serving = await serve(createLeadServer(storeAt(database.address)), { port: 0, host: '127.0.0.1' })
  onTestFinished(async () => {
    await serving.close()
    await address.close()
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  })
  const devices = createDevices(onTestFinished)
  const open = (user: string) => devices.open(leadSchema, user, { url: serving.url, ports: eager })
  const clients = await Promise.all(users.map(open))
  const boss = await open(manager)

  /** What the devices were told has taken effect. */
  const acknowledged = new Set<string>()
  let written = 0
  for (let life = 0; life < kills; life += 1) {
    let isOver = false
    const streams = clients.map(async (db, index) => {
      while (!isOver) {
        written += 3
        const write = db.write((tx) => {
          const lead = tx.leads.create({ owner: users[index] ?? '', name: `${life}` })
          tx.leads.increment(lead, { visits: 1 })
          tx.leads.increment(lead, { visits: 1 })
        })
        await write
        void write.settled.then(
          (outcomes) => {
            for (const { id, kind } of outcomes) if (kind === 'applied') acknowledged.add(id)
          },
          () => {}, // The client was closed before.
        )
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })
    // A person asks: nobody waits here for what a server in trouble said.
    for (const db of clients) void db.sync.now()
    const before = acknowledged.size
    await until('something is acknowledged', () => acknowledged.size > before + 30 + 7 * life)
    killAll(postgres)
    isOver = true
    await Promise.all(streams)
    const told = [...acknowledged]
    postgres = await startPostgres({ durable: true, directory })
    // Before the server finds it, and a device could send again what is not there.
    const stored = await outcomesAt(database.address.replace(`:${address.port}/`, `:${portOf(postgres.url)}/`))
    address.moveTo(portOf(postgres.url))
    expect(told.filter((id) => !stored.get(id)?.includes('"applied"'))).toEqual([])
  }
  for (const db of [...clients, boss]) {
    void db.sync.now()
    await atRest(db, 60_000)
  }
  const truth = await readServer(database)
  expect(truth.operations).toHaveLength(written)
  const rows = Object.values(truth.rows.leads ?? {})
  expect(rows).toHaveLength(written / 3)
  expect(rows.filter(({ visits, $version }) => visits !== 2 || $version !== 3)).toEqual([])
  // The manager heard of all of it, without a timer: pokes go on with the new connections.
  await until('the manager has all leads', async () => {
    const [{ count } = { count: 0 }] = await boss.query((q) =>
      q.selectFrom('leads').select((e) => e.fn.countAll<number>().as('count')),
    )
    return count === rows.length
  })
}, 180_000)

async function outcomesAt(url: string): Promise<ReadonlyMap<string, string>> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string; outcome: string }>('select id, outcome from _operations')
    return new Map(rows.map(({ id, outcome }) => [id, outcome]))
  } finally {
    await client.end()
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** The postmaster first, so that it starts no other, then whoever it had started. */
function killAll({ pid }: Postgres): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  process.kill(pid, 'SIGKILL')
  for (const child of children) {
    try {
      process.kill(child, 'SIGKILL')
    } catch {
      // It went with its parent.
    }
  }
}
