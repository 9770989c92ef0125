/** The engine in this thread, over a driver that the app gives: Node. */
import type { Schema } from '@holdfast/core'
import type { RunningEngine } from './engine.ts'
import { openEngine } from './open-engine.ts'
import type { Ambient } from './ports/ambient.ts'
import { type Connectivity, noConnectivity } from './ports/connectivity.ts'
import type { OpenDriver } from './ports/open-driver.ts'
import type { Transport } from './ports/transport.ts'
import { createHttpTransport } from './transports/http.ts'

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
  return openEngine(
    {
      driver: await openDriver(),
      transport,
      connectivity: ports.connectivity ?? noConnectivity,
      ambient,
      token,
      wipe: () => empty(openDriver),
    },
    { schema, user, storage: 'durable', pollMs, report: say },
  )
}

/** A driver opens files and deletes none: the tables go, and with `vacuum` their pages, so that nothing of them can be read. */
async function empty(openDriver: OpenDriver): Promise<void> {
  const driver = await openDriver()
  try {
    const virtual = "select name from sqlite_schema where type = 'table' and sql like 'create virtual%'"
    const ordinary = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'"
    // Virtual ones first: their shadow tables go with them.
    for (const names of [virtual, ordinary]) {
      for (const [name] of driver.all(names)) driver.exec(`drop table "${name}"`)
    }
    driver.exec('vacuum')
    driver.all('pragma wal_checkpoint(truncate)')
  } finally {
    driver.close()
  }
}

/** It stops nothing, and must not be lost: a row that another writer broke, a listener of the app that threw. */
function say(problem: unknown): void {
  console.error('Holdfast:', problem)
}
