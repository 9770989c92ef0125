/**
 * All devices at once, and connections that mean harm or know no better: real clients over real sockets against a server with little
 * room, so that a storm of a few dozen is one.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Limits, type Server, type Serving, type StoreFactory, serve } from '@holdfast/server'
import { describe, expect, test } from 'vitest'
import { leadSchema, serverSchema } from '../support/lead-schema.ts'
import { createLeadServer, manager } from '../support/lead-server.ts'
import { type StoreKind, storeAt, type TestDatabase } from '../support/store-kind.ts'
import { readServer } from '../support/truth.ts'
import { atRest, until } from '../support/until.ts'
import { createDevices, type LeadClient, type OnFinished } from '../support/world.ts'

const devicesInStorm = 24
const writesEach = 3

const narrow: Partial<Limits> = {
  pushesMax: 3,
  pullsMax: 2,
  firstPullsMax: 1,
  pagesMax: 2,
  waitingMax: 3,
  waitMsMax: 200,
}

interface Answer {
  readonly path: string
  readonly status: number
  readonly retryAfter: string | null
}

interface Served {
  readonly serving: Serving
  readonly database: TestDatabase
  /** Of every request, oldest first. */
  readonly answers: readonly Answer[]
}

async function startServed(store: StoreKind, onFinished: OnFinished, limits: Partial<Limits>): Promise<Served> {
  const database = await store.create()
  const server = createLeadServer(onSlowDisk(storeAt(database.address)), serverSchema, limits)
  const answers: Answer[] = []
  const counting: Server = {
    ...server,
    fetch: async (request) => {
      const response = await server.fetch(request)
      const { status, headers } = response
      answers.push({ path: new URL(request.url).pathname, status, retryAfter: headers.get('retry-after') })
      return response
    },
  }
  const serving = await serve(counting, { port: 0, host: '127.0.0.1' })
  onFinished(async () => {
    await serving.close()
    await database.drop()
  })
  return { serving, database, answers }
}

/** Each commit takes a disk of the cheap kind: what is at once there for a bench is a storm here. */
function onSlowDisk(factory: StoreFactory): StoreFactory {
  return (schema) => {
    const store = factory(schema)
    return {
      ...store,
      transact: (work) =>
        store.transact(async (tx) => {
          const answer = await work(tx)
          await sleep(commitMs)
          return answer
        }),
    }
  }
}

const commitMs = 30

