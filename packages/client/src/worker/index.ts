/**
 * @module @holdfast/client/worker — the engine's thread. An app's worker file is two lines: import its schema, call `startWorker`.
 */
import { EngineError, type Schema } from '@holdfast/core'
import { systemAmbient } from '../ambient/system-ambient.ts'
import { deleteWasmOpfs, openWasmMemory, openWasmOpfs } from '../drivers/wasm-opfs.ts'
import { openEngine } from '../open-engine.ts'
import type { Connectivity } from '../ports/connectivity.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { StorageKind } from '../sync/sync-status.ts'
import { createHttpTransport } from '../transports/http.ts'
import { createLeaderWorker } from './leader.ts'
import type { Seat } from './messages.ts'
import type { TokenDesk } from './token-desk.ts'
import { createWebLeases } from './web-locks.ts'

/** Makes this dedicated worker the engine's: it takes part in the choice of a leader, and leads when its turn comes. */
export function startWorker(schema: Schema): void {
  const worker = createLeaderWorker({
    id: systemAmbient.random.uuid(),
    schemaVersion: schema.version,
    leases: createWebLeases(),
    timers: systemAmbient.timers,
    openChannel: (name) => new BroadcastChannel(name),
    post: (message) => postMessage(message),
    openEngine: (seat, desk) => openHere(schema, seat, desk),
  })
  addEventListener('message', ({ data }: MessageEvent<unknown>) => worker.receive(data))
}

async function openHere(schema: Schema, seat: Seat, desk: TokenDesk) {
  const directory = `holdfast/${seat.database}`
  const { driver, storage } = await openStorage(directory)
  const transport = createHttpTransport({
    url: seat.url,
    fetch: (input, init) => fetch(input, init),
    clock: systemAmbient.clock,
  })
  return openEngine(
    {
      driver,
      transport,
      connectivity: workerConnectivity,
      ambient: systemAmbient,
      token: (fresh) => desk.ask(fresh),
      wipe: () => (storage === 'memory' ? Promise.resolve() : deleteWasmOpfs({ directory })),
    },
    { schema, user: seat.user, storage, pollMs: seat.pollMs, report: (problem) => console.error('Holdfast:', problem) },
  )
}

/** Memory where the browser has no place to store in: better than nothing, and said loudly in the status. */
async function openStorage(directory: string): Promise<{ driver: SqliteDriver; storage: StorageKind }> {
  try {
    return { driver: await openWasmOpfs({ directory }), storage: 'durable' }
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'STORAGE_UNAVAILABLE') throw error
    return { driver: await openWasmMemory(), storage: 'memory' }
  }
}

/** A worker hears of the network itself; that the app came to the front, tabs tell. */
const workerConnectivity: Connectivity = {
  watch(listener) {
    const online = () => listener('online')
    const offline = () => listener('offline')
    addEventListener('online', online)
    addEventListener('offline', offline)
    return () => {
      removeEventListener('online', online)
      removeEventListener('offline', offline)
    }
  },
}
