/**
 * @module @holdfast/client/worker — the engine's thread. An app's worker file is two lines: import its schema, call `startWorker`.
 */
import { EngineError, type Schema } from '@holdfast/core'
import { systemAmbient } from '../ambient/system-ambient.ts'
import { openWasmMemory, openWasmOpfs, preloadSqlite } from '../drivers/wasm-opfs.ts'
import type { RunningEngine } from '../engine.ts'
import { type EnginePorts, openEngine } from '../open-engine.ts'
import type { Connectivity } from '../ports/connectivity.ts'
import { noPast } from '../store/store.ts'
import type { StorageKind } from '../sync/sync-status.ts'
import { createHttpTransport } from '../transports/http.ts'
import { type OpenedDatabase, openVaulted } from '../vault/open-vaulted.ts'
import { createOpfsVault } from '../vault/opfs-vault.ts'
import { queueCopyName } from '../vault/queue-copy-name.ts'
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

async function openHere(schema: Schema, seat: Seat, desk: TokenDesk): Promise<RunningEngine> {
  const { user, pollMs } = seat
  const directory = `holdfast/${seat.database}`
  const vault = createOpfsVault({ directory, copyName: queueCopyName(seat.database) })
  const transport = createHttpTransport({
    url: seat.url,
    fetch: (input, init) => fetch(input, init),
    clock: systemAmbient.clock,
    isOffline: () => !navigator.onLine,
  })
  const startOn =
    (storage: StorageKind) =>
    ({ driver, copy, past }: Omit<OpenedDatabase, 'copy'> & Pick<EnginePorts, 'copy'>) =>
      openEngine(
        {
          driver,
          transport,
          connectivity: workerConnectivity,
          ambient: systemAmbient,
          token: (fresh) => desk.ask(fresh),
          wipe: () => (storage === 'memory' ? Promise.resolve() : vault.wipe()),
          copy,
        },
        { schema, user, storage, pollMs, past, report },
      )
  preloadSqlite() // While the copy is opened and read.
  try {
    const openDriver = () => openWasmOpfs({ directory })
    const { timers } = systemAmbient
    const start = startOn('durable')
    return await openVaulted({ openDriver, vault, user, markedDevice: seat.device, report, timers, start })
  } catch (error) {
    // Memory where the browser has no place to store in: better than nothing, and said loudly in the status.
    if (!(error instanceof EngineError) || error.code !== 'STORAGE_UNAVAILABLE') throw error
    return startOn('memory')({ driver: await openWasmMemory(), copy: 'none', past: noPast })
  }
}

const report = (problem: unknown) => console.error('Holdfast:', problem)

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
