/** Real processes that are really killed: clients in a stream of writes, servers around their commits. */
import path from 'node:path'
import { brokenInvariants } from '@holdfast/client/contract'
import { nodeSqlite } from '@holdfast/client/node'
import { describe, expect, test } from 'vitest'
import { eager } from '../support/eager.ts'
import { leadSchema } from '../support/lead-schema.ts'
import { type Program, startProgram } from '../support/program.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { type DeviceTruth, hashOf, readDevice, readServer, type ServerTruth } from '../support/truth.ts'
import { atRest } from '../support/until.ts'
import { createDevices, createWorld, type LeadClient } from '../support/world.ts'
import { hotLead } from './hot-lead.ts'

const kills = 20
const users = ['ada', 'ben', 'cleo', 'dina', 'emil', 'fara', 'gus', 'hala']

export function describeKills(store: StoreKind): void {
  describe.concurrent(`kill -9 on ${store.name}`, { timeout: 180_000 }, () => {
    test(`[I-1] [I-2] [I-5] a client is killed ${kills} times in a stream of writes: what was saved is there whole, and counts once`, async ({
      onTestFinished,
    }) => {
      const w = await createWorld(store, onTestFinished)
      const file = w.fileOf('ada')
      const first = await w.open('ada')
      await first.leads.create({ id: hotLead, owner: 'ada', name: 'Hot' }).settled
      await atRest(first)
      await first.close()

      const said: string[] = []
      for (let life = 0; life < kills; life += 1) {
        const writer = startProgram(programAt('writer.process.ts'), [w.network.url, file, String(life)])
        // A kill at another moment each time; where exactly in a write, a request or a page, nobody knows.
        await writer.line(new RegExp(`^noted .* ${life}-${1 + ((life * 7) % 12)}$`))
        writer.child.kill('SIGKILL')
        expect(await writer.ended).toBe('SIGKILL')
        said.push(...writer.lines)
        expect(await brokenFile(file)).toEqual([])
        expectSaved(said, await readDevice(file))
      }
      const db = await w.open('ada', { ports: eager })
      await atRest(db)
      await db.close()
      const [device, server] = [await readDevice(file), await readServer(w.database)]
      expectSaved(said, device)
      expect(said.length).toBeGreaterThan(kills * 2)
      expectSame([device], server)
      expect(device.rows.leads?.[hotLead]?.visits).toBe(Object.keys(device.rows.calls ?? {}).length)
    })

    test.for([{ moment: 'before' }, { moment: 'after' }])(
      `[I-3] [I-5] [I-6] the server is killed ${kills} times $moment its commit under eight clients: nothing acknowledged is lost, nothing counts twice`,
      async ({ moment }, { onTestFinished }) => {
        const database = await store.create()
        const devices = createDevices(onTestFinished)
        let server: Program | null = null
        onTestFinished(async () => {
          server?.child.kill('SIGKILL')
          await server?.ended
          await database.drop()
        })
        const start = async (port: number, when: string, nth: number) => {
          server = startProgram(programAt('server.process.ts'), [database.address, String(port), when, String(nth)])
          const [, found] = await server.line(/^port (\d+)$/)
          return { program: server, port: Number(found) }
        }

        let running = await start(0, moment, 3)
        const { port } = running
        const clients = await Promise.all(
          users.map((user) => devices.open(leadSchema, user, { url: `http://127.0.0.1:${port}`, ports: eager })),
        )
        const acknowledged = new Set<string>()
        for (let life = 0; life < kills; life += 1) {
          await Promise.all(clients.map((db, number) => work(db, { user: users[number] ?? '', life, acknowledged })))
          expect(await running.program.ended).toBe('SIGKILL')
          running = await start(port, life === kills - 1 ? 'never' : moment, 1 + (life % 5))
        }
        for (const db of clients) await atRest(db)
        for (const db of clients) await db.close()

        const truth = await readServer(database)
        const taken = new Map(truth.operations.map(({ id, outcome }) => [id, outcome]))
        for (const id of acknowledged) expect(taken.get(id)).toContain('applied')
        expect(acknowledged.size).toBeGreaterThan(kills)
        const held = await Promise.all(users.map((user) => readDevice(devices.fileOf(user))))
        expectSame(held, truth)
        // The outcomes that devices keep are those that the server stored, byte for byte.
        for (const user of users) {
          for (const [id, outcome] of await keptOutcomes(devices.fileOf(user))) {
            expect(JSON.parse(outcome)).toEqual(JSON.parse(taken.get(id) ?? 'null'))
          }
        }
        for (const [number, user] of users.entries()) {
          const own = await readServer(database, user)
          expect(hashOf(held[number]?.rows ?? {})).toBe(hashOf(own.rows))
        }
      },
    )
  })
}

