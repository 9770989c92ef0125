/**
 * The port to the server's database. Both stores (embedded SQLite, Postgres) keep these laws; the contract suite proves it.
 *
 * SS1  `transact` runs its work in one transaction: everything that it wrote is there afterwards, or nothing is. When it
 *      resolves, the transaction survives `kill -9` of the server and of the database.
 * SS2  `claim` and the outcome of an operation are written in the transaction of its effect. Two transactions that claim the
 *      same key run one after the other, and the second sees the first's outcome.
 * SS3  Records that a transaction loads are locked until it ends, in the order of their ids: no update is lost, no deadlock.
 * SS4  A page shows one snapshot. Whoever pulls page after page from the place (positions and `seen`) that each page answers has, when `more` is
 *      false, every record of those scopes as of that snapshot: no commit is skipped, whatever the order in which concurrent
 *      transactions commit.
 *      A page ends with the entry that would pass its rows or its bytes: whatever the records hold, it can be made and pulled, and
 *      what a store has in memory for it is bounded.
 * SS5  The feed is state, not history: one entry per (scope, record), moved forward when the record changes. What a scope does not
 *      hold does not leave it: a 'left' entry moves one that is 'present' and nothing else.
 *      Of a scope that leaves the device with its user's right to it, a page tells every record that it has or had, deleted ones too, as
 *      left; but for what another scope of the request holds, or tells as deleted. When `leaving` does not name the scope any more, all is
 *      told that a device can have of it. Nothing but ids and versions is told, and never a row; but those of what came into the scope
 *      after the right to it ended too, since the feed does not know since when it holds a record.
 * SS6  A store that cannot serve now throws EngineError OVERLOADED; a broken value (our own bug) throws and leaves nothing behind.
 * SS7  A device's report is written only when its count has changed or an hour has passed, and never over a newer one.
 * SS8  A generation is one life of the database, and begins when it is made. A database that is not the one that was served here (a copy, a
 *      backup) is refused by `open` with a UsageError until `startGeneration`. `fork` says up to which commit a life and its parent are the
 *      same: 'head' as far as the store can be sure of it, 'unknown' not at all. When it began is kept.
 * SS9  Pruning forgets entries that are not present, deleted records, outcomes and reports of before the day; never a deleted record
 *      with an open conflict, or with live ones that take their scopes from it.
 * SS10  Where a located record lies, and what is above it, stays so until the transaction ends: who loads one of them to change it waits.
 *      It is read when all of them are locked, so that nobody sees one half of a move.
 */
import type {
  ChangesText,
  conflictsCollection,
  DeviceId,
  decisionsCollection,
  Generation,
  OperationId,
  RecordId,
  Schema,
  ServerRecord,
  UserId,
} from '@holdfast/core'
import type { Broker } from './broker.ts'
import type { SnapshotShelf } from './snapshot-shelf.ts'

/** 'all', or `name:value` of a scope that the schema declares. */
export type Scope = string

/** What `sqlite(directory)` and `postgres(url)` give: the store of one schema and of the engine's own collections, not open yet. */
export type StoreFactory = (schema: Schema) => ServerStore

export interface ServerStore {
  /**
   * Moves the tables of an earlier version of the schema (store/field-moves.ts), makes or extends what is missing, and starts a generation
   * when the database is new. UsageError when a newer version has moved them.
   */
  open(): Promise<void>
  /** The database's life, as `standing` has found it last. */
  generation(): Generation
  /** 32 random bytes (base64url) that are made with the database: the key of cursors. */
  secret(): string
  /** How many transactions are worth running at a time: more of them wait for each other, or for the machine. */
  readonly lanes: number
  /** Tells the other processes over this database what was committed, and hears of it, from `open` to `close`. */
  readonly broker: Broker
  /**
   * Runs `work` in one transaction. A deadlock or serialization failure is retried here (at most 5 times) and is not seen outside.
   * @param lockMsMax how long to wait for what another transaction holds, in milliseconds; then it fails with `RecordsHeld`. A store with a
   *     single writer never does; without it, as long as for any statement.
   */
  transact<T>(work: (tx: StoreTransaction) => Promise<T>, lockMsMax?: number): Promise<T>
  readPage(request: PageRequest): Promise<Page>
  /** Every scope that the feed has an entry of, in no order: by them a scope is known that a user holds no more. */
  scopes(): Promise<readonly Scope[]>
  /** The commit up to which (inclusive) every commit is visible to a page that starts now. */
  horizon(): Promise<number>
  /** The horizon, with what a cursor is judged by; `generation()` answers the same from then on (SS8). */
  standing(): Promise<Standing>
  /**
   * Starts another life of the database (SS8), after a restore, and answers its generation. On a store that is not open it is how an
   * operator says that this database is the one to serve from now on, whatever was served here before; the store stays closed.
   */
  startGeneration(request: NewGeneration): Promise<Generation>
  /**
   * Notes where the feed stands on this day (days since 1970): the first note of a day stands. Notes of days to come, of a clock that was
   * ahead, go; a day before what is forgotten is not noted.
   */
  noteDay(day: number): Promise<void>
  /** The day after which so many days are noted; null where fewer are. What changed before it is as old as its day says, whatever a clock shows. */
  dayBefore(noted: number): Promise<number | null>
  /** From now on who has pulled last before this day is refused, so that `prune` may forget what changed before it. It never goes back. */
  forgetBefore(day: number): Promise<void>
  /** Removes what `forgetBefore` gave free (SS9), in small steps; one at a time over all processes, and once for each day. */
  prune(): Promise<Pruned>
  /** Where snapshots lie; constant while it is open. */
  snapshots(): SnapshotShelf
  /** What a device of this user told last; null when it never did. */
  deviceReport(user: UserId, device: DeviceId): Promise<DeviceReport | null>
  /** How the store stands, for operators: cheap enough to be asked every few seconds. Throws when the database does not answer. */
  health(): Promise<StoreHealth>
  /** Closes the database; calls after it throw CLOSED. */
  close(): Promise<void>
}

