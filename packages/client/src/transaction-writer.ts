/** Collects the writes of one app transaction. Ids are made here, at the call, so that a repeated message is known again. */
import {
  type OperationKind,
  parseOperationId,
  parseRecordId,
  parseTransactionId,
  type RecordId,
  type Schema,
  UsageError,
} from '@holdfast/core'
import type { TransactionWriter } from './client.ts'
import type { Random } from './ports/ambient.ts'
import type { OperationDraft, WriteDraft } from './store/store.ts'

type Given = { readonly [field: string]: unknown }

/** The writes of one collection, untyped; the client's types are laid over it. */
export interface DraftWriter {
  create(row: Given): RecordId
  update(id: RecordId, patch: Given, options?: { readonly seen?: Given }): void
  increment(id: RecordId, by: Given): void
  add(id: RecordId, texts: Given): void
  remove(id: RecordId, texts: Given): void
  edit(id: RecordId, texts: Given): void
  delete(id: RecordId): void
  restore(id: RecordId): void
}

export type Add = (collection: string, record: RecordId, kind: OperationKind, fields: Given, seen?: Given) => void

export function draftWriter(collection: string, random: Random, add: Add): DraftWriter {
  return {
    create({ id, ...fields }) {
      const record = id === undefined ? random.uuid() : parseRecordId(id)
      add(collection, record, 'create', fields)
      return record
    },
    update: (id, patch, options) => add(collection, id, 'update', patch, options?.seen),
    increment: (id, by) => add(collection, id, 'increment', by),
    add: (id, texts) => add(collection, id, 'add', texts),
    remove: (id, texts) => add(collection, id, 'remove', texts),
    edit: (id, texts) => add(collection, id, 'edit', texts),
    delete: (id) => add(collection, id, 'delete', {}),
    restore: (id) => add(collection, id, 'restore', {}),
  }
}

/** Runs the app's callback; answers what it collected and what it answered. */
export function draftTransaction<S extends Schema, T>(
  schema: S,
  random: Random,
  change: (tx: TransactionWriter<S>) => T,
): { readonly draft: WriteDraft; readonly value: T } {
  const operations: OperationDraft[] = []
  let isOpen = true
  const add: Add = (collection, record, kind, fields, seen) => {
    if (!isOpen) throw new UsageError(afterEnd)
    operations.push(draftOperation(random, collection, record, kind, fields, seen))
  }
  const writers = Object.keys(schema.collections).map((name) => [name, draftWriter(name, random, add)] as const)
  const value = change(typed<S>(Object.fromEntries(writers)))
  isOpen = false
  if (isThenable(value)) {
    // The rest of it will fail at its first write, which nobody hears any more.
    Promise.resolve(value).catch(() => {})
    throw new UsageError(asyncCallback)
  }
  return { draft: { tx: parseTransactionId(random.uuid()), operations }, value }
}

export function draftOperation(
  random: Random,
  collection: string,
  record: RecordId,
  kind: OperationKind,
  fields: Given,
  seen?: Given,
): OperationDraft {
  const draft = { id: parseOperationId(random.uuid()), collection, record, kind, fields }
  return seen === undefined ? draft : { ...draft, seen: { ...seen } }
}

/** The writers have the schema's names, and so have the types. */
function typed<S extends Schema>(writers: { readonly [name: string]: DraftWriter }): TransactionWriter<S> {
  return writers as unknown as TransactionWriter<S>
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

const asyncCallback =
  'db.write() was given an async function. A transaction only collects writes, synchronously: await what you need first, then call db.write((tx) => { … }).'
const afterEnd =
  'A transaction was written to after its callback had returned. Write inside the callback, synchronously; what takes time comes before db.write().'
