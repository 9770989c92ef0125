/**
 * The device's store: the app's only source of truth. Synchronous, over one SQLite connection that it owns; it knows SQL and
 * knows no network.
 *
 *   write ──► row + operation (pending) ──nextBatch──► sending ──applyReply──► acknowledged ──reflected──► settled
 *                                            ▲             │                                  (row of _settled)
 *              ▲                             └─batchFailed─┘          └──rejected, blocked──► inbox ──replaced──► settled
 *              └──────────── retry, fix: a new operation ────────────────────────────────────────┘
 *
 * ST1  A row and its operation are written in one transaction, or neither is [I-2].
 * ST2  What is shown = fold(unsettled operations, this device's sides of its open conflicts, confirmed row). A confirmed row never goes
 *      back to a lower version [I-13].
 * ST3  An operation leaves the fold only in the transaction that makes its effect part of the confirmed row, or refuses it:
 *      a subscriber never sees the old value in between [I-12].
 * ST4  An operation is in exactly one of outbox, inbox and settled, after any crash [I-4].
 * ST5  A reply is applied in one transaction, and applying it twice has the effect of once.
 * ST6  The pages of a pull become visible together, when the last has come; those of the first sync one by one ('partial').
 * ST7  A write that is repeated with the same operation ids counts once.
 */
import type {
  Author,
  ClockReading,
  Decision,
  DeviceClock,
  DeviceId,
  ErrorCode,
  Generation,
  Json,
  JsonObject,
  OperationId,
  OperationKind,
  Outcome,
  PullKind,
  RecordId,
  RecordSync,
  Restart,
  Settlement,
  SnapshotPart,
  SyncReply,
  TransactionId,
  UserId,
} from '@holdfast/core'
import type { KeptOperation, KeptQueue, QueueChange } from '../ports/queue-copy.ts'
import type { SqliteValue } from '../ports/sqlite-driver.ts'
import type { Notice } from './notices.ts'
import type { SnapshotLoad } from './snapshot-load.ts'

export type { Notice } from './notices.ts'

/** One app transaction as its caller means it. Ids are made where `write` is called, so that a repeated call is known again. */
export interface WriteDraft {
  readonly tx: TransactionId
  readonly operations: readonly OperationDraft[]
}

export interface OperationDraft {
  readonly id: OperationId
  readonly collection: string
  readonly record: RecordId
  readonly kind: OperationKind
  /** create: the given fields (defaults are filled in here); update: new values; increment, add, remove: what; edit: texts as they shall read; delete, restore: {}. */
  readonly fields: { readonly [field: string]: unknown }
  /** Conflicts that the operation settles; most settle none. */
  readonly settles?: readonly Settlement[]
  /** update: what its writer saw, by field; of the others, and left out: what is shown. */
  readonly seen?: { readonly [field: string]: unknown }
  /** The version of the record that its writer has seen; left out: the one that is here. */
  readonly seenVersion?: number
}

/** A read-only query, with the tables that it reads (the live query runs again when one of them was written). */
export interface StoreQuery {
  readonly sql: string
  readonly parameters: readonly SqliteValue[]
  readonly tables: readonly string[]
}

/** Rows as one JSON text, made by SQLite: an array of arrays in the order of `columns`. */
export interface StoreAnswer {
  readonly columns: readonly string[]
  readonly rows: string
}

export interface Batch {
  /** The operations' texts, oldest first; whole app transactions only. */
  readonly operations: readonly string[]
  readonly ids: readonly OperationId[]
  /** The same ids, by app transaction. */
  readonly units: readonly (readonly OperationId[])[]
  readonly cursor: string | null
  /** What the request is to bring besides outcomes. */
  readonly pull: PullKind
  readonly clock: DeviceClock
  /** What stays here that the server has not taken: operations that are not under way, and refused ones. */
  readonly left: number
  /** The device that was here before the browser removed the data, while the server has not said what it had reported. */
  readonly previousDevice: DeviceId | null
}

/** Which of the pending operations a batch is made of; app transactions are taken or left as a whole. */
export interface BatchChoice {
  /** Set aside: these are left, and so is what hangs on them. */
  readonly aside: ReadonlySet<OperationId>
  /** Only these, of what is set aside; null: only what is not. */
  readonly only: ReadonlySet<OperationId> | null
}

export interface BatchLimit {
  readonly operationsMax: number
  readonly bytesMax: number
}

export interface AppliedReply {
  readonly refused: readonly OperationId[]
  /** Those of which an operation was answered or refused. */
  readonly answered: readonly TransactionId[]
  /** Whether what is shown changed. */
  readonly changed: boolean
}