export type Fork = 'head' | 'unknown'

export interface NewGeneration {
  readonly fork: Fork
  /** Only in place of this one: when another process was faster, its answer stands. Null: in any case. */
  readonly after: Generation | null
}

export interface Standing {
  readonly horizon: number
  readonly generation: Generation
  /** Earlier lives that this one goes on from, with the last commit that both have. */
  readonly ancestors: ReadonlyMap<string, number>
  /** When it began, by the clock of the server that started it, in milliseconds. */
  readonly bornMs: number
  /** What changed before this day (days since 1970) may be forgotten; 0: nothing. */
  readonly prunedDay: number
}

/** How many of each a pruning has removed. */
export interface Pruned {
  readonly entries: number
  readonly records: number
  readonly operations: number
  readonly devices: number
}

export interface StoreHealth {
  /** The place below which every commit is in the feed. */
  readonly horizon: number
  /** The place after the last commit: what lies between waits for the horizon. */
  readonly head: number
  /** Whose open transaction the horizon waits for; null: nobody's, or it cannot be told. */
  readonly holder: FeedHolder | null
  /** Connections to the database; null: the store has none. */
  readonly connections: { readonly busy: number; readonly idle: number; readonly waiting: number } | null
  /** Transactions that were run again after a deadlock or a serialization failure, since the store was opened. */
  readonly retries: number
}

/** A session of the database, or a prepared transaction that belongs to none. */
export interface FeedHolder {
  readonly pid: number | null
  readonly user: string
  readonly database: string
  /** What the program calls itself (`application_name`). */
  readonly application: string
  /** The name of a prepared transaction (`PREPARE TRANSACTION`); null: it is a session's. */
  readonly prepared: string | null
}

export interface DeviceReport {
  /** What the device keeps that the server has not taken: not sent, or refused. */
  readonly pending: number
  readonly atMs: number
}

/** How old a report grows before one that says the same is written. */
export const reportAgeMsMax = 3_600_000

/** What a device of a user tells of itself. */
export interface SentReport extends DeviceReport {
  readonly user: UserId
  readonly device: DeviceId
}

export interface StoreTransaction {
  /** The number of this commit: orders the feed, names the place of its outcomes. */
  readonly place: number
  /** Takes the keys that are new; answers, for those that were taken before, what was stored. (user, id) is unique in the call. */
  claim(claims: readonly Claim[]): Promise<OfUsers<StoredOperation>>
  /**
   * The records of these ids, deleted ones included, locked until the transaction ends; absent ones are absent from the map.
   * @param kept others of the collection, not loaded, that are kept from moving as `locate` keeps them, in one order with those.
   */
  load(
    collection: string,
    ids: readonly RecordId[],
    kept?: readonly RecordId[],
  ): Promise<ReadonlyMap<RecordId, ServerRecord>>
  /** The parents (`scope: { via }`) of these records, each once, in no order; of deleted ones the last. Called after `load` has kept them, they stay so. */
  parents(collection: string, ids: readonly RecordId[]): Promise<readonly RecordId[]>
  /** About how many bytes it takes to hold what `load` answers for these ids, as in `FeedEntry`. Nothing is locked. */
  weigh(collection: string, ids: readonly RecordId[]): Promise<number>
  /** The scopes that hold each of these ids as a live record; one that none holds is absent from the map. */
  present(collection: string, ids: readonly RecordId[]): Promise<ReadonlyMap<RecordId, readonly Scope[]>>
  /**
   * The rows of an engine's own collection that are about these subjects (core's `subjectOf`), by subject; a subject without any
   * is absent. They change only in a transaction that has loaded the record that they are about, so SS3 is theirs too.
   */
  about(collection: SystemCollection, subjects: readonly string[]): Promise<ReadonlyMap<string, readonly RowAbout[]>>
  /**
   * Where these records lie, and all those above them (`scope: { via }`). Their state, their parents and their scopes stay until the
   * transaction ends: who would change them waits. Absent ones are absent. Records are locked children first (scope/descent.ts), of a
   * collection in the order of ids: so is what is loaded.
   */
  locate(records: ReadonlyMap<string, readonly RecordId[]>): Promise<Located>
  /**
   * Live records of this collection whose parents these are, in the order of ids: the first `childrenMax` after this id ('': from the beginning).
   * They are not locked: who writes one of them has its parent locked.
   */
  children(collection: string, parents: readonly RecordId[], after: RecordId): Promise<readonly Child[]>
  /** Writes rows, versions and stamps; a deleted record's row goes, its version and last values stay. Ids are unique in the call. */
  write(collection: string, records: ReadonlyMap<RecordId, ServerRecord>): Promise<void>
  /** Moves entries forward to this commit. (scope, collection, record) is unique in the call. */
  feed(entries: readonly FeedEntry[]): Promise<void>
  /** Stores outcomes of claimed operations; claims without an outcome are given back when the transaction commits. */
  settle(outcomes: OfUsers<string>): Promise<void>
  /** Keeps what devices tell of themselves (SS7). (user, device) is unique in the call. */
  report(reports: readonly SentReport[]): Promise<void>
}

