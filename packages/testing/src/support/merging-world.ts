/** A server with a collection of each merge strategy, and devices by the protocol alone. Who is called `ann@red` holds the scope team:red. */
import { randomBytes } from 'node:crypto'
import {
  type Collection,
  causal,
  collection,
  conflictsCollection,
  decisionsCollection,
  defineSchema,
  type Fields,
  type JsonObject,
  parseUserId,
  type RecordId,
  resultOf,
  type Schema,
  subjectOf,
  t,
  wholeRecord,
} from '@holdfast/core'
import { createServer, type Server, type StoreFactory } from '@holdfast/server'
import { type StoreKind, storeAt, type TestDatabase } from './store-kind.ts'
import { createWireDevice, type WireDevice } from './wire-device.ts'
import type { OnFinished } from './world.ts'

const fields = {
  team: t.text({ min: 1 }),
  title: t.text({ default: 'title' }),
  stage: t.text({ default: 'stage' }),
}

function strategy(options: Partial<Parameters<typeof collection<Fields>>[0]> = {}): Collection {
  return collection<Fields>({ ...options, fields: { ...fields, ...options.fields }, scope: { team: 'team' } })
}

export const mergingSchema: Schema = defineSchema({
  version: 1,
  collections: {
    fields: strategy({
      fields: {
        note: t.text({ default: 'note', merge: 'manual' }),
        visits: t.counter(),
        steps: t.counter({ grow: true }),
        tags: t.set(),
        // The longer text stands, and of two as long the later one of the alphabet: the same whoever comes first.
        story: t.text({ default: '', merge: ({ local, remote }) => longer(String(local), String(remote)) }),
        // In the order of arrival.
        log: t.text({ default: '', merge: ({ local, remote }) => `${remote}${local}` }),
        // A defect of the app.
        broken: t.text({ default: '', merge: () => 7 }),
      },
    }),
    lww: strategy({ merge: 'lww' }),
    serverTime: strategy({ merge: 'serverTime' }),
    serverWins: strategy({ merge: 'serverWins' }),
    clientWins: strategy({ merge: 'clientWins' }),
    manual: strategy({ merge: 'manual' }),
    causal: strategy({ merge: 'causal' }),
    causalAsk: strategy({ merge: causal('ask') }),
    whole: strategy({ merge: wholeRecord('lww') }),
    wholeManual: strategy({ merge: wholeRecord('manual') }),
    deleteWins: strategy(),
    editWins: strategy({ deletes: 'editWins' }),
    deleteAsk: strategy({ deletes: 'ask' }),
    allHistory: strategy({ history: 'all', fields: { note: t.text({ default: 'note', merge: 'manual' }) } }),
  },
})

function longer(a: string, b: string): string {
  if (a.length !== b.length) return a.length > b.length ? a : b
  return a > b ? a : b
}

export interface MergingWorld {
  readonly database: TestDatabase
  /** The server's clock; each round takes a second. */
  readonly clock: { nowMs: number }
  /** A device of `user`; `boss` holds everything. */
  device(user: string): WireDevice
  /** Closes the server and opens another one on the same data. */
  restart(options?: { readonly schema?: Schema }): Promise<void>
  store(): Server['store']
}

interface MergingOptions {
  /** Around the store. */
  readonly around?: (factory: StoreFactory) => StoreFactory
  /** The write rule of the collection `fields`. */
  readonly write?: (change: { readonly user: string; readonly after: JsonObject | null }) => boolean
}

export async function createMergingWorld(
  store: StoreKind,
  onFinished: OnFinished,
  { around = (factory) => factory, write = () => true }: MergingOptions = {},
): Promise<MergingWorld> {
  const database = await store.create()
  const clock = { nowMs: startMs }
  const start = async (schema: Schema): Promise<Server> => {
    const made = createServer({
      schema,
      store: around(storeAt(database.address)),
      authenticate: async (request) => ({
        userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
        claims: {},
      }),
      scopes: ({ userId }) => (userId === 'boss' ? 'all' : { team: [userId.split('@')[1] ?? 'none'] }),
      rules: {
        fields: { write: ({ user, after }) => write({ user: user.userId, after: after as JsonObject | null }) },
      },
      logLevel: 'silent',
      system: {
        nowMs: () => (clock.nowMs += 1_000),
        randomBytes: (count) => randomBytes(count),
        after: () => () => {},
        monotonicMs: () => performance.now(),
        breathe: () => new Promise((resolve) => setImmediate(resolve)),
      },
    })
    await made.start()
    return made
  }
  let server = await start(mergingSchema)
  onFinished(async () => {
    await server.close()
    await database.drop()
  })
  return {
    database,
    clock,
    device: (user) => createWireDevice({ server: () => server, schema: mergingSchema, nowMs: () => clock.nowMs }, user),
    restart: async ({ schema = mergingSchema } = {}) => {
      await server.close()
      server = await start(schema)
    },
    store: () => server.store,
  }
}

export const startMs = 1_790_000_000_000

/** The fields of the conflicts that a device holds about a record. */
export function conflictsAbout(device: WireDevice, collection: string, record: RecordId) {
  return about(device, conflictsCollection, subjectOf(collection, record))
}

/** The same of decisions. */
export function decisionsAbout(device: WireDevice, collection: string, record: RecordId) {
  const rows = about(device, decisionsCollection, subjectOf(collection, record))
  return rows.map((row): typeof row => ({ ...row, result: resultOf(row) }))
}

function about(device: WireDevice, name: string, subject: string): readonly (JsonObject & { readonly id: string })[] {
  return [...device.held(name)]
    .filter(([, { values }]) => values.fields.subject === subject)
    .map(([id, { values }]) => ({ ...values.fields, id }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}
