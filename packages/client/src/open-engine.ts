/** The engine's composition: ports in, a running engine out. */
import { parseUserId, type Schema } from '@holdfast/core'
import { createEngine } from './create-engine.ts'
import type { RunningEngine } from './engine.ts'
import type { Ambient } from './ports/ambient.ts'
import type { Connectivity } from './ports/connectivity.ts'
import type { SqliteDriver } from './ports/sqlite-driver.ts'
import type { Transport } from './ports/transport.ts'
import { createStore } from './store/create-store.ts'
import type { Past } from './store/store.ts'
import { createSyncEngine } from './sync/sync-engine.ts'
import type { StorageKind } from './sync/sync-status.ts'
import { createCopyKeeper } from './vault/copy-keeper.ts'
import type { OpenedCopy } from './vault/open-vaulted.ts'

export interface EnginePorts {
  readonly driver: SqliteDriver
  readonly transport: Transport
  readonly connectivity: Connectivity
  readonly ambient: Ambient
  /** See SyncEngineParts. */
  readonly token: (fresh: boolean) => Promise<string | null>
  /** Deletes the database for good; the driver is closed by then. */
  readonly wipe: () => Promise<void>
  /** The second copy of the queue; 'failing': there should be one. */
  readonly copy: OpenedCopy | 'failing' | 'none'
}

export interface EngineOptions {
  readonly schema: Schema
  readonly user: string
  readonly storage: StorageKind
  readonly pollMs: number
  readonly past: Past
  /** Told of what is wrong and stops nothing. */
  readonly report: (problem: unknown) => void
}

/** Opens the store and starts to sync. */
export function openEngine(ports: EnginePorts, options: EngineOptions): RunningEngine {
  const { driver, transport, connectivity, ambient, token, wipe, copy } = ports
  const { schema, storage, pollMs, past, report } = options
  const store = createStore({ driver, schema, user: parseUserId(options.user), ambient, report, past })
  const sync = createSyncEngine(
    { store, transport, connectivity, ambient, token },
    { schemaVersion: schema.version, storage, pollMs },
  )
  const told = (isWorking: boolean) => sync.setQueueCopy(isWorking ? 'kept' : 'failing')
  if (copy !== 'none') told(copy !== 'failing')
  const isThere = copy !== 'none' && copy !== 'failing'
  const keeper = isThere ? createCopyKeeper({ store, timers: ambient.timers, report, told }, copy) : null
  const engine = createEngine({ store, sync, schema, wipe, keeper, isDurable: storage === 'durable' })
  sync.start()
  return engine
}
