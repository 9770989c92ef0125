/** Opens the replica on this device: in a browser tab over a worker, in Node in the same thread. */
import type { Schema } from '@holdfast/core'
import { systemAmbient } from './ambient/system-ambient.ts'
import type { Client } from './client.ts'
import { createClient } from './create-client.ts'
import { databaseName } from './database-name.ts'
import type { Ambient } from './ports/ambient.ts'
import type { Connectivity } from './ports/connectivity.ts'
import type { OpenDriver } from './ports/open-driver.ts'
import type { Transport } from './ports/transport.ts'
import { createTokenSource, type TokenOption } from './token-source.ts'
import { createDeviceMark, markPlacesHere } from './vault/device-mark.ts'
import { openTab } from './worker/tab.ts'

interface CommonOptions<S extends Schema> {
  readonly schema: S
  /** Where the server is mounted; in a browser it may be relative to the page. */
  readonly url: string
  /** The id of the user whose token it is: each user has a database of their own. */
  readonly user: string
  /** The bearer token, or a function that answers it: asked when it is needed, and again when the last one was refused. */
  readonly token: TokenOption
  /** The time between rounds when nothing happens, in milliseconds (60,000). Writes, pokes and people do not wait for it. */
  readonly pollMs?: number
}

export interface TabClientOptions<S extends Schema> extends CommonOptions<S> {
  /** `() => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })`, so that bundlers see the file. */
  readonly worker: () => Worker
}

export interface NodeClientOptions<S extends Schema> extends CommonOptions<S> {
  /** `nodeSqlite(path)` of @holdfast/client/node. */
  readonly driver: OpenDriver
  /** In place of HTTP to `url`, the real clock and silence about the network: for tests and simulations. */
  readonly ports?: {
    readonly transport?: Transport
    readonly ambient?: Ambient
    readonly connectivity?: Connectivity
  }
}

const pollMsDefault = 60_000

/** Resolves when the database is open; it needs no network for that. */
export function openClient<S extends Schema>(options: TabClientOptions<S> | NodeClientOptions<S>): Promise<Client<S>> {
  return 'worker' in options ? openInTab(options) : openInThread(options)
}

async function openInThread<S extends Schema>(options: NodeClientOptions<S>): Promise<Client<S>> {
  // Loaded when it is needed: a tab's bundle holds neither the store nor the sync engine.
  const { openDirect } = await import('./open-direct.ts')
  const { schema, user } = options
  const ambient = options.ports?.ambient ?? systemAmbient
  const engine = await openDirect({
    ...options,
    ports: { ...options.ports, ambient },
    token: createTokenSource(options.token),
    pollMs: options.pollMs ?? pollMsDefault,
  })
  return createClient(engine, { schema, user, ambient, onSaved: () => {} })
}

async function openInTab<S extends Schema>(options: TabClientOptions<S>): Promise<Client<S>> {
  const worker = options.worker() // Its script loads meanwhile.
  try {
    return await openOver(worker, options)
  } catch (error) {
    worker.terminate()
    throw error
  }
}

async function openOver<S extends Schema>(worker: Worker, options: TabClientOptions<S>): Promise<Client<S>> {
  const { schema, user } = options
  const url = new URL(options.url, location.href).href
  const database = await databaseName(url, user)
  const mark = createDeviceMark(database, markPlacesHere())
  const seat = {
    database,
    device: mark.read(),
    tab: systemAmbient.random.uuid(),
    url,
    user,
    schema: schema.version,
    pollMs: options.pollMs ?? pollMsDefault,
  }
  let opening = true
  const failedToOpen = Promise.withResolvers<never>()
  failedToOpen.promise.catch(() => {}) // Heard in the race below, or moot.
  const { engine, askPersistence } = await openTab({
    worker,
    seat,
    mark,
    ambient: systemAmbient,
    token: createTokenSource(options.token),
    // Once it was open, trouble is that of the calls that meet it.
    onTrouble: (error) => opening && failedToOpen.reject(error),
  })
  try {
    const opened = createClient(engine, { schema, user, ambient: systemAmbient, onSaved: askPersistence })
    opened.catch(() => {})
    return await Promise.race([opened, failedToOpen.promise])
  } catch (error) {
    await engine.close()
    throw error
  } finally {
    opening = false
  }
}
