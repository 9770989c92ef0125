/** An app in three versions, a server that is any of them, and devices that are updated or not. */
import type { Client } from '@holdfast/client'
import { changed, collection, defineSchema, parseUserId, renamed, type Schema, split, t } from '@holdfast/core'
import { createServer, type Serving, type StoreFactory, serve } from '@holdfast/server'
import { yText } from '@holdfast/yjs'
import { eager } from './eager.ts'
import { type Front, startFront } from './front.ts'
import { type StoreKind, storeAt, type TestDatabase } from './store-kind.ts'
import { createDevices, type OnFinished } from './world.ts'

const owner = t.text({ min: 1 })
const scope = { agent: 'owner' } as const

export const firstSchema = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: {
        owner,
        name: t.text({ min: 1, merge: 'manual' }),
        phone: t.text({ optional: true }),
        notes: t.text({ default: '', merge: 'manual' }),
        budget: t.text({ optional: true }),
        visits: t.counter(),
        labels: t.set(),
        memo: t.shared(yText),
      },
      indexes: [['phone']],
      search: ['name', 'phone'],
      scope,
    }),
    calls: collection({ fields: { lead: t.ref('leads'), note: t.text({ default: '' }) }, scope: { via: 'lead' } }),
  },
})

/** Names only. */
const toSecond = {
  leads: [
    renamed('phone', 'phoneNumber'),
    renamed('notes', 'remarks'),
    renamed('visits', 'meetings'),
    renamed('labels', 'tags'),
    renamed('memo', 'story'),
  ],
  calls: [renamed('lead', 'leadId')],
}

export const secondSchema = defineSchema({
  version: 2,
  migrations: { 2: toSecond },
  collections: {
    leads: collection({
      fields: {
        owner,
        name: t.text({ min: 1, merge: 'manual' }),
        phoneNumber: t.text({ optional: true }),
        remarks: t.text({ default: '', merge: 'manual' }),
        budget: t.text({ optional: true }),
        meetings: t.counter(),
        tags: t.set(),
        story: t.shared(yText),
      },
      indexes: [['phoneNumber']],
      search: ['name', 'phoneNumber'],
      scope,
    }),
    calls: collection({ fields: { leadId: t.ref('leads'), note: t.text({ default: '' }) }, scope: { via: 'leadId' } }),
  },
})

/** What the third version made of names. */
export const thirdNames = [
  split('name', ['first', 'last'], {
    was: t.text(),
    up: (name): readonly [string, string] => [name.split(' ')[0] ?? '', name.split(' ').slice(1).join(' ')],
    down: ([first, last]) => `${first} ${last}`.trim(),
  }),
]

const toThird = {
  leads: [
    changed('budget', 'price', {
      was: t.text({ optional: true }),
      up: (budget) =>
        budget === null || budget.trim() === '' || Number.isNaN(Number(budget))
          ? null
          : Math.round(Number(budget) * 100),
      down: (cents: number | null) => (cents === null ? null : String(cents / 100)),
    }),
    ...thirdNames,
  ],
}

/** @param phoneMax the server takes no longer phone numbers: an operation that only the server refuses. */
export function thirdSchemaOf({ oldest = 1, phoneMax = 60 } = {}) {
  return defineSchema({
    version: 3,
    oldest,
    migrations: { 2: toSecond, 3: toThird },
    collections: {
      leads: collection({
        fields: {
          owner,
          first: t.text({ merge: 'manual' }),
          last: t.text({ merge: 'manual' }),
          phoneNumber: t.text({ optional: true, max: phoneMax }),
          remarks: t.text({ default: '', merge: 'manual' }),
          price: t.integer({ optional: true }),
          meetings: t.counter(),
          tags: t.set(),
          story: t.shared(yText),
        },
        indexes: [['phoneNumber'], ['price']],
        search: ['first', 'last', 'phoneNumber'],
        scope,
      }),
      calls: collection({
        fields: { leadId: t.ref('leads'), note: t.text({ default: '' }) },
        scope: { via: 'leadId' },
      }),
    },
  })
}
export const thirdSchema = thirdSchemaOf()

/** The server of the first version takes no longer phone numbers than 10 characters. */
export const firstServerSchema = (() => {
  const { leads, calls } = firstSchema.collections
  const fields = { ...leads.fields, phone: t.text({ optional: true, max: 10 }) }
  return { ...firstSchema, collections: { calls, leads: { ...leads, fields } } }
})()

export type FirstClient = Client<typeof firstSchema>
export type SecondClient = Client<typeof secondSchema>
export type ThirdClient = Client<typeof thirdSchema>

/** Holds everything; an agent holds the own records. */
export const boss = 'boss'

export interface SchemaWorld {
  readonly database: TestDatabase
  /** Before the server, with what passes. */
  readonly front: Front
  /** The server stops, and another one of this schema takes its place on the same port. */
  serve(schema: Schema): Promise<void>
  stop(): Promise<void>
  /** Another process over the same database; closed at the end. Answers its URL. */
  serveBeside(schema: Schema): Promise<string>
  /** Over the front, with a file named after the user. */
  open<S extends Schema>(
    schema: S,
    user: string,
    options?: { readonly file?: string; readonly url?: string },
  ): Promise<Client<S>>
  fileOf(name: string): string
}

/** @param around laid over the store. */
export async function createSchemaWorld(
  store: StoreKind,
  onFinished: OnFinished,
  schema: Schema,
  around: (factory: StoreFactory) => StoreFactory = (factory) => factory,
): Promise<SchemaWorld> {
  const database = await store.create()
  const start = (of: Schema, port: number): Promise<Serving> =>
    serve(
      createServer({
        schema: of,
        store: around(storeAt(database.address)),
        authenticate: async (request) => ({
          userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
          claims: {},
        }),
        scopes: ({ userId }) => (userId === boss ? 'all' : { agent: [userId] }),
        logLevel: 'silent',
      }),
      { port, host: '127.0.0.1' },
    )
  let serving: Serving | null = await start(schema, 0)
  const beside: Serving[] = []
  const { port } = serving
  const front = await startFront(port)
  onFinished(async () => {
    await front.close()
    await serving?.close()
    for (const other of beside) await other.close()
    await database.drop()
  })
  const devices = createDevices(onFinished)
  const stop = async () => {
    await serving?.close()
    serving = null
  }
  return {
    database,
    front,
    async serve(of) {
      await stop()
      serving = await start(of, port)
    },
    stop,
    async serveBeside(of) {
      const other = await start(of, 0)
      beside.push(other)
      return other.url
    },
    open: (of, user, options = {}) => devices.open(of, user, { url: front.url, ports: eager, ...options }),
    fileOf: devices.fileOf,
  }
}