export interface InboxItem {
  readonly id: OperationId
  readonly tx: TransactionId
  readonly collection: string
  readonly record: RecordId
  readonly kind: OperationKind
  /** Of an edit: the texts as its writer left them. */
  readonly fields: JsonObject
  readonly was: JsonObject
  readonly code: ErrorCode
  readonly field: string | null
  readonly problem: string
  readonly refusedAt: number
  /** How often it was sent. */
  readonly attempts: number
}

/**
 * One cause that a person can mend, as its operation at fault, with everything that hangs on it: its app transaction, what came later
 * on a record that it was to create, and what refers to that record.
 */
export interface InboxGroup extends InboxItem {
  /** In local order, the operation at fault among them. */
  readonly items: readonly InboxItem[]
}

/** A group that a person has discarded: it can be taken back until it is forgotten, 14 days later. */
export interface DiscardedGroup extends InboxGroup {
  /** By the server's clock, in milliseconds since 1970; null while that is not known: the 14 days begin when it is. */
  readonly discardedAt: number | null
}

/** What a person decided to send again. */
export interface RequeueRequest {
  /** Any operation of the group. */
  readonly id: OperationId
  /** The id of the operation that replaces it; made by the caller, so that a repeated call is known again. */
  readonly by: OperationId
  /** Fields that are merged into those of the operation `id`; null: the same intent once more. */
  readonly patch: { readonly [field: string]: unknown } | null
  /** Of a patch: what its writer saw, by field; of the others, and left out: what is shown. */
  readonly seen?: { readonly [field: string]: unknown }
  /** Whether what the schema does not have any more stays in the inbox, and the rest goes; else the call throws where there is such. */
  readonly leaveOut?: boolean
}

/** What was not sent again, because the schema does not have it any more: it lies in the inbox. */
export interface LeftOut {
  readonly collection: string
  readonly record: RecordId
  /** Null: the whole operation, since its collection is gone or nothing else is in it. */
  readonly field: string | null
}

/** A file for a person: a name for it, and JSON text. */
export interface InboxFile {
  readonly name: string
  readonly text: string
}

/** One open conflict as a person sees it: two values of which one was not written in the knowledge of the other. */
export interface ConflictItem {
  readonly id: RecordId
  readonly collection: string
  readonly record: RecordId
  /** '' when the record as a whole is in question; then the values are objects of fields, or null for a deletion. */
  readonly field: string
  /** Counts the changes of `local` that the server knows of, from 1. */
  readonly revision: number
  /** What the author of `local` had seen. */
  readonly base: Json
  /** The value that was not taken. This device's own is as it is shown, unsent edits included. */
  readonly local: Json
  /** The server's value, which everybody else sees. */
  readonly remote: Json
  readonly localBy: Author
  readonly remoteBy: Author
  /** Whether `local` was written on this device. */
  readonly isOwn: boolean
  /** By the server's clock, in milliseconds since 1970. */
  readonly openedAt: number
}

/** What shall stand, by conflict: for a whole record an object of fields, or null to delete it. */
export interface SettleRequest {
  readonly tx: TransactionId
  /** One per result; made by the caller, so that a repeated call is known again. */
  readonly operationIds: readonly OperationId[]
  readonly results: { readonly [conflict: string]: unknown }
}

/** A recorded decision: two devices wrote the same thing without knowing of each other, and not both values stand. */
export interface DecisionItem {
  readonly id: RecordId
  readonly collection: string
  readonly record: RecordId
  /** '' when it is about the record as a whole; then the values are objects of fields, or null for a deletion. */
  readonly field: string
  /** The record's version with the decision, and the operation that met it. */
  readonly version: number
  readonly operation: OperationId
  /** The name of the strategy; 'custom' for a function of the app. */
  readonly strategy: string
  /** 'local': what came in; 'remote': what the server had; 'merged': a third value. */
  readonly winner: Decision['winner']
  /** What the author of `local` had seen. */
  readonly base: Json
  readonly local: Json
  readonly remote: Json
  readonly result: Json
  readonly localBy: Author
  readonly remoteBy: Author
  /** The person who settled it; null: the strategy did. */
  readonly settledBy: Author | null
  /** By the server's clock, in milliseconds since 1970. */
  readonly decidedAt: number
  /** The sides that did not stand. */
  readonly dropped: readonly Side[]
}

export type Side = 'local' | 'remote'

export interface RestoreRequest {
  readonly decision: RecordId
  readonly side: Side
  readonly tx: TransactionId
  /** Two; made by the caller, so that a repeated call is known again. */
  readonly operationIds: readonly OperationId[]
}

/** Why a field shows what it shows. */
export interface Explanation {
  /** What is shown; null also where the record is not on this device. */
  readonly value: Json
  /** Where the record stands; null: it is not on this device. */
  readonly sync: RecordSync | null
  /** About the field or its whole record, newest first. */
  readonly decisions: readonly DecisionItem[]
  readonly conflict: ConflictItem | null
  /** Refused changes of the field that wait in the inbox. */
  readonly refused: readonly InboxItem[]
  /** The answer as a plain English sentence; people are named by their user ids. */
  readonly because: string
}