export function describeStorms(store: StoreKind): void {
  describe(`storms against ${store.name}`, { timeout: 90_000 }, () => {
    test(`[L-3] [L-1] [I-5] ${devicesInStorm} devices come back at once to a server with room for three: none is told anything but 429 or 503 with a time, all come to rest with at most twice the requests of a calm day`, async ({
      onTestFinished,
    }) => {
      const { serving, database, answers } = await startServed(store, onTestFinished, narrow)
      const devices = createDevices(onTestFinished)
      const names = Array.from({ length: devicesInStorm }, (_, number) => `agent ${String(number).padStart(2, '0')}`)
      const clients: LeadClient[] = []
      for (const name of names) {
        const db = await devices.open(leadSchema, name, { url: serving.url })
        await atRest(db)
        clients.push(db)
      }
      const write = async (db: LeadClient, owner: string): Promise<void> => {
        for (let number = 0; number < writesEach; number += 1) await db.leads.create({ owner, name: `${number}` })
      }
      const rounds = () => answers.filter(({ path }) => path === '/sync')

      // A calm day: each does the same alone.
      const before = rounds().length
      for (const [index, db] of clients.entries()) {
        await db.sync.pause()
        await write(db, names[index] ?? '')
        await db.sync.resume()
        await atRest(db)
      }
      const needed = rounds().length - before
      expect(needed).toBeGreaterThanOrEqual(devicesInStorm)

      for (const db of clients) await db.sync.pause()
      for (const [index, db] of clients.entries()) await write(db, names[index] ?? '')
      const start = answers.length
      await Promise.all(clients.map((db) => db.sync.resume()))
      await Promise.all(clients.map((db) => atRest(db, 60_000)))

      const storm = answers.slice(start).filter(({ path }) => path === '/sync')
      const refused = storm.filter(({ status }) => status !== 200)
      console.log(
        `storm, ${store.name}: ${storm.length} requests for the ${needed} of a calm day, ${refused.length} of them refused`,
      )
      expect(refused.length).toBeGreaterThan(0)
      expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]))
      expect(refused.filter(({ retryAfter }) => !/^([1-9]|10)$/.test(retryAfter ?? ''))).toEqual([])
      expect(storm.length).toBeLessThanOrEqual(2 * needed)
      const truth = await readServer(database)
      expect(truth.operations).toHaveLength(devicesInStorm * writesEach * 2)
      expect(Object.values(truth.rows.leads ?? {}).filter(({ $version }) => $version !== 1)).toEqual([])
    })

    test('[I-25] connections that say a byte at a time, uploads that do not end and readers that do not read slow nobody', async ({
      onTestFinished,
    }) => {
      const { serving, answers } = await startServed(store, onTestFinished, {})
      const devices = createDevices(onTestFinished)
      const db = await devices.open(leadSchema, manager, { url: serving.url })
      // Pages of a few megabytes, for those who will not read them.
      for (let number = 0; number < 60; number += 1) {
        await db.leads.create({ owner: 'ada', name: `${number}`, note: noise(100_000) })
      }
      await atRest(db)
      /** The quietest of some spells: what else the machine does makes others longer, and none shorter. */
      const measured = async (): Promise<number> => {
        const spells: number[] = []
        for (let number = 0; number < 5; number += 1) spells.push(await spell())
        return Math.min(...spells)
      }
      const spell = async (): Promise<number> => {
        const times: number[] = []
        for (let turn = 0; turn < 25; turn += 1) {
          const startMs = performance.now()
          await db.sync.now()
          times.push(performance.now() - startMs)
        }
        return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.9)] ?? 0
      }
      await measured()
      const calm = await measured()

      const sockets: Socket[] = []
      onTestFinished(async () => {
        for (const socket of sockets) socket.destroy()
      })
      const open = async (text: string): Promise<Socket> => {
        const socket = connect(serving.port, '127.0.0.1')
        socket.on('error', () => undefined)
        sockets.push(socket)
        await once(socket, 'connect')
        socket.write(text)
        return socket
      }
      const asked = (user: string, length: number) =>
        `POST /sync HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${user}\r\ncontent-length: ${length}\r\n\r\n`
      const first = JSON.stringify({
        protocol: 1,
        schema: 1,
        user: 'ada',
        device: '01900000-0000-7000-8000-000000000001',
        clock: { now: Date.now(), epoch: 0 },
        operations: [],
      })
      const drips = await Promise.all(Array.from({ length: 200 }, () => open('GET /health HT')))
      for (let number = 0; number < 30; number += 1) await open(`${asked(`slow ${number % 6}`, 1_000_000)}{"protocol"`)
      const unread = answers.length
      for (let number = 0; number < 30; number += 1) (await open(asked('ada', first.length) + first)).pause()
      await until('those who will not read have their answers', () => answers.length >= unread + 30)
      const drip = setInterval(() => {
        for (const socket of drips) socket.write('x')
      }, 50)
      onTestFinished(async () => clearInterval(drip))

      const stormy = await measured()
      console.log(`beside them, ${store.name}: a round in ${stormy.toFixed(1)} ms at p90, ${calm.toFixed(1)} ms before`)
      expect(stormy).toBeLessThan(2 * calm + 10)
      // They hold as much as one user may, and no more.
      const held = answers.slice(unread).filter(({ status }) => status === 200)
      const refused = answers.slice(unread).filter(({ status }) => status === 429 || status === 503)
      expect(held.length).toBeGreaterThan(0)
      expect(refused.length).toBeGreaterThan(0)
    })
  })
}

/** Text that no compression makes small. */
function noise(length: number): string {
  let text = ''
  while (text.length < length) text += Math.random().toString(36).slice(2)
  return text.slice(0, length)
}
