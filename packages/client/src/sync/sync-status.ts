/** What people are told about sync: one of six kinds, each with what waits and when all was last synced. */
import type { ErrorCode } from '@holdfast/core'
import type { Completeness, Notice } from '../store/store.ts'

export type PauseReason = 'user' | 'signedOut' | 'forbidden' | 'upgrade'

/** Where the database lives: 'memory' is lost on reload, and is said loudly. */
export type StorageKind = 'durable' | 'memory'

export type QueueCopyState = 'kept' | 'failing' | 'none'

export interface StatusCommon {
  readonly lastSyncedAt: number | null
  /** Operations that the server has not acknowledged. */
  readonly pending: number
  /** What a person has to decide: causes in the inbox, each counted once with everything that hangs on it. */
  readonly refused: number
  /** Open conflicts that this device holds, but for those that an unsent settlement closes. */
  readonly conflicts: number
  readonly completeness: Completeness
  /** Rows of the first sync: loaded, and in all as far as the server has said; null when no first sync runs. */
  readonly progress: { readonly rows: number; readonly total: number | null } | null
  readonly storage: StorageKind
  /**
   * Whether what the server has not taken is kept a second time, in case the database breaks: 'failing': it should be, and cannot
   * be at the moment; 'none': nothing here outlives the app anyway, or the app's own driver has no place for it.
   */
  readonly queueCopy: QueueCopyState
  /** Whether the browser has promised not to evict the data; null when it was not asked yet, or where nobody evicts. */
  readonly persisted: boolean | null
  /** The error of the last attempt; null after a success. */
  readonly lastError: { readonly code: ErrorCode; readonly problem: string } | null
  /** What happened to this device's data that a person should know; null when there is nothing, or it was dismissed. */
  readonly notice: Notice | null
}

export type SyncStatus =
  /** No way to the server, as the last real request has shown. */
  | ({ readonly kind: 'offline' } & StatusCommon)
  /** Everything has arrived, as far as the server has told. */
  | ({ readonly kind: 'idle' } & StatusCommon)
  | ({ readonly kind: 'syncing' } & StatusCommon)
  /** The server answered with trouble; the next attempt is at `retryAtMs`. */
  | ({ readonly kind: 'waiting'; readonly retryAtMs: number } & StatusCommon)
  | ({ readonly kind: 'paused'; readonly why: PauseReason } & StatusCommon)
  /** The device cannot go on by itself: storage full or failed. */
  | ({ readonly kind: 'attention'; readonly code: ErrorCode; readonly problem: string } & StatusCommon)
