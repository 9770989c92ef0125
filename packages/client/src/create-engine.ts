/** The engine over a store and its sync, in one thread. Every call is done when it returns, but those that wait for the server. */
import { EngineError, type OperationId, quoted, type Schema, type TransactionId, unreachable } from '@holdfast/core'
import {
  type Answers,
  type CallName,
  type Calls,
  type RunningEngine,
  type SignOutRequest,
  type UndoRequest,
  type Watched,
  type Watches,
  type WatchName,
  waitingItemsMax,
} from './engine.ts'
import { purgedMark } from './store/purge.ts'
import type { Store, StoreQuery } from './store/store.ts'
import type { SyncEngine } from './sync/sync-engine.ts'
import type { CopyKeeper } from './vault/copy-keeper.ts'
import { rescueExport } from './vault/rescue-export.ts'

export interface EngineParts {
  readonly store: Store
  readonly sync: SyncEngine
  readonly schema: Schema
  /** Deletes the database for good; the store is closed by then. */
  readonly wipe: () => Promise<void>
  /** Keeps the second copy of the queue; null where there is none. */
  readonly keeper: CopyKeeper | null
  /** Whether the device outlives the tab, or the process. */
  readonly isDurable: boolean
}

type Handlers = { readonly [K in CallName]: (args: Calls[K]) => Answers[K] | Promise<Answers[K]> }
type Openers = {
  readonly [K in WatchName]: (args: Watches[K], listener: (value: Watched[K]) => void) => () => void
}

export function createEngine({ store, sync, schema, wipe, keeper, isDurable }: EngineParts): RunningEngine {
  const settling = createSettling(store)
  let closing: Promise<void> | null = null

  function close(): Promise<void> {
    closing ??= end()
    return closing
  }

  /** Whatever fails, the database is closed at the end. */
  async function end(): Promise<void> {
    try {
      await sync.stop()
      settling.close()
    } finally {
      await keeper?.stop().finally(() => store.close())
      if (keeper === null) store.close()
    }
  }

  async function signOut({ waiting }: SignOutRequest): Promise<{ readonly kept: number }> {
    sync.pause('signedOut')
    const refused = store.inbox().reduce((sum, { items }) => sum + items.length, 0)
    const { pending } = store.counts()
    await close()
    const kept = waiting === 'discard' ? 0 : pending + refused
    if (kept === 0) await wipe()
    return { kept }
  }

  const handlers: Handlers = {
    write(draft) {
      const isWritten = store.write(draft)
      sync.wrote()
      return isWritten
    },
    undo(request) {
      const isWritten = undoOnce(store, request)
      sync.wrote()
      return isWritten
    },
    settled: ({ tx }) => settling.wait(tx),
    query: (query) => store.query(query),
    search: ({ collection, typed, limit }) =>
      store.query(rowsOf(schema, collection, store.search(collection, typed, limit))),
    kvGet: ({ key }) => store.kvGet(key),
    kvSet({ key, value }) {
      store.kvSet(key, value)
      return null
    },
    syncNow: () => sync.now().then(() => null),
    pause() {
      sync.pause('user')
      return null
    },
    resume() {
      sync.resume()
      return null
    },
    waiting: () => store.waiting(waitingItemsMax),
    inbox: () => store.inbox(),
    discarded: () => store.discarded(),
    exportInbox: () => store.exportInbox(),
    requeue(request) {
      const leftOut = store.requeue(request)
      sync.wrote()
      return leftOut
    },
    discard({ id }) {
      store.discard(id)
      return null
    },
    undiscard({ id }) {
      store.undiscard(id)
      return null
    },
    conflicts: () => store.conflicts(),
    settle(request) {
      const isWritten = store.settle(request)
      sync.wrote()
      return isWritten
    },
    history: ({ collection, record }) => store.history(collection, record),
    restoreDropped(request) {
      const isWritten = store.restoreDropped(request)
      sync.wrote()
      return isWritten
    },
    explain: ({ collection, record, field }) => store.explain(collection, record, field),
    signOut,
    rescue: ({ atMs }) =>
      rescueExport(
        { user: store.user, device: store.device, schema: schema.version, exportedAt: atMs, clock: store.clock() },
        store.queue(),
      ),
    dismissNotice() {
      store.dismissNotice()
      return null
    },
  }

  const openers: Openers = {
    query: (query, listener) =>
      store.watch(query, (answer) => listener({ ...answer, completeness: store.completeness() })),
    status(_, listener) {
      listener(sync.status())
      return sync.watch(listener)
    },
    inbox: (_, listener) => watchTable(store, '_inbox', () => listener(store.inbox())),
    discarded: (_, listener) => watchValue(store, ['_inbox'], () => store.discarded(), listener),
    // An unsent settlement hides its conflict, and an unsent edit changes this device's side.
    conflicts: (_, listener) => watchValue(store, ['_conflicts', '_outbox'], () => store.conflicts(), listener),
    history: ({ collection, record }, listener) =>
      watchValue(store, ['_decisions'], () => store.history(collection, record), listener),
    device(_, listener) {
      listener(isDurable ? store.device : null)
      return () => {}
    },
    leaves: (_, listener) => watchValue(store, [purgedMark], () => store.leaves(), listener),
    kv({ key }, listener) {
      let last: string | null | undefined
      return watchTable(store, '_kv', () => {
        const value = store.kvGet(key)
        if (value === last) return
        last = value
        listener(value)
      })
    },
  }

  return {
    async ask(name, args) {
      if (closing !== null) throw new EngineError('CLOSED', 'the client was closed.')
      return handlers[name](args)
    },
    watch: (name, args, listener) => openers[name](args, listener),
    foreground: () => sync.foreground(),
    tokenChanged: () => sync.tokenChanged(),
    setPersisted: (persisted) => sync.setPersisted(persisted),
    close,
  }
}

