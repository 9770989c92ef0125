/**
 * Killed, or failed once, between any two steps: the driver and the network of a device fail at call n, for n = 1 until the scenario
 * ends without reaching it. After each: what was saved is there, everything syncs by itself, and device and server are as if
 * nothing had happened. Time is the test's, so that hours of backoff take no time; the store, the engine, the server and its
 * database are the real ones.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  createHttpTransport,
  openClient,
  type SqliteDriver,
  type SyncAnswer,
  systemAmbient,
  type Transport,
} from '@holdfast/client'
import { brokenInvariants, type FailingDriver, failingDriver } from '@holdfast/client/contract'
import { nodeSqlite } from '@holdfast/client/node'
import { EngineError } from '@holdfast/core'
import type { Server } from '@holdfast/server'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createFakeClock } from '../fakes/fake-clock.ts'
import { createFakeTimers } from '../fakes/fake-timers.ts'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { inPages } from '../support/in-pages.ts'
import { leadSchema, nameTooLong } from '../support/lead-schema.ts'
import { createLeadServer } from '../support/lead-server.ts'
import { createPeer } from '../support/peer.ts'
import { type SqlRow, type StoreKind, storeAt, type TestDatabase } from '../support/store-kind.ts'
import { readDevice, readServer } from '../support/truth.ts'
import type { LeadClient } from '../support/world.ts'

type Disturbance =
  | { readonly at: 'nothing' }
  /** 'fault': this call throws and the next ones work. 'kill': the process is dead from here on. */
  | { readonly at: 'driver'; readonly how: 'fault' | 'kill'; readonly n: number }
  /** Before the request arrives, or after the server has answered it. */
  | { readonly at: 'request'; readonly when: 'before' | 'after'; readonly how: 'fault' | 'kill'; readonly n: number }

export interface SweepOptions {
  /** 1 fails every call of the driver, 5 every fifth: where the store of the server makes each run slow. */
  readonly driverStride: number
}

const rowsPerPage = 3
const callsMax = 2_000
const turnsMax = 2_000

export function describeSweep(store: StoreKind, { driverStride }: SweepOptions): void {
  describe(`fails at each call, against ${store.name}`, { timeout: 180_000 }, () => {
    let database: TestDatabase
    let server: Server
    let undisturbed: Ending
    let runs = 0

    const runWith = async (disturbance: Disturbance): Promise<Ending> => {
      runs += 1
      return endOf({ server, database, user: `u${runs}` }, disturbance)
    }

    beforeAll(async () => {
      // A live query that could not be read is reported: rightly, and a thousand times here.
      vi.spyOn(console, 'error').mockImplementation(() => {})
      database = await store.create()
      server = createLeadServer(inPages(storeAt(database.address), rowsPerPage))
      await server.start()
      undisturbed = await runWith({ at: 'nothing' })
      expect(undisturbed.rows.map(({ name }) => name)).toContain('of others 6')
    })

    afterAll(async () => {
      vi.restoreAllMocks()
      await server.close()
      await database.drop()
    })

    async function sweep(disturbanceAt: (n: number) => Disturbance, stride: number, callsMin: number): Promise<void> {
      let n = 1
      for (; n < callsMax; n += stride) {
        const disturbance = disturbanceAt(n)
        const ending = await runWith(disturbance)
        expect({ n, problems: ending.problems, rows: ending.rows }).toEqual({ n, problems: [], rows: undisturbed.rows })
        if (!ending.wasReached) break
      }
      expect(n).toBeGreaterThan(callsMin)
      expect(n).toBeLessThan(callsMax)
    }

    test.for([
      { how: 'fault', meant: 'throws once' },
      { how: 'kill', meant: 'throws from then on, and the file is opened again' },
    ] as const)('[I-1] [I-2] [I-4] [I-5] [L-1] the driver $meant', async ({ how }) => {
      await sweep((n) => ({ at: 'driver', how, n }), driverStride, 100)
    })

    test.for([
      { when: 'before', how: 'fault', meant: 'does not arrive' },
      { when: 'after', how: 'fault', meant: 'arrives, and its reply does not' },
      { when: 'before', how: 'kill', meant: 'does not arrive, and the device dies' },
      { when: 'after', how: 'kill', meant: 'arrives, and the device dies before the reply' },
    ] as const)('[I-1] [I-5] [I-6] [L-1] the request $meant', async ({ when, how }) => {
      await sweep((n) => ({ at: 'request', when, how, n }), 1, 5)
    })
  })
}

interface Place {
  readonly server: Server
  readonly database: TestDatabase
  /** Of this run alone: runs share a server and do not meet. */
  readonly user: string
}

interface Ending {
  readonly wasReached: boolean
  /** What is not as it should be, in words. */
  readonly problems: readonly string[]
  /** What the device shows in the end, without what is the run's own. */
  readonly rows: readonly SqlRow[]
}

