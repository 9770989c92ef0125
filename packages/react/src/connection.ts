/** What the hooks hold of one client, which may still be opening: its live queries, its status, its inbox, its conflicts. */
import type {
  Client,
  ConflictItem,
  Conflicts,
  DecisionItem,
  History,
  Inbox,
  InboxGroup,
  SyncControl,
  SyncStatus,
} from '@holdfast/client'
import type { RecordId, Schema } from '@holdfast/core'
import { type Observed, observe } from './observed.ts'
import { type AnswerMemory, createAnswerMemory } from './queries/answer-memory.ts'
import { createLiveQueries, type LiveQueries } from './queries/live-queries.ts'
import { whenOpen } from './when-open.ts'

/** The part that knows no schema's types: all that the components need. */
export interface SyncConnection {
  readonly schema: Schema
  readonly user: string
  /** Null until the database has opened. */
  readonly status: Observed<SyncStatus | null>
  readonly inbox: Observed<readonly InboxGroup[]>
  /** Null until the database has answered. */
  readonly conflicts: Observed<readonly ConflictItem[] | null>
  /** Null until the database has answered. */
  historyOf(collection: string, record: RecordId): Observed<readonly DecisionItem[] | null>
  readonly sync: Promise<SyncControl>
  readonly door: Promise<Door>
}

/** What the components call, of a client of any schema. */
export interface Door {
  readonly inbox: Inbox
  readonly conflicts: Conflicts
  readonly history: History
}

export interface Connection<S extends Schema> extends SyncConnection {
  readonly opened: Promise<Client<S>>
  readonly queries: LiveQueries<S>
  readonly memory: AnswerMemory
}

export const emptyInbox: readonly InboxGroup[] = Object.freeze([])

export function connect<S extends Schema>(
  client: Client<S> | Promise<Client<S>>,
  { schema, user }: { readonly schema: S; readonly user: string },
): Connection<S> {
  const opened = Promise.resolve(client)
  const memory = createAnswerMemory(user)
  const sync = opened.then(({ sync }) => sync)
  sync.catch(() => {}) // Told by `opened`, which the app holds.
  const door = opened.then(({ inbox, conflicts, history }): Door => ({ inbox, conflicts, history }))
  door.catch(() => {}) // As above.
  return {
    schema,
    user,
    opened,
    memory,
    sync,
    door,
    queries: createLiveQueries(opened, memory),
    status: observe<SyncStatus | null>(null, (set) =>
      whenOpen(opened, (open) => {
        set(open.sync.status)
        return open.sync.watch(set)
      }),
    ),
    inbox: observe(emptyInbox, (set) => whenOpen(opened, (open) => open.inbox.watch(set))),
    conflicts: observe<readonly ConflictItem[] | null>(null, (set) =>
      whenOpen(opened, (open) => open.conflicts.watch(set)),
    ),
    historyOf: (collection, record) =>
      observe<readonly DecisionItem[] | null>(null, (set) =>
        whenOpen(opened, (open) => open.history.watch(collection, record, set)),
      ),
  }
}
