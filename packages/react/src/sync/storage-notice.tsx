import type { ReactNode } from 'react'
import { countOf } from './sync-words.ts'
import { useSyncStatus } from './use-sync.ts'

/**
 * Says when this device does not hold the data for good: loudly when it is in memory only, plainly when the browser may
 * clear it and something waits. Shows nothing otherwise.
 */
export function StorageNotice(): ReactNode {
  const status = useSyncStatus()
  if (status === null) return null
  const { storage, queueCopy, persisted, pending } = status
  if (storage === 'memory') return <MemoryNotice />
  if (queueCopy === 'failing' && pending > 0) {
    return (
      <p className="hf-notice">
        This device cannot keep a second copy of what has not been sent (its storage may be full), and{' '}
        {countOf(pending, 'change')} {pending === 1 ? 'is' : 'are'} only in its database. Sync soon, or free some space.
      </p>
    )
  }
  if (persisted !== false || pending === 0) return null
  return (
    <p className="hf-notice">
      The browser may clear this device's data when space runs short, and {countOf(pending, 'change')}{' '}
      {pending === 1 ? 'is' : 'are'} only here. Sync soon, or install the app to protect it.
    </p>
  )
}

/** For the top of an app: stands only while the data is in memory. */
export function MemoryNotice(): ReactNode {
  const status = useSyncStatus()
  if (status?.storage !== 'memory') return null
  return (
    <p className="hf-notice hf-loud" role="alert">
      This browser cannot store data here: everything that has not been synced is lost when this page closes. Leave the
      private window, or use another browser.
    </p>
  )
}
