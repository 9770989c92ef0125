/** A device in Node, through the client's own door. */
import { type Client, openClient, type SyncStatus } from '@holdfast/client'
import type { nodeSqlite } from '@holdfast/client/node'
import { type Crm, crm } from '../../apps/crm/src/schema.ts'

export interface DeviceOptions {
  readonly url: string
  readonly user: string
  readonly driver: ReturnType<typeof nodeSqlite>
  readonly token: () => Promise<string>
}

export function openDevice(options: DeviceOptions): Promise<Client<Crm>> {
  return openClient({ schema: crm, ...options })
}

/** Resolves when the status passes. */
export function whenStatus(client: Client<Crm>, passes: (status: SyncStatus) => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (passes(client.sync.status)) return resolve()
    const stop = client.sync.watch((status) => {
      if (!passes(status)) return
      stop()
      resolve()
    })
  })
}

export function isComplete(status: SyncStatus): boolean {
  return status.completeness === 'complete'
}