/** What waits, for the status and the sheet. */
export interface StoreCounts {
  /** Operations that the server has not acknowledged. */
  readonly pending: number
  /** What a person has to decide: causes in the inbox, each counted once with everything that hangs on it. */
  readonly refused: number
  /** Open conflicts that this device holds, but for those that an unsent settlement closes. */
  readonly conflicts: number
}

export interface WaitingItem {
  readonly id: OperationId
  readonly collection: string
  readonly record: RecordId
  readonly kind: OperationKind
  readonly fields: readonly string[]
  readonly state: 'pending' | 'sending' | 'acknowledged'
  readonly writtenAt: number
  readonly attempts: number
  readonly lastError: string | null
}

/** Where an app transaction stands: settled once the server's answer to each of its operations is known. */
export type TransactionFate =
  | { readonly kind: 'unsettled' }
  | { readonly kind: 'settled'; readonly outcomes: readonly Outcome[] }
  /** Written here never, or so long ago that it was forgotten. */
  | { readonly kind: 'unknown' }

/** How complete the device's data is: 'empty' before the first page, 'partial' while the first sync runs. */
export type Completeness = 'empty' | 'partial' | 'complete'

/** What is known, at opening, of the database that was here before. */
export interface Past {
  /** The second copy of the queue; null: none is kept here. */
  readonly kept: KeptQueue | null
  /** What could be read in the database that was broken and moved aside; null: it was not. */
  readonly broken: Salvaged | null
  /** The device that was here, by a mark that is not removed together with the database; null: there is none. */
  readonly device: DeviceId | null
}

export const noPast: Past = { kept: null, broken: null, device: null }

export interface Salvaged {
  /** Operations that do not wait any more, with what became of them: settled, acknowledged, or refused and discarded. */
  readonly over: ReadonlyMap<OperationId, Outcome>
  /** Those of them that the server took and whose texts could be read. */
  readonly settled: readonly SalvagedOperation[]
  /** The life of the server's database in which it took them; null: that could not be read. */
  readonly generation: Generation | null
  /** The device's own settings, JSON texts by key; `areWhole`: all of them. */
  readonly settings: { readonly values: ReadonlyMap<string, string>; readonly areWhole: boolean }
}

export interface SalvagedOperation extends Pick<KeptOperation, 'id' | 'seq' | 'text'> {
  /** By the server's clock; null: acknowledged, and no page had shown it yet. */
  readonly settledAtMs: number | null
  /** Its record had left the device, and the values in its text with it. */
  readonly isPurged: boolean
}

export interface Store {
  readonly device: DeviceId
  readonly user: UserId

  /**
   * Saves one app transaction; when it returns, the transaction survives a kill. Throws, having written nothing, when a rule is
   * broken. What changes nothing is left out: an update to the values that are shown writes no operation, and its fate is 'unknown'.
   * Answers whether there is any operation of the transaction.
   */
  write(draft: WriteDraft): boolean
  /**
   * Writes the opposite of an app transaction as a new one: create → delete, delete → restore, update → the values that it had
   * seen, increment → the negative. `ids` makes one id per operation.
   */
  undo(tx: TransactionId, by: { readonly tx: TransactionId; readonly operationId: () => OperationId }): boolean
  fate(tx: TransactionId): TransactionFate
  /**
   * Writes what shall stand in place of open conflicts, as one app transaction. Throws, having written nothing: NOT_FOUND when a
   * conflict is not open (any more), INVALID_VALUE when a result breaks a rule of the schema.
   */
  settle(request: SettleRequest): boolean
  /**
   * Writes a side of a decision again, as new operations: a deletion deletes, and a record that is gone comes back with the value.
   * NOT_FOUND when the decision is not on this device. Answers whether that changed anything.
   */
  restoreDropped(request: RestoreRequest): boolean

  query(query: StoreQuery): StoreAnswer
  /** Calls at once with the answer, then after each commit that changes it. Answers the end of the subscription. */
  watch(query: StoreQuery, listener: (answer: StoreAnswer) => void): () => void
  /** The FTS5 expression is made here from what was typed; answers ids, best first. */
  search(collection: string, typed: string, limit: number): readonly RecordId[]

