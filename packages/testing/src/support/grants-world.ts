/**
 * A server whose grants change while it runs: who holds which scopes is a map in the test's hand. Leads name an agent and a team, calls lie
 * where their lead lies. Devices are real clients with files that can be read byte by byte, or devices by the protocol alone.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Client } from '@holdfast/client'
import { collection, defineSchema, parseUserId, type RecordId, t } from '@holdfast/core'
import { createServer, type GrantedScopes, type Server, type StoreFactory, serve } from '@holdfast/server'
import { yText } from '@holdfast/yjs'
import { inPages } from './in-pages.ts'
import { type StoreKind, storeAt, type TestDatabase } from './store-kind.ts'
import { createWireDevice, type WireDevice } from './wire-device.ts'
import { createDevices, type Devices, type OnFinished } from './world.ts'

export const grantSchema = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: {
        owner: t.text({ min: 1 }),
        team: t.text({ default: '' }),
        name: t.text({ default: '' }),
        stage: t.text({ default: 'new' }),
        note: t.text({ default: '', merge: 'manual' }),
        visits: t.counter(),
        tags: t.set(),
        body: t.shared(yText),
      },
      indexes: [['stage']],
      search: ['name', 'note'],
      deletes: 'ask',
      scope: { agent: 'owner', team: 'team' },
    }),
    calls: collection({
      fields: { lead: t.ref('leads'), text: t.text({ default: '' }) },
      search: ['text'],
      scope: { via: 'lead' },
    }),
    // Who gets a record gets all that was ever decided about it.
    files: collection({
      fields: { owner: t.text(), title: t.text({ default: '' }) },
      history: 'all',
      scope: { agent: 'owner' },
    }),
  },
})

/** The app of the release after, which the server does not know yet. */
export const grownSchema = defineSchema({
  version: 1,
  collections: {
    ...grantSchema.collections,
    plans: collection({ fields: { owner: t.text() }, scope: { agent: 'owner' } }),
  },
})

export type GrantClient = Client<typeof grantSchema>

/** Holds everything, always. */
export const boss = 'boss'

export interface GrantsWorld {
  readonly database: TestDatabase
  readonly server: Server
  readonly url: string
  /** The token is the user's name. Nobody holds anything before it is set here. */
  readonly grants: Map<string, GrantedScopes>
  /** Called before each page that the server reads; stands until it is set again. */
  beforePage(act: () => void | Promise<void>): void
  /** A real client, paused: it syncs by `meet` alone. Its file is named after the user, or as told. */
  open(user: string, file?: string): Promise<GrantClient>
  /** Which of the files of a device (database, WAL, second copy, what was set aside) hold these bytes. */
  filesWith(file: string, word: string): readonly string[]
  readonly devices: Devices
  wireDevice(user: string): WireDevice
}

export async function createGrantsWorld(
  kind: StoreKind,
  onFinished: OnFinished,
  { rowsPerPage = 1_000 }: { readonly rowsPerPage?: number } = {},
): Promise<GrantsWorld> {
  const database = await kind.create()
  const grants = new Map<string, GrantedScopes>()
  let act: () => void | Promise<void> = () => {}
  const watched =
    (factory: StoreFactory): StoreFactory =>
    (schema) => {
      const store = factory(schema)
      const readPage: typeof store.readPage = async (request) => {
        await act()
        return store.readPage(request)
      }
      return { ...store, readPage }
    }
  const server = createServer({
    schema: grantSchema,
    store: watched(inPages(storeAt(database.address), rowsPerPage)),
    authenticate: async (request) => ({
      userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
      claims: {},
    }),
    scopes: ({ userId }) => (userId === boss ? 'all' : (grants.get(userId) ?? {})),
    logLevel: 'silent',
  })
  const serving = await serve(server, { port: 0, host: '127.0.0.1' })
  onFinished(async () => {
    await serving.close()
    await database.drop()
  })
  const devices = createDevices(onFinished)
  return {
    database,
    server,
    url: serving.url,
    grants,
    devices,
    beforePage: (next) => {
      act = next
    },
    open: async (user, file = user) => {
      const db = await devices.open(grantSchema, user, { url: serving.url, file })
      await db.sync.pause()
      return db
    },
    filesWith: (file, word) => {
      const found = devices.fileOf(file)
      const folder = path.dirname(found)
      return readdirSync(folder).filter(
        (name) => name.startsWith(path.basename(found)) && readFileSync(path.join(folder, name)).includes(word),
      )
    },
    wireDevice: (user) =>
      createWireDevice({ server: () => server, schema: grantSchema, nowMs: () => Date.now() }, user),
  }
}

/** One after the other, each to the end. */
export async function meet(...devices: readonly GrantClient[]): Promise<void> {
  for (const db of devices) {
    await db.sync.resume()
    await db.sync.now()
    await db.sync.pause()
  }
}

export async function leadOn(db: GrantClient, id: RecordId) {
  const [row] = await db.query((q) => q.selectFrom('leads').selectAll().where('id', '=', id))
  return row ?? null
}

/** The ids of what a device shows, sorted. */
export async function idsOn(db: GrantClient, name: 'leads' | 'calls' | 'files'): Promise<readonly RecordId[]> {
  const rows = await db.query((q) => q.selectFrom(name).select('id'))
  return rows.map(({ id }) => id).sort()
}
