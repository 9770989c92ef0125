/**
 * The engine as its users see it: what can be asked and what can be watched. In Node it runs in the same thread; in a browser a tab
 * reaches it by messages, in its own worker or in another tab's, so every name, argument and answer here can be cloned.
 *
 * EN1  A call that is repeated, because the engine that it was made to has died, counts once: ids are made by the caller.
 * EN2  A watch tells what is now, and then each change, in the order in which they were committed.
 */
import type { DeviceId, OperationId, Outcome, RecordId, TransactionId } from '@holdfast/core'
import type {
  Completeness,
  ConflictItem,
  DecisionItem,
  DiscardedGroup,
  Explanation,
  InboxFile,
  InboxGroup,
  LeftOut,
  RequeueRequest,
  RestoreRequest,
  SettleRequest,
  StoreAnswer,
  StoreQuery,
  WaitingItem,
  WriteDraft,
} from './store/store.ts'
import type { SyncStatus } from './sync/sync-status.ts'
import type { RescueExport } from './vault/rescue-export.ts'

/** What each call takes. */
export interface Calls {
  readonly write: WriteDraft
  readonly undo: UndoRequest
  /** Answered when the server has settled the transaction, however long that takes. */
  readonly settled: { readonly tx: TransactionId }
  readonly query: StoreQuery
  /** The records that were found, best first, as whole rows. */
  readonly search: { readonly collection: string; readonly typed: string; readonly limit: number }
  readonly kvGet: { readonly key: string }
  /** JSON text; null deletes. */
  readonly kvSet: { readonly key: string; readonly value: string | null }
  readonly syncNow: null
  readonly pause: null
  readonly resume: null
  readonly waiting: null
  readonly inbox: null
  readonly discarded: null
  readonly exportInbox: null
  readonly requeue: RequeueRequest
  readonly discard: { readonly id: OperationId }
  readonly undiscard: { readonly id: OperationId }
  readonly conflicts: null
  readonly settle: SettleRequest
  readonly history: HistoryRequest
  readonly restoreDropped: RestoreRequest
  readonly explain: HistoryRequest & { readonly field: string }
  readonly signOut: SignOutRequest
  /** `atMs`: the time for the file's name and head. */
  readonly rescue: { readonly atMs: number }
  readonly dismissNotice: null
}

/** What each call answers. */
export interface Answers {
  /** Whether an operation was written: what changes nothing is left out. */
  readonly write: boolean
  readonly undo: boolean
  readonly settled: readonly Outcome[]
  readonly query: StoreAnswer
  readonly search: StoreAnswer
  readonly kvGet: string | null
  readonly kvSet: null
  readonly syncNow: null
  readonly pause: null
  readonly resume: null
  readonly waiting: readonly WaitingItem[]
  readonly inbox: readonly InboxGroup[]
  readonly discarded: readonly DiscardedGroup[]
  readonly exportInbox: InboxFile
  readonly requeue: readonly LeftOut[]
  readonly discard: null
  readonly undiscard: null
  readonly conflicts: readonly ConflictItem[]
  /** As for `write`. */
  readonly settle: boolean
  readonly history: readonly DecisionItem[]
  readonly restoreDropped: boolean
  readonly explain: Explanation
  /** What of the person's work stays on the device. */
  readonly signOut: { readonly kept: number }
  readonly rescue: readonly RescueExport[]
  readonly dismissNotice: null
}

export interface SignOutRequest {
  /** What happens to what waits or was refused: it is kept for the next sign-in, or deleted with everything else. */
  readonly waiting: 'keep' | 'discard'
}

export type CallName = keyof Calls

export interface HistoryRequest {
  readonly collection: string
  readonly record: RecordId
}

export interface UndoRequest {
  readonly tx: TransactionId
  /** The transaction that undoes it. */
  readonly by: TransactionId
  readonly operationIds: readonly OperationId[]
}

/** What each watch takes. */
export interface Watches {
  readonly query: StoreQuery
  readonly status: null
  readonly inbox: null
  readonly discarded: null
  readonly conflicts: null
  readonly history: HistoryRequest
  readonly kv: { readonly key: string }
  readonly device: null
  readonly leaves: null
}

/** What each watch tells. */
export interface Watched {
  readonly query: WatchedAnswer
  readonly status: SyncStatus
  readonly inbox: readonly InboxGroup[]
  readonly discarded: readonly DiscardedGroup[]
  readonly conflicts: readonly ConflictItem[]
  readonly history: readonly DecisionItem[]
  readonly kv: string | null
  /** The device that this database is; null where nothing of it outlives the tab. */
  readonly device: DeviceId | null
  /** Grows whenever records have left this device. */
  readonly leaves: number
}

export type WatchName = keyof Watches

export interface WatchedAnswer extends StoreAnswer {
  readonly completeness: Completeness
}

export interface Engine {
  ask<K extends CallName>(name: K, args: Calls[K]): Promise<Answers[K]>
  /** Answers how to stop. */
  watch<K extends WatchName>(name: K, args: Watches[K], listener: (value: Watched[K]) => void): () => void
  close(): Promise<void>
}

/** An engine that runs in this thread, with what its surroundings tell it. */
export interface RunningEngine extends Engine {
  /** The app came to the front. */
  foreground(): void
  tokenChanged(): void
  setPersisted(persisted: boolean): void
}

export const waitingItemsMax = 200
