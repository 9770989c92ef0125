/** The door: what an app holds in its hands. The same in a tab and in Node; every method talks to the engine by messages. */
import type {
  Collection,
  CollectionName,
  DeviceTables,
  Increments,
  Json,
  NewRow,
  OperationId,
  Outcome,
  RecordId,
  RowPatch,
  Schema,
  SetTexts,
  SharedTexts,
} from '@holdfast/core'
import type { Compilable, Kysely } from 'kysely'
import type { SignOutRequest } from './engine.ts'
import type {
  ConflictItem,
  DecisionItem,
  DiscardedGroup,
  Explanation,
  InboxFile,
  InboxGroup,
  LeftOut,
  Side,
  WaitingItem,
} from './store/store.ts'
import type { SyncStatus } from './sync/sync-status.ts'
import type { RescueExport } from './vault/rescue-export.ts'

/** A write: resolves when it is saved on this device, offline too. */
export interface Write<T> extends PromiseLike<T> {
  /** Resolves with the server's outcomes, one per operation, whenever the server has settled them all. Never rejects for being offline. */
  readonly settled: Promise<readonly Outcome[]>
  /**
   * Writes the opposite as new operations; works offline and after sync. What others wrote since stays, and so does what a counter that
   * only grows was given. UsageError when the write settled a conflict: that is not asked again.
   */
  undo(): Write<void>
}

export interface UpdateOptions<C extends Collection> {
  /**
   * What the writer saw, by field, where that may be older than what is on this device now: what a form showed when it was opened. A row
   * of a query may be given as it is. What somebody else has written since then is met like any other edit, by the strategy of its field;
   * what the writer left as it was seen is not written. Left out: the writer saw what is shown now.
   */
  readonly seen?: RowPatch<C>
}

export interface CollectionWriter<S extends Schema, K extends CollectionName<S>> {
  /** Resolves to the new record's id. */
  create(row: NewRow<S['collections'][K]>): Write<RecordId>
  update(id: RecordId, patch: RowPatch<S['collections'][K]>, options?: UpdateOptions<S['collections'][K]>): Write<void>
  /** Adds to counters; increments of several devices all count. */
  increment(id: RecordId, by: Increments<S['collections'][K]>): Write<void>
  /** Adds texts to sets; one that somebody else takes out meanwhile, without having seen this, stays. */
  add(id: RecordId, texts: SetTexts<S['collections'][K]>): Write<void>
  /** Takes texts out of sets. */
  remove(id: RecordId, texts: SetTexts<S['collections'][K]>): Write<void>
  /** Makes shared texts read so; what others insert and delete meanwhile is kept. */
  edit(id: RecordId, texts: SharedTexts<S['collections'][K]>): Write<void>
  delete(id: RecordId): Write<void>
  /** Brings a deleted record back with the values that it had. */
  restore(id: RecordId): Write<void>
}

/** Collects the writes of one app transaction; ids are made at the call. It does not read. */
export type TransactionWriter<S extends Schema> = {
  readonly [K in CollectionName<S>]: {
    create(row: NewRow<S['collections'][K]>): RecordId
    update(id: RecordId, patch: RowPatch<S['collections'][K]>, options?: UpdateOptions<S['collections'][K]>): void
    increment(id: RecordId, by: Increments<S['collections'][K]>): void
    add(id: RecordId, texts: SetTexts<S['collections'][K]>): void
    remove(id: RecordId, texts: SetTexts<S['collections'][K]>): void
    edit(id: RecordId, texts: SharedTexts<S['collections'][K]>): void
    delete(id: RecordId): void
    restore(id: RecordId): void
  }
}

type Sync<T> = T extends PromiseLike<unknown> ? 'A transaction callback must not be async' : T

/** Builds a query over the device's tables, typed by the schema. */
export type QueryBuilder<S extends Schema, Row> = (q: Kysely<DeviceTables<S>>) => Compilable<Row>

/** What a live query knows: 'partial' tells a list that is empty here from one that has not come yet. */
export interface LiveAnswer<Row> {
  readonly rows: readonly Row[]
  readonly completeness: 'empty' | 'partial' | 'complete'
}

export interface KeyValueStore {
  get(key: string): Promise<Json | null>
  /** null deletes. Settings of this device; they are not synced. */
  set(key: string, value: Json | null): Promise<void>
  watch(key: string, listener: (value: Json | null) => void): () => void
}

export interface SyncControl {
  /** The last status that the engine told. */
  readonly status: SyncStatus
  watch(listener: (status: SyncStatus) => void): () => void
  /** Runs a round now, whatever the backoff; resolves when it has ended (its result is in the status). */
  now(): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
  /** The person has seen the notice of the status. */
  dismissNotice(): Promise<void>
  /**
   * Calls with a number, and again when it has grown: whenever records have left this device, since their user may not see them any more.
   * What an app has copied of rows to elsewhere (a cache, a file) goes by it.
   */
  watchLeaves(listener: (leaves: number) => void): () => void
  /** What waits, oldest first, at most 200: for the sync sheet. */
  waiting(): Promise<readonly WaitingItem[]>
}

/**
 * What the server refused, until a person decides. Calls take the id of a group, or of any of its items, and concern the whole group;
 * NOT_FOUND when it is not there any more.
 */
