/**
 * A server whose records lie via their parents, up to three of them: leads name a team, calls lie via their lead, marks via their call,
 * notes via their mark. Who is called `ann@red` holds the scope team:red, `amy@red+blue` both, `boss` everything. The oracle is read
 * from the tables, past our own code.
 */
import { randomBytes } from 'node:crypto'
import {
  collection,
  conflictsCollection,
  decisionsCollection,
  defineSchema,
  parseUserId,
  type RecordId,
  type Schema,
  t,
} from '@holdfast/core'
import { createServer, type Server, type StoreFactory } from '@holdfast/server'
import { expect } from 'vitest'
import { startMs } from './merging-world.ts'
import { type StoreKind, storeAt, type TestDatabase } from './store-kind.ts'
import { createWireDevice, type WireDevice } from './wire-device.ts'
import type { OnFinished } from './world.ts'

const note = t.text({ default: '', merge: 'manual' })
const stage = t.text({ default: 'new' })

export const viaSchema: Schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { team: t.text({ min: 1 }), note, stage }, scope: { team: 'team' } }),
    calls: collection({ fields: { lead: t.ref('leads', { optional: true }), note, stage }, scope: { via: 'lead' } }),
    // All of their history is for everybody; what two devices wrote of their call becomes that of a function.
    visits: collection({
      fields: {
        lead: t.ref('leads', { merge: ({ local }) => (local === 'odd' ? 'nowhere' : local) }),
        note,
        stage,
      },
      scope: { via: 'lead' },
      history: 'all',
    }),
    marks: collection({ fields: { call: t.ref('calls'), stage }, scope: { via: 'call' } }),
    notes: collection({ fields: { mark: t.ref('marks'), stage }, scope: { via: 'mark' } }),
  },
})

export const viaCollections = ['leads', 'calls', 'visits', 'marks', 'notes'] as const

interface Process {
  device(user: string): WireDevice
  /** Transactions that were run again after a deadlock. */
  retries(): Promise<number>
}

export interface ViaWorld {
  device(user: string): WireDevice
  /** Another process over the same database. */
  another(around?: (factory: StoreFactory) => StoreFactory): Promise<Process>
  /** A plain SQL statement of another program. */
  sql(statement: string): Promise<unknown>
  /** Syncs these devices, and compares what each holds with the tables: every record, and every question and decision about one. */
  check(devices: readonly WireDevice[]): Promise<void>
}

export async function createViaWorld(
  kind: StoreKind,
  onFinished: OnFinished,
  aroundStore: (factory: StoreFactory) => StoreFactory = (factory) => factory,
): Promise<ViaWorld> {
  const database = await kind.create()
  const clock = { nowMs: startMs }
  const servers: Server[] = []
  const start = async (around: (factory: StoreFactory) => StoreFactory): Promise<Server> => {
    const server = createServer({
      schema: viaSchema,
      store: around(storeAt(database.address)),
      authenticate: async (request) => ({
        userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
        claims: {},
      }),
      scopes: ({ userId }) => (userId === 'boss' ? 'all' : { team: teamsOf(userId) }),
      logLevel: 'silent',
      system: {
        nowMs: () => (clock.nowMs += 10),
        randomBytes: (count) => randomBytes(count),
        after: () => () => {},
        monotonicMs: () => performance.now(),
        breathe: () => new Promise((resolve) => setImmediate(resolve)),
      },
    })
    await server.start()
    servers.push(server)
    return server
  }
  const deviceAt = (server: Server) => (user: string) =>
    createWireDevice({ server: () => server, schema: viaSchema, nowMs: () => clock.nowMs }, user)
  const server = await start(aroundStore)
  onFinished(async () => {
    for (const each of servers) await each.close()
    await database.drop()
  })
  return {
    device: deviceAt(server),
    another: async (around = (factory) => factory) => {
      const other = await start(around)
      return { device: deviceAt(other), retries: async () => (await other.store.health()).retries }
    },
    sql: (statement) => database.read(statement),
    check: async (devices) => {
      for (const device of devices) await device.sync()
      // Once more: what those after it sent.
      for (const device of devices) await device.sync()
      const truth = await readTruth(database)
      for (const device of devices) expect({ user: device.user, holds: holdingOf(device) }).toEqual(truth(device.user))
    },
  }
}

function teamsOf(user: string): readonly string[] {
  return (user.split('@')[1] ?? 'none').split('+')
}

/** Ids by collection, each as `id version`; of questions and decisions the subject. */
type Holding = { readonly [collection: string]: readonly string[] }

function holdingOf(device: WireDevice): Holding {
  const records = viaCollections.map((name) => {
    return [name, [...device.held(name)].map(([id, { version }]) => `${id} ${version}`).sort()] as const
  })
  const conflicts = [...device.held(conflictsCollection)].map(([id, { values }]) => `${id} ${values.fields.subject}`)
  return { ...Object.fromEntries(records), conflicts: conflicts.sort() }
}

async function readTruth(database: TestDatabase): Promise<(user: string) => { user: string; holds: Holding }> {
  const rows = new Map<string, { readonly team: string | null; readonly version: number; readonly isLive: boolean }>()
  const key = (name: string, id: unknown) => `${name} ${id}`
  const parents: readonly (readonly [name: string, field: string, above: string])[] = [
    ['calls', 'lead', 'leads'],
    ['visits', 'lead', 'leads'],
    ['marks', 'call', 'calls'],
    ['notes', 'mark', 'marks'],
  ]
  const sidecarOf = (name: string) => database.read(`select id, version, state, "values" from "_sidecar_${name}"`)
  const lastOf = (values: unknown): { readonly [field: string]: unknown } => {
    return (typeof values === 'string' ? JSON.parse(values) : values).fields
  }
  const add = async (name: string, field: string, teamOf: (value: unknown) => string | null) => {
    const live = new Map(
      (await database.read(`select id, ${field} as value from ${name}`)).map((row) => [row.id, row.value]),
    )
    for (const { id, version, state, values } of await sidecarOf(name)) {
      const isLive = state === 'live'
      const value = isLive ? live.get(id) : lastOf(values)[field]
      rows.set(key(name, id), { team: teamOf(value), version: Number(version), isLive })
    }
  }
  await add('leads', 'team', String)
  for (const [name, field, above] of parents) {
    await add(name, field, (value) => (value === null ? null : (rows.get(key(above, value))?.team ?? null)))
  }
  const questions = await database.read('select id, subject from _conflicts')
  return (user) => {
    const teams = new Set(teamsOf(user))
    const isHeld = (team: string | null | undefined) => user === 'boss' || (typeof team === 'string' && teams.has(team))
    const held = [...rows].flatMap(([found, { team, version, isLive }]) =>
      isLive && isHeld(team) ? [`${found} ${version}`] : [],
    )
    const records = viaCollections.map((name) => {
      const own = held.filter((row) => row.startsWith(`${name} `)).map((row) => row.slice(name.length + 1))
      return [name, own.sort()] as const
    })
    const conflicts = questions
      .filter(({ subject }) => isHeld(rows.get(String(subject))?.team))
      .map(({ id, subject }) => `${id} ${subject}`)
    return { user, holds: { ...Object.fromEntries(records), conflicts: conflicts.sort() } }
  }
}

/** What a device was shown of decisions about a record, each by the value that did not stand. */
export function toldAbout(device: WireDevice, collection: string, record: RecordId): readonly unknown[] {
  return [...device.held(decisionsCollection).values()]
    .filter(({ values: { fields } }) => fields.collection === collection && fields.record === record)
    .map(({ values: { fields } }) => fields.local)
    .sort()
}
