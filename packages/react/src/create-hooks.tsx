import type {
  Client,
  ConflictItem,
  DecisionItem,
  InboxGroup,
  QueryBuilder,
  SignOutOptions,
  SyncStatus,
  Write,
} from '@holdfast/client'
import type { CollectionName, DeviceTables, RecordId, Schema } from '@holdfast/core'
import { createContext, type ReactNode, use, useCallback, useMemo, useSyncExternalStore } from 'react'
import { forgetAnswers } from './conflicts/kept-answers.ts'
import { type Connection, connect } from './connection.ts'
import { lateWrite } from './late-write.ts'
import { type LiveResult, type LiveStatus, nothingYet } from './queries/live-result.ts'
import { createQueryKey } from './queries/query-key.ts'
import { rowById } from './queries/row-by-id.ts'
import { SyncContext } from './sync/sync-context.ts'
import { useInbox, useSyncStatus } from './sync/use-sync.ts'
import { useDecisions, useOpenConflicts } from './use-records.ts'

export interface ProviderProps<S extends Schema> {
  /** The client, or the promise of one that still opens: screens then paint what they showed last. */
  readonly client: Client<S> | Promise<Client<S>>
  /** Whose data it is. What was shown is remembered under this name. */
  readonly user: string
  readonly children: ReactNode
}

export interface LiveQueryOptions {
  /** What the builder depends on, to spare compiling it at each render. Left out, the compiled query is compared. */
  readonly deps?: readonly unknown[]
  /** Whether the last answer is kept over a reload, to be painted before the database has opened (default true). */
  readonly remember?: boolean
}

export interface RowResult<Row> {
  readonly row: Row | null
  readonly status: LiveStatus
}

export interface Hooks<S extends Schema> {
  readonly Provider: (props: ProviderProps<S>) => ReactNode
  /** The client; suspends while it still opens. */
  readonly useClient: () => Client<S>
  /** The answer now, at once where it is known, and again after each write that changes it. */
  readonly useLiveQuery: <Row>(build: QueryBuilder<S, Row>, options?: LiveQueryOptions) => LiveResult<Row>
  readonly useRow: <K extends CollectionName<S>>(collection: K, id: RecordId) => RowResult<DeviceTables<S>[K]>
  /** `write((db) => db.leads.update(id, patch))`; while the client still opens, the write waits for it. */
  readonly useWrite: () => <T>(change: (client: Client<S>) => Write<T>) => Write<T>
  /** Null until the database has opened. */
  readonly useSyncStatus: () => SyncStatus | null
  /** What was refused, by cause, oldest first. */
  readonly useInbox: () => readonly InboxGroup[]
  /** What a person has to decide. */
  readonly useConflicts: () => readonly ConflictItem[]
  /** The decisions about a record, newest first. */
  readonly useHistory: <K extends CollectionName<S>>(collection: K, id: RecordId) => readonly DecisionItem[]
  /** Forgets what was shown here, then ends the session as `client.signOut` does. */
  readonly useSignOut: () => (options?: SignOutOptions) => Promise<{ readonly kept: number }>
}

/** The hooks of an app, typed by its schema. Call it once, at the top of a module. */
export function createHooks<S extends Schema>(schema: S): Hooks<S> {
  const ConnectionContext = createContext<Connection<S> | null>(null)
  const connections = new WeakMap<object, Connection<S>>()
  const queryKey = createQueryKey<S>()

  function Provider({ client, user, children }: ProviderProps<S>): ReactNode {
    let connection = connections.get(client)
    if (connection === undefined) {
      connection = connect(client, { schema, user })
      connections.set(client, connection)
    }
    return (
      <ConnectionContext value={connection}>
        <SyncContext value={connection}>{children}</SyncContext>
      </ConnectionContext>
    )
  }

  function useConnection(): Connection<S> {
    const connection = use(ConnectionContext)
    if (connection === null) throw new Error('A Holdfast hook was called outside of <Provider>; wrap the app in it.')
    return connection
  }

  function useLiveQuery<Row>(build: QueryBuilder<S, Row>, options: LiveQueryOptions = {}): LiveResult<Row> {
    const { queries } = useConnection()
    const remember = options.remember ?? true
    // Without a deps list this compiles at each render (about 20 µs), which no cache could save: the builder is always new.
    // biome-ignore lint/correctness/useExhaustiveDependencies: the caller's deps stand for the builder.
    const key = useMemo(() => queryKey(build), options.deps ?? [build])
    const observed = queries.observe(key, build, remember)
    return useSyncExternalStore<LiveResult<Row>>(observed.subscribe, observed.snapshot, () => nothingYet)
  }

  function useRow<K extends CollectionName<S>>(collection: K, id: RecordId): RowResult<DeviceTables<S>[K]> {
    const { rows, status } = useLiveQuery<DeviceTables<S>[K]>((q) => rowById(q, collection, id), {
      deps: [collection, id],
    })
    return useMemo(() => ({ row: rows[0] ?? null, status }), [rows, status])
  }

  return {
    Provider,
    useClient: () => use(useConnection().opened),
    useLiveQuery,
    useRow,
    useWrite: () => {
      const { opened } = useConnection()
      return useCallback((change) => lateWrite(opened.then((client) => ({ write: change(client) }))), [opened])
    },
    useSyncStatus,
    useInbox,
    useConflicts: () => useOpenConflicts() ?? nothing,
    useHistory: (collection, id) => useDecisions(collection, id) ?? nothing,
    useSignOut: () => {
      const { opened, memory, user } = useConnection()
      return useCallback(
        async (options?: SignOutOptions) => {
          memory.forget()
          forgetAnswers(user)
          return (await opened).signOut(options)
        },
        [opened, memory, user],
      )
    },
  }
}

/** One array for all renders. */
const nothing: readonly never[] = Object.freeze([])