interface Work {
  readonly user: string
  readonly life: number
  readonly acknowledged: Set<string>
}

/** Some writes; what the server says of them is noted whenever it says it. */
async function work(db: LeadClient, { user, life, acknowledged }: Work): Promise<void> {
  const write = db.write((tx) => {
    const lead = tx.leads.create({ owner: user, name: `${user} ${life}` })
    tx.leads.increment(lead, { visits: 1 })
    tx.calls.create({ lead, owner: user, note: `${life}` })
    return lead
  })
  const note = db.leads.update(await write, { note: `${life}` })
  await note
  for (const settled of [write.settled, note.settled]) {
    void settled.then(
      (outcomes) => {
        for (const { id } of outcomes) acknowledged.add(id)
      },
      () => {}, // The client was closed before: not acknowledged.
    )
  }
}

/** Every write that was said to be saved is among the operations, and whole. */
function expectSaved(said: readonly string[], { operations }: DeviceTruth): void {
  const byTransaction = Map.groupBy(operations, ({ operation }) => operation.tx.id)
  for (const [, list] of byTransaction) expect(list).toHaveLength(list[0]?.operation.tx.count ?? 0)
  const created = new Set(
    operations.flatMap(({ operation }) =>
      operation.kind === 'create' ? [`created ${operation.record} ${operation.fields.name}`] : [],
    ),
  )
  const noted = new Set(
    operations.flatMap(({ operation }) =>
      operation.kind === 'update' ? [`noted ${operation.record} ${operation.fields.note}`] : [],
    ),
  )
  expect(said.filter((line) => !created.has(line) && !noted.has(line))).toEqual([])
}

/** The same operations on both sides, each once: as many versions of a record as operations that made them. */
function expectSame(devices: readonly DeviceTruth[], server: ServerTruth): void {
  const operations = devices.flatMap((device) => device.operations)
  expect(operations.filter(({ place }) => place !== '_settled')).toEqual([])
  expect(operations.map(({ operation }) => String(operation.id)).sort()).toEqual(server.operations.map(({ id }) => id))
  const perRecord = Map.groupBy(operations, ({ operation }) => `${operation.collection} ${operation.record}`)
  const versions = new Map(
    Object.entries(server.rows).flatMap(([name, rows]) =>
      Object.entries(rows).map(([id, row]) => [`${name} ${id}`, row.$version]),
    ),
  )
  expect(versions).toEqual(new Map([...perRecord].map(([record, list]) => [record, list.length])))
  const shown = Object.assign({}, ...devices.flatMap(({ rows }) => Object.values(rows)))
  expect(shown).toEqual(Object.assign({}, ...Object.values(server.rows)))
}

async function brokenFile(file: string): Promise<readonly string[]> {
  const driver = await nodeSqlite(file)()
  try {
    return brokenInvariants(driver, leadSchema)
  } finally {
    driver.close()
  }
}

async function keptOutcomes(file: string): Promise<ReadonlyMap<string, string>> {
  const driver = await nodeSqlite(file)()
  try {
    return new Map(driver.all('select id, outcome from _settled').map(([id, outcome]) => [String(id), String(outcome)]))
  } finally {
    driver.close()
  }
}

function programAt(name: string): string {
  return path.join(import.meta.dirname, name)
}
