/** What the hooks hold of one client, which may still be opening: its live queries, its status, its inbox, its conflicts. */
import type {
  Client,
  ConflictItem,
  Conflicts,
  DecisionItem,
  DiscardedGroup,
  History,
  Inbox,
  InboxGroup,
  SyncControl,
  SyncStatus,
  Write,
} from '@holdfast/client'
import type { RecordId, Schema } from '@holdfast/core'
import type { Kysely } from 'kysely'
import { type Observed, observe } from './observed.ts'
import { type AnswerMemory, createAnswerMemory } from './queries/answer-memory.ts'
import { createLiveQueries, type LiveQueries } from './queries/live-queries.ts'
import { rowById } from './queries/row-by-id.ts'
import { whenOpen } from './when-open.ts'

/** The part that knows no schema's types: all that the components need. */
export interface SyncConnection {
  readonly schema: Schema
  readonly user: string
  /** Null until the database has opened. */
  readonly status: Observed<SyncStatus | null>
  readonly inbox: Observed<readonly InboxGroup[]>
  readonly discarded: Observed<readonly DiscardedGroup[]>
  /** Null until the database has answered. */
  readonly conflicts: Observed<readonly ConflictItem[] | null>
  /** Null until the database has answered. */
  historyOf(collection: string, record: RecordId): Observed<readonly DecisionItem[] | null>
  /** A record as it is shown now; null: it is not here. */
  recordOf(collection: string, record: RecordId): Observed<ShownRecord>
  readonly sync: Promise<SyncControl>
  readonly door: Promise<Door>
}

export type ShownRecord =
  | { readonly kind: 'loading' }
  | { readonly kind: 'known'; readonly values: { readonly [field: string]: unknown } | null }

export const unknownRecord: ShownRecord = Object.freeze({ kind: 'loading' })

/** What the components call, of a client of any schema. */
export interface Door {
  readonly inbox: Inbox
  readonly conflicts: Conflicts
  readonly history: History
  /** Undefined: the schema has no such collection. */
  restore(collection: string, record: RecordId): Write<void> | undefined
}

interface Restorer {
  restore(record: RecordId): Write<void>
}

export interface Connection<S extends Schema> extends SyncConnection {
  readonly opened: Promise<Client<S>>
  readonly queries: LiveQueries<S>
  readonly memory: AnswerMemory
}

export const emptyInbox: readonly InboxGroup[] = Object.freeze([])
export const nothingDiscarded: readonly DiscardedGroup[] = Object.freeze([])

export function connect<S extends Schema>(
  client: Client<S> | Promise<Client<S>>,
  { schema, user }: { readonly schema: S; readonly user: string },
): Connection<S> {
  const opened = Promise.resolve(client)
  const memory = createAnswerMemory(user)
  const queries = createLiveQueries(opened, memory)
  // As long as the client is open, whatever is mounted: no row that left is painted again.
  whenOpen(opened, (open) =>
    open.sync.watchLeaves((leaves) => {
      if (memory.meetLeaves(leaves)) queries.forgetResting()
    }),
  )
  const sync = opened.then(({ sync }) => sync)
  sync.catch(() => {}) // Told by `opened`, which the app holds.
  const door = opened.then(doorOf)
  door.catch(() => {}) // As above.
  return {
    schema,
    user,
    opened,
    memory,
    sync,
    door,
    queries,
    status: observe<SyncStatus | null>(null, (set) =>
      whenOpen(opened, (open) => {
        set(open.sync.status)
        return open.sync.watch(set)
      }),
    ),
    inbox: observe(emptyInbox, (set) => whenOpen(opened, (open) => open.inbox.watch(set))),
    discarded: observe(nothingDiscarded, (set) => whenOpen(opened, (open) => open.inbox.watchDiscarded(set))),
    conflicts: observe<readonly ConflictItem[] | null>(null, (set) =>
      whenOpen(opened, (open) => open.conflicts.watch(set)),
    ),
    historyOf: (collection, record) =>
      observe<readonly DecisionItem[] | null>(null, (set) =>
        whenOpen(opened, (open) => open.history.watch(collection, record, set)),
      ),
    recordOf: (collection, record) =>
      observe<ShownRecord>(unknownRecord, (set) =>
        whenOpen(opened, (open) =>
          open.watch(
            (q) => rowById(asAnyTables(q), collection, record),
            ({ rows }) => set({ kind: 'known', values: rows[0] ?? null }),
          ),
        ),
      ),
  }
}

interface AnyTables {
  readonly [name: string]: { readonly [column: string]: unknown }
}

/** The components know collections by name only. */
function asAnyTables(q: unknown): Kysely<AnyTables> {
  return q as Kysely<AnyTables>
}

function doorOf<S extends Schema>(client: Client<S>): Door {
  const { inbox, conflicts, history } = client
  return {
    inbox,
    conflicts,
    history,
    // The components know collections by name only; each collection of a client has this method.
    restore: (collection, record) =>
      (client as unknown as { readonly [name: string]: Restorer | undefined })[collection]?.restore(record),
  }
}
