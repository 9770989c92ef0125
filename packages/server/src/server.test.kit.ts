/** What the tests of this package share: a small schema, devices that write operations, a server on a database of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  collection,
  defineSchema,
  type JsonObject,
  type Operation,
  type OperationKind,
  type Outcome,
  operationText,
  parseDeviceId,
  parseOperationId,
  parseSyncReply,
  parseTransactionId,
  parseUserId,
  type SyncReply,
  syncRequestText,
  t,
} from '@holdfast/core'
import { SignJWT } from 'jose'
import { createServer, type Server, type ServerOptions } from './create-server.ts'
import { jwt } from './http/authenticate.ts'
import { sqlite } from './store/sqlite.ts'

export const schema = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: {
        owner: t.text({ min: 1 }),
        name: t.text({ min: 1, max: 20 }),
        stage: t.enum(['new', 'won', 'lost'], { default: 'new' }),
        budget: t.integer({ min: 0, optional: true }),
        vip: t.boolean({ default: false }),
        info: t.json({ optional: true }),
        visits: t.counter(),
      },
      indexes: [['owner', 'updatedAt']],
      scope: { agent: 'owner' },
    }),
    calls: collection({
      fields: { lead: t.ref('leads'), owner: t.text(), note: t.text({ default: '' }) },
      scope: { agent: 'owner' },
    }),
  },
})

export const nowMs = 1_795_000_000_000

type More = Partial<
  Pick<Operation, 'was' | 'base' | 'replaces' | 'settles' | 'user' | 'collection' | 'time' | 'schemaVersion'>
>

export interface Device {
  readonly id: string
  create(record: string, fields: JsonObject, more?: More): Operation
  update(record: string, fields: JsonObject, more?: More): Operation
  increment(record: string, fields: JsonObject, more?: More): Operation
  remove(record: string, more?: More): Operation
  restore(record: string, more?: More): Operation
}

/** A device that writes operations with ids that can be told apart: `number` goes into all of them. */
export function createDevice(user: string, number: number): Device {
  const id = uuid(number, 0)
  let seq = 0
  const make =
    (kind: OperationKind) =>
    (record: string, fields: JsonObject = {}, more: More = {}): Operation => {
      seq += 1
      return {
        id: parseOperationId(uuid(number, seq)),
        user: parseUserId(user),
        device: parseDeviceId(id),
        seq,
        tx: { id: parseTransactionId(uuid(number + 0x8000, seq)), index: 0, count: 1 },
        collection: 'leads',
        record,
        kind,
        fields,
        was: {},
        base: { generation: null, version: 0 },
        time: { at: nowMs + seq, epoch: 0, hlc: { ms: nowMs + seq, counter: 0 } },
        schemaVersion: 1,
        replaces: [],
        settles: [],
        ...more,
      }
    }
  const [remove, restore] = [make('delete'), make('restore')]
  return {
    id,
    create: make('create'),
    update: make('update'),
    increment: make('increment'),
    remove: (record, more) => remove(record, {}, more),
    restore: (record, more) => restore(record, {}, more),
  }
}

/** Operations as one app transaction. */
export function unit(...operations: readonly Operation[]): readonly Operation[] {
  const id = operations[0]?.tx.id
  return operations.map((operation, index) => ({
    ...operation,
    tx: { id: id ?? operation.tx.id, index, count: operations.length },
  }))
}

export const lead = { owner: 'ali', name: 'Mona' } as const

function uuid(number: number, seq: number): string {
  return `0190${number.toString(16).padStart(4, '0')}-0000-7000-8000-${seq.toString(16).padStart(12, '0')}`
}

export interface TestServer {
  readonly server: Server
  readonly directory: string
  token(user: string, claims?: JsonObject, seconds?: number): Promise<string>
  /** POST /sync as `user`. */
  post(user: string, body: BodyInit, headers?: { readonly [name: string]: string }): Promise<Response>
  /** One round that must succeed. */
  round(
    user: string,
    operations: readonly Operation[],
    cursor?: string | null,
  ): Promise<{ readonly text: string; readonly reply: SyncReply }>
  dispose(): Promise<void>
}

export const secret = new TextEncoder().encode('a secret that only tests know, 32+ bytes')

/** A started server: managers see everything, everybody else the scope agent:<user>. */
export async function startTestServer(options: Partial<ServerOptions<typeof schema>> = {}): Promise<TestServer> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-server-'))
  const server = createServer({
    schema,
    store: sqlite(path.join(directory, 'data')),
    authenticate: jwt({ secret }),
    scopes: (user) => (user.claims.role === 'manager' ? 'all' : { agent: [user.userId] }),
    logLevel: 'silent',
    ...options,
  })
  await server.start()

  const token = (user: string, claims: JsonObject = {}, seconds = 3_600): Promise<string> =>
    new SignJWT({ ...(user === 'manager' ? { role: 'manager' } : {}), ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(user)
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(secret)
  const post: TestServer['post'] = async (user, body, headers = {}) =>
    server.fetch(
      new Request('http://test/sync', {
        method: 'POST',
        headers: { authorization: `Bearer ${await token(user)}`, ...headers },
        body,
      }),
    )
  return {
    server,
    directory,
    token,
    post,
    round: async (user, operations, cursor = null) => {
      const response = await post(user, requestText(operations, cursor, user))
      const text = await response.text()
      if (response.status !== 200) throw new Error(`${response.status} ${text}`)
      return { text, reply: parseSyncReply(JSON.parse(text)) }
    },
    dispose: async () => {
      await server.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export function requestText(operations: readonly Operation[], cursor: string | null = null, user = 'ali'): string {
  return syncRequestText({
    schema: 1,
    user: parseUserId(user),
    device: parseDeviceId(uuid(0xffff, 0)),
    clock: { nowMs: Date.now(), epoch: 1, offsetMs: 0, guessedFrom: null, earlier: [] },
    cursor,
    pull: 'page',
    pending: 0,
    previousDevice: null,
    operations: operations.map(operationText),
  })
}

/** What came of each operation, in few words: `applied 1`, `merged 3 -stage`, `conflict 4 ?note`, `rejected INVALID_VALUE name`, `blocked by 0`. */
export function summary(reply: SyncReply, operations: readonly Operation[]): readonly string[] {
  const positionOf = (id: string) => operations.findIndex((operation) => operation.id === id)
  return operations.map(({ id }) => inWords(reply.outcomes.find((given) => given.id === id) ?? null, positionOf))
}

export function inWords(outcome: Outcome | null, positionOf: (id: string) => number): string {
  switch (outcome?.kind) {
    case undefined:
      return 'none'
    case 'applied':
      return `applied ${outcome.version}`
    case 'merged':
      return `merged ${outcome.version}${outcome.dropped.map((name) => ` -${name}`).join('')}`
    case 'conflict':
      return `conflict ${outcome.version}${outcome.fields.map((name) => ` ?${name}`).join('')}`
    case 'rejected':
      return `rejected ${outcome.code}${outcome.field === null ? '' : ` ${outcome.field}`}`
    case 'blocked':
      return `blocked by ${positionOf(outcome.by)}`
  }
}
