/** Several server processes over one Postgres: real processes, real devices, and no timer that would hide a poke that did not come. */
import path from 'node:path'
import { expect, inject, test } from 'vitest'
import { startMovingTarget } from '../network/moving-target.ts'
import { leadSchema } from '../support/lead-schema.ts'
import { manager } from '../support/lead-server.ts'
import { type Program, startProgram } from '../support/program.ts'
import { onPostgres, type TestDatabase } from '../support/store-kind.ts'
import { readServer } from '../support/truth.ts'
import { atRest, until } from '../support/until.ts'
import { createDevices, type LeadClient, type OnFinished } from '../support/world.ts'

const postgres = onPostgres(inject('postgresUrl'))

interface Process {
  readonly program: Program
  readonly port: number
  readonly url: string
}

/** Server processes over one new database, started at once. */
async function startProcesses(
  count: number,
  onFinished: OnFinished,
): Promise<{ readonly database: TestDatabase; readonly processes: readonly [Process, Process, ...Process[]] }> {
  const database = await postgres.create()
  const programs = Array.from({ length: count }, () =>
    startProgram(path.join(import.meta.dirname, '../crash/server.process.ts'), [database.address, '0', 'never', '0']),
  )
  onFinished(async () => {
    for (const { child } of programs) child.kill('SIGKILL')
    for (const { ended } of programs) await ended
    await database.drop()
  })
  const processes = await Promise.all(
    programs.map(async (program) => {
      const [, port] = await program.line(/^port (\d+)$/)
      return { program, port: Number(port), url: `http://127.0.0.1:${port}` }
    }),
  )
  const [first, second, ...others] = processes
  if (first === undefined || second === undefined) throw new Error('Two processes are the least.')
  return { database, processes: [first, second, ...others] }
}

async function names(db: LeadClient): Promise<readonly string[]> {
  const rows = await db.query((q) => q.selectFrom('leads').select('name').orderBy('name'))
  return rows.map(({ name }) => name)
}

test('processes that open a new database at once make it once, and serve the same', async ({ onTestFinished }) => {
  const { database, processes } = await startProcesses(4, onTestFinished)
  const said = await Promise.all(processes.map(async ({ url }) => (await fetch(`${url}/health`)).json()))
  expect(new Set(said.map(({ generation }) => generation)).size).toBe(1)
  expect(said[0]).toMatchObject({ ok: true, generation: expect.stringMatching(/./) })
  expect((await readServer(database)).operations).toEqual([])
}, 60_000)

test('[BR1] what is written at one process is shown by the devices of the other, by pokes alone', async ({
  onTestFinished,
}) => {
  const { processes } = await startProcesses(2, onTestFinished)
  const devices = createDevices(onTestFinished)
  const [here, there] = [
    await devices.open(leadSchema, 'ada', { url: processes[0].url }),
    await devices.open(leadSchema, manager, { url: processes[1].url }),
  ]
  await atRest(here)
  await atRest(there)
  // A stream that has begun: the first poke reaches it.
  const times: number[] = []
  for (let turn = 0; turn < 20; turn += 1) {
    const [writer, reader] = turn % 2 === 0 ? [here, there] : [there, here]
    const name = `turn ${String(turn).padStart(2, '0')}`
    const startMs = performance.now()
    await writer.leads.create({ owner: 'ada', name })
    await until(`${name} is shown`, async () => (await names(reader)).includes(name), 10_000)
    times.push(performance.now() - startMs)
  }
  const [half] = times.toSorted((a, b) => a - b).slice(times.length / 2)
  console.log(`poke, from process to process: p50 ${half?.toFixed(0)} ms, slowest ${Math.max(...times).toFixed(0)} ms`)
  expect(half).toBeLessThan(1_000)
}, 60_000)

test('[I-5] [I-16] devices at two processes write to the same leads; one process is killed: nothing is lost or counted twice, and all see the same', async ({
  onTestFinished,
}) => {
  const { database, processes } = await startProcesses(2, onTestFinished)
  const balancer = await startMovingTarget(processes[0].port)
  onTestFinished(balancer.close)
  const urls = [`http://127.0.0.1:${balancer.port}`, processes[1].url]
  const devices = createDevices(onTestFinished)
  const users = ['ada', 'ben', 'cleo', 'dina']
  const clients = await Promise.all(
    users.map((_, index) =>
      // A manager's devices: all of them hold all leads.
      devices.open(leadSchema, manager, { file: `device ${index}`, url: urls[index % 2] ?? '' }),
    ),
  )
  const [first] = clients
  const leads = await Promise.all(users.map((name) => first?.leads.create({ owner: name, name }) ?? Promise.reject()))
  await until('all devices have the leads', async () => {
    const held = await Promise.all(clients.map(names))
    return held.every((all) => all.length === users.length)
  })
  const rounds = 15
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(clients.flatMap((db) => leads.map((lead) => db.leads.increment(lead, { visits: 1 }))))
    if (round === 7) {
      processes[0].program.child.kill('SIGKILL')
      balancer.moveTo(processes[1].port)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  for (const db of clients) await atRest(db)
  const visits = async (db: LeadClient) =>
    (await db.query((q) => q.selectFrom('leads').select('visits'))).map((row) => row.visits)
  const expected = leads.map(() => clients.length * rounds)
  await until('all devices see all of it', async () => {
    const seen = await Promise.all(clients.map(visits))
    return seen.every((counts) => counts.join() === expected.join())
  })
  const truth = await readServer(database)
  expect(truth.operations).toHaveLength(leads.length + clients.length * rounds * leads.length)
}, 90_000)