async function endOf(place: Place, disturbance: Disturbance): Promise<Ending> {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-sweep-'))
  try {
    const device = createDevice(place, path.join(folder, 'device.sqlite'), disturbance)
    await live(device, place)
    const problems = await device.end()
    return { ...problems, wasReached: device.wasReached() }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The canonical scenario: write → app transaction → round with changes of others → refused operation → pull of several pages. */
async function live(device: Device, { server, user }: Place): Promise<void> {
  const [a, b, x] = [`${user}-a`, `${user}-b`, `${user}-x`]
  const others = createPeer(server, user)
  device.others = others.ids
  await others.push('create', x, { owner: user, name: 'of others', stage: 'new', note: '', budget: 0, visits: 0 })
  await device.write((db) => db.leads.create({ id: a, owner: user, name: 'Mona' }))
  await device.write((db) =>
    db.write((tx) => {
      tx.leads.create({ id: b, owner: user, name: 'Adam' })
      tx.leads.increment(a, { visits: 2 })
      tx.leads.update(a, { stage: 'won' })
      tx.calls.create({ id: `${user}-call`, lead: b, owner: user, note: 'first' })
    }),
  )
  await device.round()
  await others.push('update', x, { note: 'changed' })
  await device.write((db) => db.leads.update(x, { stage: 'contacted' }))
  await device.write((db) => db.leads.create({ id: `${user}-bad`, owner: user, name: nameTooLong }))
  await device.write((db) => db.leads.update(a, { note: 'after the refused one' }))
  await device.round()
  for (let index = 0; index < 7; index += 1) {
    const fields = { owner: user, name: `of others ${index}`, stage: 'new', note: '', budget: index, visits: 0 }
    await others.push('create', `${user}-${index}`, fields)
  }
  await others.push('delete', b, {})
  await device.write((db) => db.leads.increment(x, { visits: 1 }))
  await device.round()
}

interface Device {
  others: readonly string[]
  /** As an app does: what fails is tried again, by a new process where the old one is dead. */
  write(change: (db: LeadClient) => PromiseLike<unknown>): Promise<void>
  /** Asks for a round and lets time pass until the device is at rest. */
  round(): Promise<void>
  wasReached(): boolean
  end(): Promise<Pick<Ending, 'problems' | 'rows'>>
}

interface Life {
  readonly db: LeadClient
  readonly inner: SqliteDriver
  readonly driver: FailingDriver
  readonly file: string
  isDead(): boolean
  /** Lets time pass until this holds. */
  pass(until: () => boolean | Promise<boolean>): Promise<void>
  /** Lets this much time pass. */
  advance(ms: number): Promise<void>
  /** The rows that a live query told last. */
  shown(): string
}

function createDevice({ server, database, user }: Place, firstFile: string, disturbance: Disturbance): Device {
  const clock = createFakeClock(Date.now())
  let life: Life | null = null
  let requests = 0
  let requestFailed = false
  let driverReached = false
  let lives = 0
  const problems: string[] = []

  async function begin(file: string): Promise<Life> {
    lives += 1
    const timers = createFakeTimers(clock)
    const random = createSeededRandom(lives, clock)
    const underWay = new Set<Promise<SyncAnswer>>()
    let isDead = false
    let shown = ''
    const inner = await nodeSqlite(file)()
    // A process is killed here, not the machine.
    inner.exec('pragma synchronous = off')
    const driver = failingDriver(inner)

    const http = createHttpTransport({
      url: 'http://server',
      clock,
      fetch: async (input, init) => {
        const request = new Request(input, init)
        // Without pokes: that a timer is enough is part of what is tested.
        if (!request.url.endsWith('/sync')) return new Response(null, { status: 503 })
        requests += 1
        const fails = disturbance.at === 'request' && requests === disturbance.n ? disturbance : null
        requestFailed ||= fails !== null
        if (fails?.when !== 'before') {
          const response = await server.fetch(request)
          if (fails === null) return response
        }
        if (fails?.how === 'kill') driver.arm('kill', 1)
        throw new TypeError('made to fail')
      },
    })
    const transport: Transport = {
      ...http,
      sync(request) {
        const answer = http.sync(request)
        underWay.add(answer)
        void answer.then(() => underWay.delete(answer))
        return answer
      },
    }
    const db = await openClient({
      schema: leadSchema,
      url: 'http://server',
      user,
      token: user,
      driver: async () => driver,
      // Ids are random over all runs, or two of them would meet on the server.
      ports: { transport, ambient: { clock, timers, random: { next: random.next, uuid: systemAmbient.random.uuid } } },
    })
    if (disturbance.at === 'driver' && lives === 1) driver.arm(disturbance.how, disturbance.n)
    const watch = () =>
      db.watch(
        (q) => q.selectFrom('leads').selectAll().orderBy('id'),
        ({ rows }) => {
          shown = JSON.stringify(rows)
        },
      )
    // One that fails is asked for again, like a page that is opened again.
    attempt(watch) || attempt(watch)
    const dies = () => {
      const kills = disturbance.at !== 'nothing' && disturbance.how === 'kill'
      isDead ||= kills && driver.wasReached
      return isDead
    }
    return {
      db,
      inner,
      driver,
      file,
      isDead: dies,
      shown: () => shown,
      advance: (ms) => timers.advance(ms),
      async pass(until) {
        for (let turn = 0; turn < turnsMax; turn += 1) {
          if (dies() || (await until())) return
          await new Promise(setImmediate)
          // The server takes real time, and none of the device's.
          if (underWay.size > 0) await Promise.all(underWay)
          else await timers.advance(timers.pending()[0] ?? 0)
        }
        throw new Error(`The device does not come to rest: ${JSON.stringify(db.sync.status)}`)
      },
    }
  }

  /** The process is gone; what lies on the disk, WAL included, is what the next one finds. */
  async function reopen(dead: Life): Promise<Life> {
    driverReached ||= dead.driver.wasReached
    const file = `${dead.file}.next`
    for (const end of ['', '-wal']) if (existsSync(dead.file + end)) copyFileSync(dead.file + end, file + end)
    await dead.db.close().catch(() => {})
    dead.inner.close()
    const inner = await nodeSqlite(file)()
    problems.push(...brokenInvariants(inner, leadSchema).map((problem) => `after the kill: ${problem}`))
    inner.close()
    return begin(file)
  }

  async function alive(): Promise<Life> {
    life ??= await begin(firstFile)
    if (life.isDead()) life = await reopen(life)
    return life
  }

  async function isSettled({ db }: Life): Promise<boolean> {
    try {
      const { kind, pending } = db.sync.status
      return kind === 'idle' && pending === 0 && (await db.sync.waiting()).length === 0
    } catch (error) {
      return expectFault(error)
    }
  }

  async function round(): Promise<void> {
    for (;;) {
      const now = await alive()
      let isOver = false
      void now.db.sync.now().then(
        () => {
          isOver = true
        },
        () => {
          isOver = true
        },
      )
      await now.pass(() => isOver)
      await now.pass(() => isSettled(now))
      if (!now.isDead()) return
    }
  }

  return {
    others: [],
    async write(change) {
      for (;;) {
        const now = await alive()
        const before = await operationsIn(now)
        try {
          await change(now.db)
          return
        } catch (error) {
          expectFault(error)
        }
        if (now.isDead()) {
          const next = await alive()
          // A write whose promise never resolved is there whole, or not at all.
          if ((await operationsIn(next)) !== before) return
        } else if ((await operationsIn(now)) !== before) {
          problems.push('a write that was refused is there all the same')
          return
        }
      }
    },
    round,
    wasReached: () => requestFailed || driverReached || (life?.driver.wasReached ?? false),
    async end() {
      const now = await alive()
      now.driver.disarm()
      await round()
      const last = await alive()
      await last.pass(() => isSettled(last))
      const shown = await last.db.query((q) => q.selectFrom('leads').selectAll().orderBy('id'))
      // What could not be read after the last commit is read again a second later.
      await last.advance(1_000)
      if (JSON.stringify(shown) !== last.shown()) problems.push('a live query shows something else than the rows')
      const inbox = (await last.db.inbox.list()).map(({ code, field }) => `${code} ${field}`)
      if (inbox.join() !== 'INVALID_VALUE name') problems.push(`the inbox holds ${inbox.join() || 'nothing'}`)
      problems.push(...brokenInvariants(last.inner, leadSchema))
      await last.db.close()
      const [device, truth] = [await readDevice(last.file), await readServer(database, user)]
      const saved = device.operations.map(({ operation }) => String(operation.id))
      const taken = truth.operations.map(({ id }) => id)
      if ([...saved, ...this.others].sort().join() !== taken.join()) problems.push('operations differ')
      if (device.operations.some(({ place }) => place === '_outbox')) problems.push('something still waits')
      expect(device.rows).toEqual(truth.rows)
      return {
        problems,
        rows: Object.values(device.rows).flatMap((rows) => Object.values(rows).map((row) => common(row, user))),
      }
    },
  }
}

/** Without ids and times, which every run has its own of. */
function common({ createdAt: _, updatedAt: __, ...row }: SqlRow, user: string): SqlRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'string' ? value.replace(user, 'u') : value]),
  )
}

/** Read past the engine: how many operations were ever saved. */
async function operationsIn({ inner }: Life): Promise<number> {
  return ['_outbox', '_inbox', '_settled'].reduce(
    (sum, table) => sum + Number(inner.all(`select count(*) from ${table}`)[0]?.[0]),
    0,
  )
}

function expectFault(error: unknown): false {
  if (error instanceof EngineError && error.code === 'STORAGE_FAILED') return false
  throw error
}

function attempt(call: () => unknown): boolean {
  try {
    call()
    return true
  } catch (error) {
    return expectFault(error)
  }
}
