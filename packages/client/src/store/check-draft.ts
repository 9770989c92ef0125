/** What an app may write, judged before anything is written: the schema's rules, and the size of a write. */
import {
  type Collection,
  checkIncrements,
  checkPatch,
  checkSharedTexts,
  checkTexts,
  collectionOf,
  completeNewFields,
  EngineError,
  isSystemCollection,
  type JsonObject,
  parseRecordId,
  transactionOperationsMax,
} from '@holdfast/core'
import type { StoreContext } from './context.ts'
import type { RecordTable } from './record-table.ts'
import { checkSeen } from './seen.ts'
import type { OperationDraft, WriteDraft } from './store.ts'

/** A draft whose values keep the rules of the schema. */
export interface CheckedDraft {
  readonly draft: OperationDraft
  readonly table: RecordTable
  readonly fields: JsonObject
  /** What the writer says to have seen, by field; of the others it saw what is shown. */
  readonly seen: JsonObject
}

/** Throws, before anything is written, where a draft breaks a rule. */
export function checkDraft(context: StoreContext, { operations }: WriteDraft): readonly CheckedDraft[] {
  if (operations.length > transactionOperationsMax) {
    throw new EngineError(
      'TRANSACTION_TOO_LARGE',
      `A write holds at most ${transactionOperationsMax} operations, this one ${operations.length}.`,
    )
  }
  return operations.map((draft) => {
    const collection = collectionOf(context.schema, draft.collection)
    const table = context.tables.get(draft.collection)
    if (table === undefined || isSystemCollection(draft.collection))
      throw new EngineError('UNKNOWN_COLLECTION', `There is no collection "${draft.collection}".`)
    parseRecordId(draft.record)
    const seen = draft.kind === 'update' ? checkSeen(draft.collection, collection, draft.seen ?? {}) : {}
    return { draft, table, fields: checkFields(collection, draft), seen }
  })
}

function checkFields(collection: Collection, { kind, collection: name, fields }: OperationDraft): JsonObject {
  switch (kind) {
    case 'create':
      return completeNewFields(name, collection, fields)
    case 'update':
      return checkPatch(name, collection, fields)
    case 'increment':
      return checkIncrements(name, collection, fields)
    case 'add':
    case 'remove':
      return checkTexts(name, collection, fields)
    case 'edit':
      return checkSharedTexts(name, collection, fields)
    case 'delete':
    case 'restore':
      return {}
  }
}
