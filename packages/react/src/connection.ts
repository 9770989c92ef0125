/** What the hooks hold of one client, which may still be opening: its live queries, its status, its inbox. */
import type { Client, InboxItem, SyncControl, SyncStatus } from '@holdfast/client'
import type { Schema } from '@holdfast/core'
import { type Observed, observe } from './observed.ts'
import { type AnswerMemory, createAnswerMemory } from './queries/answer-memory.ts'
import { createLiveQueries, type LiveQueries } from './queries/live-queries.ts'
import { whenOpen } from './when-open.ts'

/** The part that knows no schema: all that the sync components need. */
export interface SyncConnection {
  /** Null until the database has opened. */
  readonly status: Observed<SyncStatus | null>
  readonly inbox: Observed<readonly InboxItem[]>
  readonly sync: Promise<SyncControl>
}

export interface Connection<S extends Schema> extends SyncConnection {
  readonly opened: Promise<Client<S>>
  readonly queries: LiveQueries<S>
  readonly memory: AnswerMemory
}

export const emptyInbox: readonly InboxItem[] = Object.freeze([])

export function connect<S extends Schema>(client: Client<S> | Promise<Client<S>>, user: string): Connection<S> {
  const opened = Promise.resolve(client)
  const memory = createAnswerMemory(user)
  const sync = opened.then(({ sync }) => sync)
  sync.catch(() => {}) // Told by `opened`, which the app holds.
  return {
    opened,
    memory,
    sync,
    queries: createLiveQueries(opened, memory),
    status: observe<SyncStatus | null>(null, (set) =>
      whenOpen(opened, (open) => {
        set(open.sync.status)
        return open.sync.watch(set)
      }),
    ),
    inbox: observe(emptyInbox, (set) => whenOpen(opened, (open) => open.inbox.watch(set))),
  }
}
