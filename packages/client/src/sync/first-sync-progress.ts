/** How far the first sync is, counted from the replies. */
import type { SyncReply } from '@holdfast/core'
import type { SnapshotLoad } from '../store/snapshot-load.ts'
import type { StatusCommon } from './sync-status.ts'

export interface FirstSyncProgress {
  count(page: Pick<SyncReply, 'changes' | 'remaining'>): void
  /** What has come so far comes again. */
  startOver(): void
  value(): NonNullable<StatusCommon['progress']>
}

/** @param load the snapshot whose loading goes on; null: there is none. */
export function createFirstSyncProgress(load: SnapshotLoad | null): FirstSyncProgress {
  let rows = load?.loaded ?? 0
  let total = load?.rows ?? null
  return {
    count({ changes, remaining }) {
      if (remaining !== null) total = rows + remaining
      rows += changes.reduce((sum, page) => sum + page.rows.length, 0)
    },
    startOver() {
      rows = 0
      total = null
    },
    value: () => ({ rows, total }),
  }
}
