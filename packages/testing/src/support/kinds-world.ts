/** A server with a collection of sets, shared texts and counters, and real clients that sync when they are told to. */
import type { Client } from '@holdfast/client'
import { collection, defineSchema, parseUserId, type RecordId, t } from '@holdfast/core'
import { createServer, seedRecords, serve } from '@holdfast/server'
import { yText } from '@holdfast/yjs'
import { type StoreKind, storeAt, type TestDatabase } from './store-kind.ts'
import { createWireDevice, type WireDevice } from './wire-device.ts'
import { createDevices, type OnFinished } from './world.ts'

/** The app of the release before: a page was a title. */
const titlesSchema = defineSchema({
  version: 1,
  collections: { pages: collection({ fields: { title: t.text({ default: '' }) } }) },
})

export const kindsSchema = defineSchema({
  version: 2,
  collections: {
    pages: collection({
      fields: {
        title: t.text({ default: '' }),
        body: t.shared(yText),
        summary: t.shared(yText),
        tags: t.set(),
        readers: t.set(),
        visits: t.counter(),
        steps: t.counter({ grow: true }),
      },
      search: ['title', 'body', 'tags'],
    }),
  },
})

export type KindsClient = Client<typeof kindsSchema>

export interface KindsWorld {
  readonly database: TestDatabase
  /** The same device's file under the schema of the release before, which has titles only; paused. */
  openBefore(file: string): Promise<Client<typeof titlesSchema>>
  /** By the protocol alone. */
  wireDevice(): WireDevice
  /** Paused: it syncs by `exchange` only. */
  open(file: string): Promise<KindsClient>
  seed(id: RecordId, fields: { readonly body: string; readonly tags: readonly string[] }): Promise<void>
}

/** The title that the server's rule refuses. */
export const forbidden = 'forbidden'

export async function createKindsWorld(kind: StoreKind, onFinished: OnFinished): Promise<KindsWorld> {
  const database = await kind.create()
  const server = createServer({
    schema: kindsSchema,
    store: storeAt(database.address),
    authenticate: async (request) => ({
      userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
      claims: {},
    }),
    scopes: () => 'all',
    rules: { pages: { write: ({ after }) => after?.title !== forbidden } },
    logLevel: 'silent',
  })
  const serving = await serve(server, { port: 0, host: '127.0.0.1' })
  onFinished(async () => {
    await serving.close()
    await database.drop()
  })
  const { open } = createDevices(onFinished)
  return {
    database,
    async openBefore(file) {
      const db = await open(titlesSchema, 'ada', { file, url: serving.url })
      await exchange(db)
      return db
    },
    wireDevice: () => createWireDevice({ server: () => server, schema: kindsSchema, nowMs: Date.now }, 'ada'),
    async open(file) {
      const db = await open(kindsSchema, 'ada', { file, url: serving.url })
      await exchange(db)
      return db
    },
    async seed(id, { body, tags }) {
      const fields = { title: 'seeded', body, summary: '', tags, readers: [], visits: 0, steps: 0 }
      await seedRecords(server.store, kindsSchema, [{ collection: 'pages', id, createdAt: 1, updatedAt: 1, fields }])
    },
  }
}

/** Sends what waits, takes what is new, and goes back to waiting. A round that failed is no exchange: that throws. */
export async function exchange(...devices: readonly Pick<KindsClient, 'sync'>[]): Promise<void> {
  for (const db of devices) {
    await db.sync.resume()
    await db.sync.now()
    const { kind, pending, lastError } = db.sync.status
    if (kind !== 'idle' || pending > 0) {
      throw new Error(`The exchange has failed: ${kind}, ${pending} wait, ${JSON.stringify(lastError)}.`)
    }
    await db.sync.pause()
  }
}

export async function pageOf(db: KindsClient, id: RecordId) {
  const [page] = await db.query((q) => q.selectFrom('pages').selectAll().where('id', '=', id))
  if (page === undefined) throw new Error(`There is no page ${id} on the device.`)
  return page
}