  /**
   * Marks the next operations as sending (attempts + 1, firstSentAt) and answers them with the cursor; empty when none waits. What
   * hangs on a refused creation is parked beside it first.
   */
  nextBatch(limit: BatchLimit, choice?: BatchChoice): Batch
  /** Whether `nextBatch` would find something. */
  hasNext(choice: BatchChoice): boolean
  /** Those of these operations that the server has not settled. */
  unsettledOf(ids: readonly OperationId[]): readonly OperationId[]
  /**
   * Back to pending, with the error of the attempt. Also done at open for what a killed process was sending. `refusedMs`: `clock.nowMs` of the
   * batch, where the server has surely taken nothing of it: what was sent for the first time with it counts as never sent.
   */
  batchFailed(ids: readonly OperationId[], error: string, refusedMs?: number | null): void
  /**
   * Outcomes, changes and cursor of one round, in one transaction. `sent` are the ids of the batch, `clock` is the batch's: left out,
   * the reply counts as one that took no time.
   */
  applyReply(sent: readonly OperationId[], reply: SyncReply, clock?: ClockReading): AppliedReply
  /**
   * The server cannot go on from here (store/restart.ts): what it has lost waits again, and everything is pulled anew where that is needed.
   * `sentCursor`: with which it was asked; `clock`: of that batch, as in `applyReply`.
   */
  restart(why: Restart, sentCursor: string | null, clock?: ClockReading): void
  /** The snapshot that is being loaded; null: none is. A reply starts it, its last part ends it. */
  snapshotLoad(): SnapshotLoad | null
  /** The part that comes next, in one transaction. */
  applyPart(part: SnapshotPart): void
  /** The snapshot cannot be had any more: pages go on from the last part that came. */
  dropSnapshot(): void
  /** Refuses, here on the device, an operation that the server would not even read (413 on a single one). */
  refuse(id: OperationId, reason: { readonly code: ErrorCode; readonly problem: string }): void
  /**
   * Of operations that a reply left without an outcome: those that do not hang on another one of them, and that a server with this schema
   * version (null: the app's) should know, and one that was restored does not wait with; with the number of their app transactions.
   */
  blamed(
    ids: readonly OperationId[],
    serverSchema: number | null,
  ): { readonly ids: readonly OperationId[]; readonly units: number }
  /**
   * The server failed an attempt on these operations, and on no other. Counted, over restarts; after `8 of them an operation
   * is parked in the inbox as GAVE_UP, with its app transaction.
   */
  failedAlone(ids: readonly OperationId[]): void

  counts(): StoreCounts
  waiting(limit: number): readonly WaitingItem[]
  /** What was refused and waits for a person, by cause, in local order. */
  inbox(): readonly InboxGroup[]
  /** What was discarded and is not forgotten yet, the latest first. */
  discarded(): readonly DiscardedGroup[]
  exportInbox(): InboxFile
  /**
   * Sends the group of an operation again, as new operations in one transaction. Throws, having changed nothing: NOT_FOUND when it
   * is not in the inbox, UNKNOWN_COLLECTION or UNKNOWN_FIELD where the schema has lost what it writes and that is not to be left out,
   * INVALID_VALUE where a patch breaks a rule. Answers what was left out; a repeated call answers nothing.
   */
  requeue(request: RequeueRequest): readonly LeftOut[]
  /** Takes the group of an operation out of the inbox; kept for 14 days. */
  discard(id: OperationId): void
  /** Brings back the discarded group of an operation. NOT_FOUND when it was not discarded, or so long ago that it is forgotten. */
  undiscard(id: OperationId): void
  /** What a person has to settle, oldest first. */
  conflicts(): readonly ConflictItem[]
  /** What was decided about a record, newest first. */
  history(collection: string, record: RecordId): readonly DecisionItem[]
  /** UNKNOWN_COLLECTION or UNKNOWN_FIELD where the schema has no such field. */
  explain(collection: string, record: RecordId, field: string): Explanation
  completeness(): Completeness
  generation(): Generation | null
  /** A number that grows whenever records have left this device. Listeners of `onCommit` hear of it as '_left'. */
  leaves(): number
  /** All that the server has not taken, with what it refused, in local order: for the second copy and for rescue files. */
  queue(): readonly KeptOperation[]
  /** What is known of the device's clock: by it, operations are dated. */
  clock(): DeviceClock
  /** What of it changed since the last call; noted only where a second copy is kept. */
  takeQueueChanges(): Omit<QueueChange, 'owner'>
  /** What happened to this device's database that a person should know; null once it was dismissed. */
  notice(): Notice | null
  dismissNotice(): void
  /** When a round last ended with nothing more to pull. */
  lastSyncedAt(): number | null

  kvGet(key: string): string | null
  /** JSON text; null deletes. */
  kvSet(key: string, value: string | null): void

  /** Called after a commit by which operations of these app transactions were answered or refused. */
  onAnswered(listener: (transactions: readonly TransactionId[]) => void): () => void
  /** Called after each commit with the tables that it wrote ('_outbox', '_inbox', '_kv', '_meta' and collections). */
  onCommit(listener: (tables: ReadonlySet<string>) => void): () => void
  close(): void
}
