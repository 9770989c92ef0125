import type { DiscardedGroup, InboxGroup, SyncStatus } from '@holdfast/client'
import { useSyncExternalStore } from 'react'
import { emptyInbox, nothingDiscarded } from '../connection.ts'
import { useSyncConnection } from './sync-context.ts'

export function useSyncStatus(): SyncStatus | null {
  const { status } = useSyncConnection()
  return useSyncExternalStore(status.subscribe, status.snapshot, () => null)
}

export function useInbox(): readonly InboxGroup[] {
  const { inbox } = useSyncConnection()
  return useSyncExternalStore(inbox.subscribe, inbox.snapshot, () => emptyInbox)
}

export function useDiscarded(): readonly DiscardedGroup[] {
  const { discarded } = useSyncConnection()
  return useSyncExternalStore(discarded.subscribe, discarded.snapshot, () => nothingDiscarded)
}
