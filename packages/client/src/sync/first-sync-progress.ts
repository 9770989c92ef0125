/** How far the first sync is, counted from the replies. */
import type { SyncReply } from '@holdfast/core'
import type { StatusCommon } from './sync-status.ts'

export interface FirstSyncProgress {
  count(reply: SyncReply): void
  value(): NonNullable<StatusCommon['progress']>
}

export function createFirstSyncProgress(): FirstSyncProgress {
  let rows = 0
  let total: number | null = null
  return {
    count({ changes, remaining }) {
      if (remaining !== null) total = rows + remaining
      rows += changes.reduce((sum, page) => sum + page.rows.length, 0)
    },
    value: () => ({ rows, total }),
  }
}
