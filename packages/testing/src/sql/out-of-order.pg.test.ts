import { collection, defineSchema, parseSyncReply, t } from '@holdfast/core'
import { seedRecords } from '@holdfast/server'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { createSqlWorld, type SqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'
import type { WireDevice } from '../support/wire-device.ts'

const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { owner: t.text(), name: t.text({ default: '' }) }, scope: { agent: 'owner' } }),
  },
})

const [roundsMax, writersMax, rowsPerWrite] = [24, 7, 60]

/**
 * In each round writers begin one after the other, write in several steps in turn, and commit in another order than that in which they
 * began, while devices pull in between. Some are plain SQL, the others the server's own transactions.
 */
test.each([1, 2])(
  '[I-16] writers that commit out of order, plain SQL among them: no row is missed, and none comes twice (seed %i)',
  { timeout: 120_000 },
  async (seed) => {
    const world = await createSqlWorld(onPostgres(inject('postgresUrl')), schema, onTestFinished)
    const random = createSeededRandom(seed)
    const below = (max: number) => Math.floor(random.next() * max)
    const devices = ['manager', 'agent:1', 'agent:2'].map(world.wireDevice)
    const connections = await Promise.all(Array.from({ length: writersMax }, () => world.connect()))
    let written = 0
    for (let round = 0; round < roundsMax; round += 1) {
      const writers = connections.map((connection, index) => {
        const rows = (step: number) =>
          Array.from({ length: rowsPerWrite }, (_, row) => ({
            id: `${round}.${index}.${step}.${row}`,
            owner: String(row % 5),
          }))
        return index % 3 === 2 ? serverWriter(world, rows) : sqlWriter(connection, rows)
      })
      for (const step of [0, 1]) {
        for (const writer of shuffled(writers, random.next)) {
          await writer.write(step)
          written += rowsPerWrite
          if (below(4) === 0) await devices[below(devices.length)]?.sync()
        }
      }
      for (const writer of shuffled(writers, random.next)) {
        await writer.commit()
        if (below(3) === 0) await devices[below(devices.length)]?.sync()
      }
      // What lies there moves: rows go to other agents, change and are deleted by SQL.
      await world.sql(`update leads set owner = ((owner::int + 1) % 5)::text where id like '${round}.%.0.1_'`)
      await world.sql(
        `update leads set name = 'x' where id like '${round}.%.1.2_'; delete from leads where id like '${round}.%.1.3_'`,
      )
    }
    for (const device of devices) await device.sync()
    expect(written).toBeGreaterThanOrEqual(20_000)
    for (const device of devices) {
      const [held, truth] = [new Set(heldBy(device)), new Set(await truthFor(world, device.user))]
      expect({ missed: [...truth.difference(held)], kept: [...held.difference(truth)] }).toEqual({
        missed: [],
        kept: [],
      })
      expect(twice(device)).toEqual([])
    }
  },
)

interface Writer {
  write(step: number): Promise<void>
  commit(): Promise<void>
}

type Rows = (step: number) => readonly { readonly id: string; readonly owner: string }[]

function sqlWriter(connection: Awaited<ReturnType<SqlWorld['connect']>>, rows: Rows): Writer {
  return {
    async write(step) {
      if (step === 0) await connection.query('begin')
      await connection.query(
        'insert into leads (id, owner) select id, owner from json_to_recordset($1) as r(id text, owner text)',
        [JSON.stringify(rows(step))],
      )
    },
    commit: async () => void (await connection.query('commit')),
  }
}

/** The server's own transaction, held open after its first step. */
function serverWriter({ server }: SqlWorld, rows: Rows): Writer {
  const gate = Promise.withResolvers<void>()
  const done: Promise<unknown>[] = []
  const records = (step: number) =>
    rows(step).map(({ id, owner }) => ({
      collection: 'leads',
      id,
      createdAt: 1,
      updatedAt: 1,
      fields: { owner, name: '' },
    }))
  return {
    write: (step) =>
      new Promise((resolve, reject) => {
        const held = {
          ...server.store,
          transact: <T>(work: Parameters<typeof server.store.transact<T>>[0]) =>
            server.store.transact<T>(async (tx) => {
              const result = await work(tx)
              resolve()
              await gate.promise
              return result
            }),
        }
        const seeding = seedRecords(held, schema, records(step))
        seeding.catch(reject)
        done.push(seeding)
      }),
    commit: async () => {
      gate.resolve()
      await Promise.all(done)
    },
  }
}

function shuffled<T>(all: readonly T[], next: () => number): readonly T[] {
  return all
    .map((item) => [next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item)
}

function heldBy(device: WireDevice) {
  return [...device.held('leads')].map(
    ([id, { version, values }]) => `${id} ${version} ${values.fields.owner} ${values.fields.name}`,
  )
}

async function truthFor({ read }: SqlWorld, user: string) {
  const where = user === 'manager' ? '' : `where l.owner = '${user.slice('agent:'.length)}'`
  const rows = await read(
    `select l.id, s.version, l.owner, l.name from leads l join _sidecar_leads s using (id) ${where}`,
  )
  return rows.map(({ id, version, owner, name }) => `${id} ${version} ${owner} ${name}`)
}

/** Rows of one version that came more than once. */
function twice(device: WireDevice): readonly string[] {
  const seen = new Set<string>()
  const again: string[] = []
  for (const reply of device.replies) {
    for (const { rows } of parseSyncReply(JSON.parse(reply)).changes) {
      for (const [id, version] of rows) {
        const key = `${id} ${version}`
        if (seen.has(key)) again.push(key)
        seen.add(key)
      }
    }
  }
  return again
}
