/** The front over an engine: what an app holds. The same over an engine in this thread and over one behind messages. */
import {
  collectionOf,
  isObject,
  type Json,
  type OperationId,
  parseJson,
  parseOperationId,
  parseTransactionId,
  type Schema,
  UsageError,
} from '@holdfast/core'
import type {
  Client,
  CollectionWriter,
  Conflicts,
  FixOptions,
  History,
  Inbox,
  KeyValueStore,
  Resent,
  SyncControl,
} from './client.ts'
import type { Engine } from './engine.ts'
import type { Ambient, Random } from './ports/ambient.ts'
import { createQueryCompiler } from './query/compile-query.ts'
import { decodeRows } from './query/decode-rows.ts'
import { kindsOfTable } from './query/query-plan.ts'
import { createSharedQueries } from './query/shared-queries.ts'
import type { SyncStatus } from './sync/sync-status.ts'
import { draftOperation, draftTransaction, draftWriter } from './transaction-writer.ts'
import { type WriteParts, write, writeHandle } from './write-handle.ts'

export interface ClientOptions<S extends Schema> {
  readonly schema: S
  readonly user: string
  readonly ambient: Ambient
  readonly onSaved: () => void
}

const searchLimit = 50

/** Resolves when the engine has told its first status: the database is open. */
export async function createClient<S extends Schema>(engine: Engine, options: ClientOptions<S>): Promise<Client<S>> {
  const { schema, user, ambient } = options
  const parts: WriteParts = { engine, random: ambient.random, onSaved: options.onSaved }
  const compiler = createQueryCompiler<never>(schema)
  const live = createSharedQueries(engine)
  const sync = await createSyncControl(engine)
  sync.watch(({ completeness }) => live.setCompleteness(completeness))

  const front = {
    user,
    sync,
    inbox: createInbox(engine, ambient.random),
    conflicts: createConflicts(parts),
    history: createHistory(parts),
    kv: createKeyValueStore(engine),
    write(change: Parameters<typeof draftTransaction<S, unknown>>[2]) {
      const { draft, value } = draftTransaction(schema, ambient.random, change)
      return write(parts, draft, value)
    },
    async query(build: Parameters<typeof compiler.compile>[0]) {
      const { kinds, ...query } = compiler.compile(build)
      return decodeRows(await engine.ask('query', query), kinds)
    },
    watch: (build: Parameters<typeof compiler.compile>[0], listener: Parameters<typeof live.watch<unknown>>[1]) =>
      live.watch(compiler.compile(build), listener),
    async search(collection: string, typed: string, { limit = searchLimit }: { readonly limit?: number } = {}) {
      return decodeRows(
        await engine.ask('search', { collection, typed, limit }),
        kindsOfTable(collectionOf(schema, collection)),
      )
    },
    signOut: ({ waiting = 'keep' }: { readonly waiting?: 'keep' | 'discard' } = {}) =>
      engine.ask('signOut', { waiting }),
    rescue: { export: () => engine.ask('rescue', { atMs: Math.trunc(ambient.clock.now()) }) },
    close: () => engine.close(),
  }
  const collections = Object.keys(schema.collections).map((name) => [name, collectionWriter(name, parts)] as const)
  return asClient<S>({ ...Object.fromEntries(collections), ...front })
}

/** Names and types both come from the schema: laid over the untyped members here, and nowhere else. */
function asClient<S extends Schema>(members: { readonly [name: string]: unknown }): Client<S> {
  return members as unknown as Client<S>
}

type Given = Parameters<typeof draftOperation>

type AnyWriter = { readonly [K in keyof CollectionWriter<Schema, string>]: (...args: never[]) => unknown }

/** A single write is a transaction of one operation. */
function collectionWriter(name: string, parts: WriteParts): AnyWriter {
  const { random } = parts
  const writeOne = (record: string, kind: Given[3], fields: object, seen?: Given[5]) => {
    const operations = [draftOperation(random, name, record, kind, { ...fields }, seen)]
    return write(parts, { tx: parseTransactionId(random.uuid()), operations }, kind === 'create' ? record : undefined)
  }
  return {
    create(row: { readonly [field: string]: unknown }) {
      if (!isObject(row)) throw new UsageError(`db.${name}.create() takes the fields of the new record as an object.`)
      let written: unknown
      draftWriter(name, random, (_, record, kind, fields) => {
        written = writeOne(record, kind, fields)
      }).create(row)
      return written
    },
    update: (id: string, patch: object, options?: { readonly seen?: Given[5] }) =>
      writeOne(id, 'update', patch, options?.seen),
    increment: (id: string, by: object) => writeOne(id, 'increment', by),
    add: (id: string, texts: object) => writeOne(id, 'add', texts),
    remove: (id: string, texts: object) => writeOne(id, 'remove', texts),
    edit: (id: string, texts: object) => writeOne(id, 'edit', texts),
    delete: (id: string) => writeOne(id, 'delete', {}),
    restore: (id: string) => writeOne(id, 'restore', {}),
  }
}

