/** Rescue files without the main database: from the second copy, where the database cannot be opened any more. */
import { EngineError } from '@holdfast/core'
import { systemAmbient } from '../ambient/system-ambient.ts'
import { databaseName } from '../database-name.ts'
import type { Clock } from '../ports/ambient.ts'
import type { QueueCopy } from '../ports/queue-copy.ts'
import { openIndexedDbQueueCopy } from './indexed-db-queue-copy.ts'
import { queueCopyName } from './queue-copy-name.ts'
import { type RescueExport, rescueExport } from './rescue-export.ts'

export interface ExportRescueOptions {
  readonly user: string
  /** The version of the app's schema. */
  readonly schema: number
  /** In a browser `browserQueueCopy({ url, user })`; in Node `nodeSqlite(path).vault.openCopy`. */
  readonly openCopy: () => Promise<QueueCopy>
  /** The system's clock by default. */
  readonly clock?: Pick<Clock, 'now'>
}

/**
 * Everything that the copy holds, what waits and what was refused, as files that are to be brought to the server in their order
 * (nearly always one); null when it never held anything. USER_MISMATCH when it is
 * another user's, STORAGE_LOCKED (in Node) while a client is open: then `client.rescue.export()` does it.
 */
export async function exportRescue(options: ExportRescueOptions): Promise<readonly RescueExport[] | null> {
  const { clock = systemAmbient.clock } = options
  const copy = await options.openCopy()
  try {
    const { owner, operations } = await copy.read()
    if (owner === null) return null
    if (owner.user !== options.user) throw new EngineError('USER_MISMATCH', 'the copy belongs to another user.')
    return rescueExport(
      { ...owner, schema: options.schema, exportedAt: Math.trunc(clock.now()), clock: null },
      operations,
    )
  } finally {
    await copy.close()
  }
}

/** The copy of a user's database of this server, in this browser. */
export function browserQueueCopy({ url, user }: { readonly url: string; readonly user: string }) {
  return async (): Promise<QueueCopy> =>
    openIndexedDbQueueCopy(queueCopyName(await databaseName(new URL(url, location.href).href, user)))
}
