import { type Client, openClient, type SyncStatus } from '@holdfast/client'
import { type Crm, crm } from '../../apps/crm/src/schema.ts'

/** Who syncs, with the token that the bench made. */
export interface Identity {
  readonly user: string
  readonly token: string
}

/** As the CRM does it: the server that serves this page also syncs it. */
export function openOurs({ user, token }: Identity): Promise<Client<Crm>> {
  return openClient({
    schema: crm,
    url: location.origin,
    user,
    token: async () => token,
    worker: () => new Worker(new URL('./ours.worker.ts', import.meta.url), { type: 'module' }),
  })
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
