/** The engine in this thread, over a driver that the app gives: Node. */
import type { Schema } from '@holdfast/core'
import type { RunningEngine } from './engine.ts'
import { type EnginePorts, openEngine } from './open-engine.ts'
import type { Ambient } from './ports/ambient.ts'
import { type Connectivity, noConnectivity } from './ports/connectivity.ts'
import type { OpenDriver } from './ports/open-driver.ts'
import type { Transport } from './ports/transport.ts'
import { noPast } from './store/store.ts'
import { createHttpTransport } from './transports/http.ts'
import { emptyDatabase } from './vault/empty-database.ts'
import { type OpenedDatabase, openVaulted } from './vault/open-vaulted.ts'

export interface DirectOptions {
  readonly schema: Schema
  readonly url: string
  readonly user: string
  readonly token: (fresh: boolean) => Promise<string | null>
  readonly pollMs: number
  readonly driver: OpenDriver
  readonly ports: {
    readonly transport?: Transport
    readonly ambient: Ambient
    readonly connectivity?: Connectivity
  }
}

export async function openDirect(options: DirectOptions): Promise<RunningEngine> {
  const { schema, url, user, token, pollMs, driver: openDriver, ports } = options
  const { ambient } = ports
  const transport = ports.transport ?? createHttpTransport({ url, fetch: globalThis.fetch, clock: ambient.clock })
  const { vault } = openDriver
  const start = ({ driver, copy, past }: Omit<OpenedDatabase, 'copy'> & Pick<EnginePorts, 'copy'>) =>
    openEngine(
      {
        driver,
        transport,
        connectivity: ports.connectivity ?? noConnectivity,
        ambient,
        token,
        wipe: () => (vault === undefined ? emptyDatabase(openDriver) : vault.wipe()),
        copy,
      },
      { schema, user, storage: 'durable', pollMs, past, report: say },
    )
  if (vault === undefined) return start({ driver: await openDriver(), copy: 'none', past: noPast })
  // Nobody evicts files: no mark is needed.
  return openVaulted({ openDriver, vault, user, markedDevice: null, report: say, timers: ambient.timers, start })
}

/** It stops nothing, and must not be lost: a row that another writer broke, a listener of the app that threw. */
function say(problem: unknown): void {
  console.error('Holdfast:', problem)
}
