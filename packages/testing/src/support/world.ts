/** A server on a database of its own, the ways to it, and clients with files of their own. All of it is real. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Client, type NodeClientOptions, openClient } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import { pageRowsMax, type Schema } from '@holdfast/core'
import { type Serving, type StoreFactory, serve } from '@holdfast/server'
import { startTcpProxy, type TcpProxy } from '../network/tcp-proxy.ts'
import { type Front, startFront } from './front.ts'
import { inPages } from './in-pages.ts'
import { leadSchema } from './lead-schema.ts'
import { createLeadServer } from './lead-server.ts'
import { type StoreKind, storeAt, type TestDatabase } from './store-kind.ts'

export type LeadClient = Client<typeof leadSchema>

export interface World {
  readonly database: TestDatabase
  /** Straight to the server. */
  readonly serverUrl: string
  /** A line that can be cut; `network.url` leads over it. */
  readonly network: TcpProxy & { readonly url: string }
  /** Answers in the server's place where a test says so; `front.url` leads over it. */
  readonly front: Front
  stopServer(): Promise<void>
  /** On the same port and the same data. */
  startServer(schema?: Parameters<typeof createLeadServer>[1]): Promise<void>
  /** Straight to the server, with its file named after the user. Closed at the end of the test. */
  open(user: string, options?: OpenOptions): Promise<LeadClient>
  openAs<S extends Schema>(schema: S, user: string, options?: OpenOptions): Promise<Client<S>>
  fileOf(name: string): string
}

export interface OpenOptions extends Partial<Omit<NodeClientOptions<typeof leadSchema>, 'schema' | 'user'>> {
  /** Another file than the user's. */
  readonly file?: string
}

/** Pokes and people do the work; a timer would hide that they did not. */
export const pollMsNever = 600_000

/** Vitest's `onTestFinished`, of the test or of its context. */
export type OnFinished = (end: () => Promise<void>) => void

export interface Devices {
  /** A client with its file named after the user. Closed at the end of the test. */
  open<S extends Schema>(schema: S, user: string, options: OpenOptions & { readonly url: string }): Promise<Client<S>>
  fileOf(name: string): string
}

export function createDevices(onFinished: OnFinished): Devices {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-devices-'))
  const clients: { close(): Promise<void> }[] = []
  const fileOf = (name: string) => path.join(folder, `${name}.sqlite`)
  onFinished(async () => {
    for (const client of clients) await client.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    fileOf,
    async open(schema, user, { file = user, ...options }) {
      const driver = nodeSqlite(fileOf(file))
      const client = await openClient({ schema, user, token: user, driver, pollMs: pollMsNever, ...options })
      clients.push(client)
      return client
    },
  }
}

/** @param rowsPerPage as the server's own when it is left out. `around` is laid over the store. */
export async function createWorld(
  store: StoreKind,
  onFinished: OnFinished,
  {
    rowsPerPage = pageRowsMax,
    around = (factory) => factory,
  }: { readonly rowsPerPage?: number; readonly around?: (factory: StoreFactory) => StoreFactory } = {},
): Promise<World> {
  const database = await store.create()
  const start = (port: number, schema?: Parameters<typeof createLeadServer>[1]): Promise<Serving> =>
    serve(createLeadServer(inPages(around(storeAt(database.address)), rowsPerPage), schema), {
      port,
      host: '127.0.0.1',
    })
  let serving: Serving | null = await start(0)
  const { port } = serving
  const network = await startTcpProxy({ target: port })
  const front = await startFront(port)
  onFinished(async () => {
    await network.close()
    await front.close()
    await serving?.close()
    await database.drop()
  })
  // Closed first: what is finished last was begun first.
  const devices = createDevices(onFinished)
  const openAs: World['openAs'] = (schema, user, options = {}) =>
    devices.open(schema, user, { url: `http://127.0.0.1:${port}`, ...options })
  return {
    database,
    serverUrl: `http://127.0.0.1:${port}`,
    network: { ...network, url: `http://127.0.0.1:${network.port}` },
    front,
    async stopServer() {
      await serving?.close()
      serving = null
    },
    async startServer(schema) {
      serving = await start(port, schema)
    },
    openAs,
    open: (user, options) => openAs(leadSchema, user, options),
    fileOf: devices.fileOf,
  }
}
