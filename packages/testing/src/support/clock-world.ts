/**
 * A server with a right clock and devices with clocks of their own, all moved by the test: time passes when it says so, and
 * nothing but networks and disks takes any real time. Devices are offline until they are told to sync.
 */
import { type Client, createHttpTransport, systemAmbient } from '@holdfast/client'
import { collection, defineSchema, parseUserId, t } from '@holdfast/core'
import { createServer, type Server } from '@holdfast/server'
import { eager } from './eager.ts'
import { type StoreKind, storeAt, type TestDatabase } from './store-kind.ts'
import { atRest } from './until.ts'
import { createDevices, type OnFinished } from './world.ts'

const fields = {
  title: t.text({ default: '' }),
  note: t.text({ default: '' }),
  memo: t.text({ default: '', merge: 'manual' }),
}

/** The same fields under both strategies that read clocks: only for clashes, and always. */
export const clockSchema = defineSchema({
  version: 1,
  collections: { leads: collection({ fields }), signs: collection({ fields, merge: 'lww' }) },
})

export type ClockClient = Client<typeof clockSchema>

export interface ClockWorld {
  readonly database: TestDatabase
  /** The server's time, in milliseconds; the right one. */
  now(): number
  pass(ms: number): void
  /** A device whose clock is ahead by `wrongMs`, with a file of its own. It is offline. */
  device(wrongMs?: number): Promise<ClockDevice>
}

export interface ClockDevice {
  readonly db: ClockClient
  /** Goes online until everything is sent and pulled. */
  sync(upload?: Upload): Promise<void>
  setClock(byMs: number): void
  /** Time passes that the device's monotonic clock does not count. */
  sleep(ms: number): void
  /** Closes the app, lets this time pass and the clock be set, and opens the app again. */
  reopen(ms: number, setMs?: number): Promise<void>
}

interface Upload {
  /** How long a request with operations is under way. */
  readonly upMs: number
  /** What happens on another device when this much of it has passed. */
  readonly meanwhile?: { readonly atMs: number; readonly act: () => Promise<void> }
}

/** How long a request is under way when nothing else is said. */
const wayMs = 60

/** 20 November 2026, noon, UTC. */
const someDayMs = 1_795_176_000_000

export async function createClockWorld(store: StoreKind, onFinished: OnFinished): Promise<ClockWorld> {
  const database = await store.create()
  let nowMs = someDayMs
  const pass = (ms: number) => {
    nowMs += ms
  }
  const server = createServer({
    schema: clockSchema,
    store: storeAt(database.address),
    authenticate: async () => ({ userId: parseUserId('ada'), claims: {} }),
    scopes: () => 'all',
    logLevel: 'silent',
    system: {
      nowMs: () => nowMs,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      after: (delayMs, work) => systemAmbient.timers.after(delayMs, work),
      monotonicMs: () => performance.now(),
      breathe: () => new Promise((resolve) => setImmediate(resolve)),
    },
  })
  await server.start()
  onFinished(async () => {
    await server.close()
    await database.drop()
  })
  const devices = createDevices(onFinished)
  let made = 0

  return {
    database,
    now: () => nowMs,
    pass,
    async device(startWrongMs = 0) {
      made += 1
      const file = `device-${made}`
      const network = createNetwork(server, pass)
      let wrongMs = startWrongMs
      let asleepMs = 0
      const clock = { now: () => nowMs + wrongMs, monotonic: () => nowMs - someDayMs - asleepMs }
      const open = () =>
        devices.open(clockSchema, 'ada', {
          file,
          url: 'http://server',
          ports: {
            transport: createHttpTransport({ url: 'http://server', fetch: network.fetch, clock }),
            ambient: { ...eager.ambient, clock },
          },
        })
      let db = await open()
      return {
        get db() {
          return db
        },
        async sync(upload = { upMs: wayMs }) {
          network.connect(upload)
          await db.sync.now()
          await atRest(db)
          network.cut()
        },
        setClock: (byMs) => {
          wrongMs += byMs
        },
        sleep: (ms) => {
          asleepMs += ms
          nowMs += ms
        },
        async reopen(ms, setMs = 0) {
          await db.close()
          nowMs += ms
          wrongMs += setMs
          db = await open()
        },
      }
    },
  }
}

/** In this process. Ways take the test's time. */
function createNetwork(server: Server, pass: (ms: number) => void) {
  let upload: Upload | null = null
  return {
    connect: (next: Upload) => {
      upload = next
    },
    cut: () => {
      upload = null
    },
    fetch: async (...request: Parameters<typeof fetch>): Promise<Response> => {
      const asked = new Request(...request)
      // Without pokes: devices sync when the test says so.
      if (upload === null || asked.url.includes('/poke')) throw new TypeError('There is no network.')
      const isUpload = asked.url.endsWith('/sync') && (await carriesOperations(asked.clone()))
      const { upMs, meanwhile } = isUpload ? upload : { upMs: wayMs }
      pass(meanwhile?.atMs ?? 0)
      await meanwhile?.act()
      pass(upMs - (meanwhile?.atMs ?? 0))
      const response = await server.fetch(asked)
      pass(wayMs)
      return response
    },
  }
}

async function carriesOperations(request: Request): Promise<boolean> {
  const isPacked = request.headers.get('content-encoding') === 'gzip'
  const body = isPacked ? request.body?.pipeThrough(new DecompressionStream('gzip')) : request.body
  return (await new Response(body).text()).includes('"operations"')
}