/** Tells what is read, now and whenever it differs after a commit that wrote one of the tables. */
function watchValue<T>(
  store: Store,
  tables: readonly string[],
  read: () => T,
  listener: (value: T) => void,
): () => void {
  let last = ''
  const tell = () => {
    const value = read()
    const text = JSON.stringify(value)
    if (text === last) return
    last = text
    listener(value)
  }
  tell()
  return store.onCommit((written) => {
    if (tables.some((table) => written.has(table))) tell()
  })
}

function watchTable(store: Store, table: string, tell: () => void): () => void {
  tell()
  return store.onCommit((tables) => {
    if (tables.has(table)) tell()
  })
}

/** A repeated call finds the transaction that the first one made [EN1]. */
function undoOnce(store: Store, { tx, by, operationIds }: UndoRequest): boolean {
  if (store.fate(by).kind !== 'unknown') return true
  const ids = operationIds.values()
  return store.undo(tx, {
    tx: by,
    operationId(): OperationId {
      const { value } = ids.next()
      if (value === undefined) throw new EngineError('MALFORMED', 'an undo came with too few operation ids.')
      return value
    },
  })
}

/** Rows in the order of the ids. */
function rowsOf(schema: Schema, collection: string, ids: readonly string[]): StoreQuery {
  if (!Object.hasOwn(schema.collections, collection)) {
    throw new EngineError('UNKNOWN_COLLECTION', `There is no collection "${collection}".`)
  }
  const table = quoted(collection)
  return {
    sql: `select ${table}.* from json_each(?) as found join ${table} on ${table}.id = found.value order by found.key`,
    parameters: [JSON.stringify(ids)],
    tables: [collection],
  }
}

interface Waiter {
  readonly resolve: (outcomes: Answers['settled']) => void
  readonly reject: (error: EngineError) => void
}

/** Those who wait for the server's word on a transaction. */
function createSettling(store: Store) {
  const waiters = new Map<TransactionId, Waiter[]>()

  function look(tx: TransactionId): boolean {
    const fate = store.fate(tx)
    switch (fate.kind) {
      case 'unsettled':
        return false
      case 'settled':
        for (const { resolve } of waiters.get(tx) ?? []) resolve(fate.outcomes)
        return true
      case 'unknown':
        for (const { reject } of waiters.get(tx) ?? []) {
          reject(new EngineError('NOT_FOUND', 'this device does not know the transaction, or not any more.'))
        }
        return true
      default:
        return unreachable(fate)
    }
  }

  /** Answered, and not looked at yet: what could not be read is looked at with the next answer. */
  const answered = new Set<TransactionId>()
  const stop = store.onAnswered((transactions) => {
    for (const tx of transactions) if (waiters.has(tx)) answered.add(tx)
    for (const tx of answered) {
      if (look(tx)) waiters.delete(tx)
      answered.delete(tx)
    }
  })

  return {
    wait: (tx: TransactionId) =>
      new Promise<Answers['settled']>((resolve, reject) => {
        waiters.set(tx, [...(waiters.get(tx) ?? []), { resolve, reject }])
        if (look(tx)) waiters.delete(tx)
      }),
    close() {
      stop()
      for (const { reject } of [...waiters.values()].flat()) reject(new EngineError('CLOSED', 'the client was closed.'))
      waiters.clear()
    },
  }
}
