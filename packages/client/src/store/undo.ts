/**
 * The opposite of an app transaction: each operation's, in reverse order, by what its writer had seen.
 *
 * UN1  A value that somebody wrote since is not taken back: an undo leaves out fields that do not show what the write set.
 */
import { EngineError, type Json, type Operation, type OperationId, sameJson, type TransactionId } from '@holdfast/core'
import type { StoreContext } from './context.ts'
import { refusedOfTransaction } from './inbox.ts'
import { unansweredOfTransaction } from './outbox.ts'
import { answeredOfTransaction } from './settled.ts'
import type { OperationDraft, WriteDraft } from './store.ts'

/** A refused operation had no effect: there is nothing to take back. */
export function undoDraft(
  { driver, tables }: Pick<StoreContext, 'driver' | 'tables'>,
  tx: TransactionId,
  by: { readonly tx: TransactionId; readonly operationId: () => OperationId },
): WriteDraft {
  const known = answeredOfTransaction(driver, tx)
  const answered = known.flatMap(({ operation, outcome }) => (outcome.kind === 'rejected' ? [] : [operation]))
  const unanswered = unansweredOfTransaction(driver, tx).map(({ operation }) => operation)
  const operations = [...answered, ...unanswered].sort((a, b) => a.seq - b.seq)
  if (operations.length + known.length === 0 && refusedOfTransaction(driver, tx).length === 0) {
    throw new EngineError('NOT_FOUND', 'the write to undo is not known here, or was made too long ago.')
  }
  const shown = new Map<string, Fields>()
  const opposites = operations.reverse().flatMap((operation) => {
    const { collection, record, was } = operation
    const key = `${collection} ${record}`
    const now = shown.get(key) ?? tables.get(collection)?.read(record)?.values.fields ?? null
    const draft = opposite(operation, now, by.operationId())
    // What the transaction itself had written before, its earlier operations find.
    const restored = Object.entries(was).filter(
      ([name]) => draft?.kind === 'update' && Object.hasOwn(draft.fields, name),
    )
    if (now !== null) shown.set(key, { ...now, ...Object.fromEntries(restored) })
    return draft === null ? [] : [draft]
  })
  return { tx: by.tx, operations: opposites }
}

type Fields = { readonly [field: string]: Json }

/** Null: nothing of it is left to take back. */
function opposite(
  { kind, collection, record, fields, was }: Operation,
  shown: Fields | null,
  id: OperationId,
): OperationDraft | null {
  const common = { id, collection, record }
  switch (kind) {
    case 'create':
    case 'restore':
      return { ...common, kind: 'delete', fields: {} }
    case 'delete':
      return { ...common, kind: 'restore', fields: {} }
    case 'update':
      return opposedUpdate(common, fields, was, shown)
    case 'increment':
      return { ...common, kind: 'increment', fields: negative(fields) }
    case 'add':
    case 'remove':
    case 'edit':
      return null
  }
}

function opposedUpdate(
  common: Pick<OperationDraft, 'id' | 'collection' | 'record'>,
  fields: Fields,
  was: Fields,
  shown: Fields | null,
): OperationDraft | null {
  // Without a row the write is refused in words, as any other to a record that is gone.
  const stands = (name: string) => shown === null || sameJson(shown[name] ?? null, fields[name] ?? null)
  const left = Object.entries(was).filter(([name]) => stands(name))
  return left.length === 0 ? null : { ...common, kind: 'update', fields: Object.fromEntries(left) }
}

function negative(fields: { readonly [field: string]: Json }): { readonly [field: string]: number } {
  return Object.fromEntries(Object.entries(fields).map(([field, by]) => [field, -Number(by)]))
}