async function createSyncControl(engine: Engine): Promise<SyncControl> {
  const listeners = new Set<(status: SyncStatus) => void>()
  let last: SyncStatus | null = null
  const first = await new Promise<SyncStatus>((resolve, reject) => {
    engine.watch('status', null, (next) => {
      last = next
      resolve(next)
      for (const listener of [...listeners]) listener(next)
    })
    // A call that fails tells what a watch cannot: that nobody will ever answer.
    engine.ask('waiting', null).catch(reject)
  })
  return {
    get status() {
      return last ?? first
    },
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    now: () => engine.ask('syncNow', null).then(() => {}),
    pause: () => engine.ask('pause', null).then(() => {}),
    resume: () => engine.ask('resume', null).then(() => {}),
    dismissNotice: () => engine.ask('dismissNotice', null).then(() => {}),
    watchLeaves: (listener) => engine.watch('leaves', null, listener),
    waiting: () => engine.ask('waiting', null),
  }
}

function createInbox(engine: Engine, random: Random): Inbox {
  const requeue = async (
    id: OperationId,
    patch: { readonly [field: string]: unknown } | null,
    { leaveOut = false, seen = {} }: FixOptions,
  ): Promise<Resent> => ({
    leftOut: await engine.ask('requeue', {
      id,
      by: parseOperationId(random.uuid()),
      patch,
      seen: { ...seen },
      leaveOut,
    }),
  })
  return {
    list: () => engine.ask('inbox', null),
    watch: (listener) => engine.watch('inbox', null, listener),
    retry: (id, options = {}) => requeue(id, null, options),
    fix(id, patch, options = {}) {
      if (!isObject(patch)) throw new UsageError('db.inbox.fix() takes the mended fields as an object.')
      return requeue(id, { ...patch }, options)
    },
    async discard(id) {
      await engine.ask('discard', { id })
      return { undo: () => engine.ask('undiscard', { id }).then(() => {}) }
    },
    discarded: () => engine.ask('discarded', null),
    watchDiscarded: (listener) => engine.watch('discarded', null, listener),
    takeBack: (id) => engine.ask('undiscard', { id }).then(() => {}),
    export: () => engine.ask('exportInbox', null),
  }
}

function createConflicts(parts: WriteParts): Conflicts {
  const { engine, random } = parts
  return {
    list: () => engine.ask('conflicts', null),
    watch: (listener) => engine.watch('conflicts', null, listener),
    settle(results) {
      if (!isObject(results))
        throw new UsageError('db.conflicts.settle() takes the results as an object, by conflict id.')
      const tx = parseTransactionId(random.uuid())
      const operationIds = Object.keys(results).map(() => parseOperationId(random.uuid()))
      const saving =
        operationIds.length === 0
          ? Promise.resolve(false)
          : engine.ask('settle', { tx, operationIds, results: { ...results } })
      return writeHandle(parts, saving, { tx, count: operationIds.length, value: undefined })
    },
  }
}

/** A record that is gone comes back by one operation, and gets the value by another. */
const restoreOperations = 2

function createHistory(parts: WriteParts): History {
  const { engine, random } = parts
  return {
    list: (collection, record) => engine.ask('history', { collection, record }),
    watch: (collection, record, listener) => engine.watch('history', { collection, record }, listener),
    restore(decision, side) {
      const tx = parseTransactionId(random.uuid())
      const operationIds = Array.from({ length: restoreOperations }, () => parseOperationId(random.uuid()))
      const saving = engine.ask('restoreDropped', { decision, side, tx, operationIds })
      return writeHandle(parts, saving, { tx, count: restoreOperations, value: undefined })
    },
    explain: (collection, record, field) => engine.ask('explain', { collection, record, field }),
  }
}

function createKeyValueStore(engine: Engine): KeyValueStore {
  return {
    get: async (key) => parseStored(await engine.ask('kvGet', { key })),
    set: (key, value) =>
      engine.ask('kvSet', { key, value: value === null ? null : JSON.stringify(value) }).then(() => {}),
    watch: (key, listener) => engine.watch('kv', { key }, (value) => listener(parseStored(value))),
  }
}

function parseStored(text: string | null): Json | null {
  return text === null ? null : (parseJson(text, 'a stored value') as Json)
}
