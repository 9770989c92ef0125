/** The opposite of an app transaction: each operation's, in reverse order, by what its writer had seen. */
import { EngineError, type Json, type Operation, type OperationId, type TransactionId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { refusedOfTransaction } from './inbox.ts'
import { unansweredOfTransaction } from './outbox.ts'
import { answeredOfTransaction } from './settled.ts'
import type { OperationDraft, WriteDraft } from './store.ts'

/** A refused operation had no effect: there is nothing to take back. */
export function undoDraft(
  driver: SqliteDriver,
  tx: TransactionId,
  by: { readonly tx: TransactionId; readonly operationId: () => OperationId },
): WriteDraft {
  const answered = answeredOfTransaction(driver, tx).map(({ operation }) => operation)
  const unanswered = unansweredOfTransaction(driver, tx).map(({ operation }) => operation)
  const operations = [...answered, ...unanswered].sort((a, b) => a.seq - b.seq)
  if (operations.length === 0 && refusedOfTransaction(driver, tx).length === 0) {
    throw new EngineError('NOT_FOUND', 'the write to undo is not known here, or was made too long ago.')
  }
  return { tx: by.tx, operations: operations.reverse().map((operation) => opposite(operation, by.operationId())) }
}

function opposite({ kind, collection, record, fields, was }: Operation, id: OperationId): OperationDraft {
  const common = { id, collection, record }
  switch (kind) {
    case 'create':
    case 'restore':
      return { ...common, kind: 'delete', fields: {} }
    case 'delete':
      return { ...common, kind: 'restore', fields: {} }
    case 'update':
      return { ...common, kind: 'update', fields: was }
    case 'increment':
      return { ...common, kind: 'increment', fields: negative(fields) }
  }
}

function negative(fields: { readonly [field: string]: Json }): { readonly [field: string]: number } {
  return Object.fromEntries(Object.entries(fields).map(([field, by]) => [field, -Number(by)]))
}
