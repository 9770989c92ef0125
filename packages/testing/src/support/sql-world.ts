/** A server on Postgres, devices by the protocol alone, and another program that writes the same tables by plain SQL. */
import { parseUserId, type Schema } from '@holdfast/core'
import { createServer, postgres, type Server } from '@holdfast/server'
import pg from 'pg'
import type { SqlRow, StoreKind, TestDatabase } from './store-kind.ts'
import { createWireDevice, type WireDevice } from './wire-device.ts'
import type { OnFinished } from './world.ts'

export interface SqlWorld {
  readonly database: TestDatabase
  readonly server: Server
  /** Who is called `agent:7` holds the scope agent:7, `manager` all. */
  wireDevice(user: string): WireDevice
  /** Several statements in one text are one transaction. */
  sql(text: string): Promise<void>
  read(sql: string): Promise<readonly SqlRow[]>
  /** A connection of its own, for transactions that stay open. */
  connect(): Promise<pg.Client>
}

export async function createSqlWorld(kind: StoreKind, schema: Schema, onFinished: OnFinished): Promise<SqlWorld> {
  const database = await kind.create()
  const server = createServer({
    schema,
    store: postgres(database.address),
    authenticate: async (request) => ({
      userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
      claims: {},
    }),
    scopes: ({ userId }) => {
      const [name = '', value = ''] = userId.split(':')
      return userId === 'manager' ? 'all' : { [name]: [value] }
    },
    logLevel: 'silent',
  })
  await server.start()
  const clients: pg.Client[] = []
  const connect = async () => {
    const client = new pg.Client(database.address)
    clients.push(client)
    await client.connect()
    return client
  }
  const main = await connect()
  onFinished(async () => {
    for (const client of clients) await client.end()
    await server.close()
    await database.drop()
  })
  return {
    database,
    server,
    wireDevice: (user) => createWireDevice({ server: () => server, schema, nowMs: Date.now }, user),
    sql: async (text) => void (await main.query(text)),
    read: async (sql) => (await main.query(sql)).rows,
    connect,
  }
}