export interface Inbox {
  /** One entry per cause, oldest first. */
  list(): Promise<readonly InboxGroup[]>
  watch(listener: (groups: readonly InboxGroup[]) => void): () => void
  /** Sends it again as it was meant; resolves when that is saved. Counts once, also where it had arrived after all. */
  retry(id: OperationId, options?: ResendOptions): Promise<Resent>
  /**
   * Sends it again with these fields in place of those that the operation `id` had, dated now; its other fields are sent as they were.
   * INVALID_VALUE, with nothing changed, when one of them breaks a rule of the schema.
   */
  fix(id: OperationId, patch: { readonly [field: string]: unknown }, options?: FixOptions): Promise<Resent>
  /** Takes it out of the list. It is kept for 14 days on this device, then deleted; sooner where signing out deletes the data. */
  discard(id: OperationId): Promise<Discarded>
  /** What was discarded and is kept still, the latest first. */
  discarded(): Promise<readonly DiscardedGroup[]>
  watchDiscarded(listener: (groups: readonly DiscardedGroup[]) => void): () => void
  /** Brings what was discarded back into the list; NOT_FOUND when it was not, or is kept no more. */
  takeBack(id: OperationId): Promise<void>
  /** All of it as JSON text, with a name for a file: for a person to keep, or to give to whoever can help. */
  export(): Promise<InboxFile>
}

export interface ResendOptions {
  /**
   * What the app's schema does not have any more stays in the inbox, as a change of its own, and the rest is sent. Without this the call
   * fails with UNKNOWN_COLLECTION or UNKNOWN_FIELD, and nothing has changed.
   */
  readonly leaveOut?: boolean
}

export interface FixOptions extends ResendOptions {
  /** What the form showed when it was opened, by field, as for an update: of fields that the refused operation had not written. */
  readonly seen?: { readonly [field: string]: unknown }
}

export interface Resent {
  /** What the schema does not have any more; empty, unless that was to be left out. */
  readonly leftOut: readonly LeftOut[]
}

export interface Discarded {
  /** Brings it back into the list. */
  undo(): Promise<void>
}

export type SignOutOptions = Partial<SignOutRequest>

export interface Rescue {
  /**
   * What waits and what was refused: works without a network and while sync is paused. One file, though it may be empty; several where
   * one would be more than the server takes at once. They are to be brought to it in their order.
   */
  export(): Promise<readonly RescueExport[]>
}

/** Two values of one field, or of one record, that only a person can choose between. Work goes on meanwhile. */
export interface Conflicts {
  /** The open ones, oldest first, without those that an unsent settlement closes. */
  list(): Promise<readonly ConflictItem[]>
  watch(listener: (conflicts: readonly ConflictItem[]) => void): () => void
  /**
   * Says what shall stand, by conflict id: one side, or a third value; for a whole record an object of fields, or null to delete it.
   * Fields that are left out stay as they are on the server. One app transaction, offline too; where the server's side has moved
   * meanwhile, the server asks again. NOT_FOUND when one of them is not open any more, INVALID_VALUE when a value breaks a rule.
   * Two conflicts about the same field of a record (with two other devices) are one question: different results for them throw UsageError.
   * Its `undo` fails with UsageError: a settled conflict is not asked again. Its sides are in the history, which writes one again.
   */
  settle(results: { readonly [conflict: string]: Json }): Write<void>
}

/** What was decided where edits met: every value that did not stand is kept, can be explained and be written again. */
export interface History {
  /** About a record, newest first. */
  list(collection: string, record: RecordId): Promise<readonly DecisionItem[]>
  watch(collection: string, record: RecordId, listener: (decisions: readonly DecisionItem[]) => void): () => void
  /**
   * Writes a side of a decision again, as a new operation: a deletion deletes, and a record that is gone comes back with the value.
   * NOT_FOUND when the decision is not on this device.
   */
  restore(decision: string, side: Side): Write<void>
  /** Why the field shows what it shows. */
  explain(collection: string, record: RecordId, field: string): Promise<Explanation>
}

export type Client<S extends Schema> = {
  readonly [K in CollectionName<S>]: CollectionWriter<S, K>
} & {
  readonly user: string
  /** Several writes as one: they take effect together or are refused together. Resolves to what the callback answered. */
  write<T>(change: (tx: TransactionWriter<S>) => Sync<T>): Write<T>
  query<Row>(build: QueryBuilder<S, Row>): Promise<readonly Row[]>
  /** Calls with the answer, then whenever it changes; the listener gets the same rows object while nothing changes. */
  watch<Row>(build: QueryBuilder<S, Row>, listener: (answer: LiveAnswer<Row>) => void): () => void
  /** Records whose search fields hold words that begin with what was typed (or numbers that end with it), at most `limit` (50). */
  search<K extends CollectionName<S>>(
    collection: K,
    typed: string,
    options?: { readonly limit?: number },
  ): Promise<readonly DeviceTables<S>[K][]>
  readonly sync: SyncControl
  readonly inbox: Inbox
  readonly conflicts: Conflicts
  readonly history: History
  readonly kv: KeyValueStore
  /**
   * Ends the session on this device. Deletes the local data only when nothing waits and nothing was refused, and otherwise keeps all of
   * it for the next sign-in of the same user; answers how many changes are kept: the operations that wait, and all that lie in the inbox,
   * as a rescue file counts them. With `waiting: 'discard'` they are deleted too. What was discarded from the inbox keeps nothing here:
   * its undo ends with the data.
   */
  signOut(options?: SignOutOptions): Promise<{ readonly kept: number }>
  readonly rescue: Rescue
  close(): Promise<void>
}
