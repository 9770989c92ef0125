import type { ConflictItem, DecisionItem } from '@holdfast/client'
import type { RecordId } from '@holdfast/core'
import { useMemo, useSyncExternalStore } from 'react'
import { type ShownRecord, unknownRecord } from './connection.ts'
import { useSyncConnection } from './sync/sync-context.ts'

/** Open conflicts; null until the database has answered. */
export function useOpenConflicts(): readonly ConflictItem[] | null {
  const { conflicts } = useSyncConnection()
  return useSyncExternalStore(conflicts.subscribe, conflicts.snapshot, () => null)
}

/** Decisions about a record, newest first; null until the database has answered. */
export function useDecisions(collection: string, record: RecordId): readonly DecisionItem[] | null {
  const connection = useSyncConnection()
  const decisions = useMemo(() => connection.historyOf(collection, record), [connection, collection, record])
  return useSyncExternalStore(decisions.subscribe, decisions.snapshot, () => null)
}

/** A record of any collection, as it is shown now. */
export function useShownRecord(collection: string, record: RecordId): ShownRecord {
  const connection = useSyncConnection()
  const shown = useMemo(() => connection.recordOf(collection, record), [connection, collection, record])
  return useSyncExternalStore(shown.subscribe, shown.snapshot, () => unknownRecord)
}