/** By user and operation: each user's devices choose their ids for themselves. A user without any may be absent. */
export type OfUsers<T> = ReadonlyMap<UserId, ReadonlyMap<OperationId, T>>

/** Where a record lies. */
export interface Whereabouts {
  readonly state: ServerRecord['state']
  /** Those that hold it; of a deleted one, that held it last. */
  readonly scopes: readonly Scope[]
  /** The record whose scopes are its own; of a deleted one, whose scopes were. Null: there is none, or scopes come from its own fields. */
  readonly parent: RecordId | null
}

/** By collection and id. */
export type Located = ReadonlyMap<string, ReadonlyMap<RecordId, Whereabouts>>

/** What is in memory of a move at a time, however much lies below the record. */
export const childrenMax = 5_000

export interface Child {
  readonly id: RecordId
  readonly parent: RecordId
  /** 0: the feed has no entry of it. */
  readonly version: number
  /** As in `FeedEntry`. */
  readonly bytes: number
}

/** A row that is about a record. */
export interface RowAbout {
  readonly id: RecordId
  readonly version: number
  /** As in `FeedEntry`. */
  readonly bytes: number
}

export type SystemCollection = typeof conflictsCollection | typeof decisionsCollection

export interface Claim {
  readonly user: UserId
  readonly id: OperationId
  /** SHA-256 of the operation's bytes, base64url. */
  readonly hash: string
  readonly device: string
  readonly seq: number
}

export interface StoredOperation {
  readonly hash: string
  /** The text of the outcome, as it was first answered. */
  readonly outcome: string
}

export interface FeedEntry {
  readonly scope: Scope
  readonly collection: string
  readonly record: RecordId
  readonly version: number
  /** 'present': the scope holds the record; 'left': it went elsewhere; 'deleted': it is gone everywhere. */
  readonly state: 'present' | 'left' | 'deleted'
  /** About how many bytes the row takes in a page: what bounds the page. 0 of one that is not present. */
  readonly bytes: number
}

/** Up to where a device has one scope: the commit, and the entry within it. (0, 0) is the beginning. */
export interface ScopePosition {
  readonly scope: Scope
  readonly place: number
  readonly seq: number
}

export interface PageRequest {
  /** Every scope that the user holds, each once. */
  readonly positions: readonly ScopePosition[]
  /** Scopes that the user does not hold any more and the device has records of, each once: up to where the device was told which those are. */
  readonly leaving: readonly ScopePosition[]
  /** What the last page of these scopes answered as `seen`: those changes are not sent again. Null after a scope has joined. */
  readonly seen: string | null
  readonly rowsMax: number
  /** What the rows of the page take at most; one that takes more comes alone. */
  readonly bytesMax: number
}

export interface Page {
  /**
   * Rows in the canonical form of the wire (see core's field.ts; json as JSON, booleans as true and false), columns
   * 'id', '$version', 'createdAt', 'updatedAt', then every field in the order of the schema.
   * A record that left one scope of the request and is present in another is not reported as left.
   */
  readonly changes: readonly ChangesText[]
  readonly positions: readonly ScopePosition[]
  /** Those of which something is left to tell. */
  readonly leaving: readonly ScopePosition[]
  /** Which changes beyond the positions the device has with this page: a text of the store's own, of letters, digits, ':' and ','. */
  readonly seen: string | null
  readonly more: boolean
  /** The horizon of this page's snapshot. */
  readonly through: number
  /** Entries from this page's start to the horizon, when `more` is true; null otherwise. */
  readonly remaining: number | null
}
