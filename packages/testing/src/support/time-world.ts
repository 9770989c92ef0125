/**
 * A server whose database is backed up, restored and pruned, and devices that sync when the test says so. Time is the test's, for the server
 * and for devices; networks and disks are real or in this process.
 */
import { type Client, createHttpTransport, systemAmbient } from '@holdfast/client'
import { pageRowsMax, parseUserId } from '@holdfast/core'
import { createServer, postgres, type Server, type StoreFactory, type System, sqlite } from '@holdfast/server'
import { eager } from './eager.ts'
import { inPages } from './in-pages.ts'
import type { KeptDatabase, KeptStore } from './kept-store.ts'
import { leadSchema } from './lead-schema.ts'
import { atRest } from './until.ts'
import { createDevices, type OnFinished } from './world.ts'

export type TimeClient = Client<typeof leadSchema>

export interface TimeWorld {
  readonly database: KeptDatabase
  server(): Server
  /** Takes the server down and up again, on the same data. Rejects when the server does not serve them. */
  restart(work?: () => Promise<void>): Promise<void>
  /** What an operator says after a restore, with the server down. */
  restored(fork: 'head' | 'unknown'): Promise<void>
  pass(ms: number): void
  /** Days on which the server runs. */
  passDays(count: number): Promise<void>
  /** Everything the server does in the background, as often as it does in two hours. */
  maintain(): Promise<void>
  fileOf(device: string): string
  /** Offline until it syncs. */
  device(file: string, user?: string): Promise<TimeDevice>
}

export interface TimeDevice {
  readonly file: string
  readonly db: TimeClient
  /** Goes online until everything is sent and pulled; answers what it was asked by. */
  sync(): Promise<readonly AskedRound[]>
  /** The network is there for so many rounds, and then it is cut. */
  syncPart(rounds: number): Promise<void>
  /** The next request arrives and its answer does not. */
  loseAnswer(): Promise<void>
  /** The app is closed and opened again; `work` is done in between. */
  reopen(work?: () => void): Promise<void>
  /** A hand puts the device's clock on by so much, or back. */
  setClock(byMs: number): void
}

/** A `POST /sync` and how it was answered. */
export interface AskedRound {
  readonly status: number
  readonly operations: number
  /** Whether it asked for everything. */
  readonly isAnew: boolean
}

export const dayMs = 86_400_000

export interface TimeOptions {
  readonly retentionDays?: number
  /** As the server's own when it is left out. */
  readonly rowsPerPage?: number
}

export async function createTimeWorld(
  store: KeptStore,
  onFinished: OnFinished,
  { retentionDays = 90, rowsPerPage = pageRowsMax }: TimeOptions = {},
): Promise<TimeWorld> {
  const database = await store.create()
  const startMs = Date.now()
  let nowMs = startMs
  const system: System = {
    nowMs: () => nowMs,
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    after: (delayMs, work) => systemAmbient.timers.after(delayMs, work),
    monotonicMs: () => performance.now(),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  }
  // Where a cluster is restored, its address is another one.
  const factory = (): StoreFactory =>
    database.address.startsWith('postgres:') ? postgres(database.address, { system }) : sqlite(database.address, system)
  const create = (): Server =>
    createServer({
      schema: leadSchema,
      store: inPages(factory(), rowsPerPage),
      authenticate: async (request) => {
        const token = request.headers.get('authorization')?.replace('Bearer ', '') ?? ''
        return { userId: parseUserId(token), claims: {} }
      },
      scopes: () => 'all',
      retentionDays,
      logLevel: 'silent',
      system,
    })
  let server = create()
  await server.start()
  onFinished(async () => {
    await server.close().catch(() => {})
    await database.drop()
  })
  const devices = createDevices(onFinished)

  return {
    database,
    server: () => server,
    restart: async (work = async () => {}) => {
      await server.close().catch(() => {})
      await work()
      server = create()
      await server.start()
    },
    restored: async (fork) => {
      await server.close().catch(() => {})
      await create().store.startGeneration({ fork, after: null })
    },
    fileOf: devices.fileOf,
    pass: (ms) => {
      nowMs += ms
    },
    passDays: async (count) => {
      for (let day = 0; day < count; day += 1) {
        nowMs += dayMs
        await server.store.noteDay(Math.floor(nowMs / dayMs))
      }
    },
    maintain: async () => {
      await server.maintain()
      await server.maintain()
    },
    device: async (file, user = 'ann') => {
      const network = createNetwork(() => server)
      let wrongMs = 0
      const clock = { now: () => nowMs + wrongMs, monotonic: () => nowMs - startMs }
      const open = async (): Promise<TimeClient> => {
        const opened = await devices.open(leadSchema, user, {
          file,
          url: 'http://server',
          ports: {
            transport: createHttpTransport({ url: 'http://server', fetch: network.fetch, clock }),
            ambient: { ...eager.ambient, clock },
          },
        })
        // A device that tries while it is offline may have sent something.
        await opened.sync.pause()
        return opened
      }
      let db = await open()
      return {
        file,
        get db() {
          return db
        },
        sync: async () => {
          const from = network.rounds.length
          network.set('whole')
          await db.sync.resume()
          await db.sync.now()
          await atRest(db)
          await db.sync.pause()
          network.set('cut')
          return network.rounds.slice(from)
        },
        syncPart: async (rounds) => {
          network.set('whole', rounds)
          await db.sync.resume()
          await db.sync.now()
          await db.sync.pause()
          network.set('cut')
        },
        reopen: async (work = () => {}) => {
          await db.close()
          work()
          db = await open()
        },
        setClock: (byMs) => {
          wrongMs += byMs
        },
        loseAnswer: async () => {
          network.set('one way')
          await db.sync.resume()
          await db.sync.now()
          await db.sync.pause()
          network.set('cut')
        },
      }
    },
  }
}

function createNetwork(server: () => Server) {
  let state: 'whole' | 'one way' | 'cut' = 'cut'
  let left = Number.POSITIVE_INFINITY
  const rounds: AskedRound[] = []
  return {
    rounds,
    set: (next: typeof state, roundsMax = Number.POSITIVE_INFINITY) => {
      state = next
      left = roundsMax
    },
    fetch: async (...request: Parameters<typeof fetch>): Promise<Response> => {
      const asked = new Request(...request)
      // Without pokes: devices sync when the test says so.
      if (state === 'cut' || asked.url.includes('/poke')) throw new TypeError('There is no network.')
      if (asked.url.endsWith('/sync')) left -= 1
      if (left < 0) throw new TypeError('There is no network any more.')
      const text = asked.url.endsWith('/sync') ? await bodyOf(asked.clone()) : null
      const response = await server().fetch(asked)
      if (state === 'one way') throw new TypeError('The answer was lost.')
      if (text !== null) {
        const body = JSON.parse(text)
        const operations = body.operations?.length ?? 0
        rounds.push({ status: response.status, operations, isAnew: body.cursor === undefined })
      }
      return response
    },
  }
}

async function bodyOf(request: Request): Promise<string> {
  const isPacked = request.headers.get('content-encoding') === 'gzip'
  return new Response(isPacked ? request.body?.pipeThrough(new DecompressionStream('gzip')) : request.body).text()
}
