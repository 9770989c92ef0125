import type { SyncStatus } from '@holdfast/client'
import { useEffect, useState } from 'react'

/** A round that is over sooner is not worth a word: a chip that blinks at each poll is noise. */
const syncingShownAfterMs = 400

/**
 * The status as a chip shows it: a short round leaves the words of before in place. Counts are never old: what waits is
 * taken from the newest status, so that "Synced" cannot stand while something waits.
 */
export function useCalmStatus(status: SyncStatus | null): SyncStatus | null {
  const isShortRound = status?.kind === 'syncing' && status.progress === null
  const [syncingIsShown, setSyncingIsShown] = useState(false)
  useEffect(() => {
    if (!isShortRound) {
      setSyncingIsShown(false)
      return
    }
    const timer = setTimeout(() => setSyncingIsShown(true), syncingShownAfterMs)
    return () => clearTimeout(timer)
  }, [isShortRound])
  if (status?.kind !== 'syncing' || !isShortRound || syncingIsShown) return status
  return status.lastSyncedAt === null ? status : { ...status, kind: 'idle' }
}
