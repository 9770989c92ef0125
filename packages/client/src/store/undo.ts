/**
 * The opposite of an app transaction: each operation's, in reverse order, by what its writer had seen.
 *
 * UN1  A value that somebody wrote since is not taken back: an undo leaves out fields that do not show what the write set.
 * UN2  An edit that became a conflict is withdrawn by its undo: what the server has stands, and nobody is asked.
 * UN3  A text that somebody else added to a set too stays: of an addition only this device's is taken back.
 * UN4  What a counter that only grows was given stays; the rest of the write is taken back.
 * UN5  What settled a question is not undone: the opposite values would not ask it again.
 * UN6  What a form had not seen when it wrote over it is what comes back, and not what the form had shown.
 */
import {
  type Collection,
  EngineError,
  fold,
  type Json,
  type Operation,
  type OperationId,
  type RecordValues,
  sameJson,
  type TransactionId,
  UsageError,
} from '@holdfast/core'
import type { StoreContext } from './context.ts'
import { refusedOfTransaction } from './inbox.ts'
import { documentOf, textChanges } from './intent.ts'
import { unansweredOfTransaction } from './outbox.ts'
import { recordKey } from './references.ts'
import { readBefore } from './seen.ts'
import { answeredOfTransaction } from './settled.ts'
import type { OperationDraft, WriteDraft } from './store.ts'
import { withdrawing } from './withdrawal.ts'

/** A refused operation had no effect: there is nothing to take back. */
export function undoDraft(
  context: Pick<StoreContext, 'driver' | 'schema' | 'tables' | 'device'>,
  tx: TransactionId,
  by: { readonly tx: TransactionId; readonly operationId: () => OperationId },
): WriteDraft {
  const { driver, tables } = context
  const known = answeredOfTransaction(context, tx)
  const answered = known.flatMap(({ operation, outcome }) => (outcome.kind === 'rejected' ? [] : [operation]))
  const unanswered = unansweredOfTransaction(context, tx).map(({ operation }) => operation)
  const operations = [...answered, ...unanswered].sort((a, b) => a.seq - b.seq)
  if (operations.length + known.length === 0 && refusedOfTransaction(context, tx).length === 0) {
    throw new EngineError('NOT_FOUND', 'the write to undo is not known here, or was made too long ago.')
  }
  if (operations.some(({ settles }) => settles.length > 0)) {
    throw new UsageError(
      'A write that settled a conflict cannot be undone, since that would not ask again. Edit the record, or write a side again by history.restore.',
    )
  }
  /** As the opposites so far leave them. */
  const shown = new Map<string, RecordValues | null>()
  const opposites = operations.reverse().flatMap((operation) => {
    const { collection: name, record } = operation
    const table = tables.get(name)
    if (table === undefined) return []
    const { collection } = table
    const key = recordKey(name, record)
    const now = shown.has(key) ? (shown.get(key) ?? null) : (table.read(record)?.values ?? null)
    const draft = opposite(collection, operation, readBefore(driver, operation.id), now, by.operationId())
    if (draft === null) return []
    shown.set(key, now && foldDraft(collection, now, draft))
    return [{ draft, was: operation.was }]
  })
  const perRecord = Map.groupBy(opposites, ({ draft: { collection, record } }) => recordKey(collection, record))
  const drafts = opposites.map(({ draft, was }) => {
    const isOnly = perRecord.get(recordKey(draft.collection, draft.record))?.length === 1
    return draft.kind === 'update' && isOnly ? withdrawing(context, draft, was) : draft
  })
  return { tx: by.tx, operations: drafts }
}

type Fields = { readonly [field: string]: Json }
type Opposite = OperationDraft & { readonly fields: Fields }

function foldDraft(collection: Collection, now: RecordValues, draft: Opposite): RecordValues | null {
  const { kind, id } = draft
  const fields = kind === 'edit' ? textChanges(collection, now, draft.fields, id) : draft.fields
  return fold(collection, now, { kind, fields }, now.updatedAt)
}

/** Null: nothing of it is left to take back. */
function opposite(
  schema: Collection,
  { kind, collection, record, fields, was }: Operation,
  before: Fields,
  shown: RecordValues | null,
  id: OperationId,
): Opposite | null {
  const common = { id, collection, record }
  switch (kind) {
    case 'create':
    case 'restore':
      return { ...common, kind: 'delete', fields: {} }
    case 'delete':
      return { ...common, kind: 'restore', fields: {} }
    case 'update':
      return opposedUpdate(common, fields, { ...was, ...before }, shown?.fields ?? null)
    case 'increment': {
      const back = negative(schema, fields)
      return Object.keys(back).length === 0 ? null : { ...common, kind: 'increment', fields: back }
    }
    case 'add':
      // As one who has seen nothing of the set: that removes what this device added, and no more.
      return { ...common, kind: 'remove', fields, seenVersion: 0 }
    case 'remove':
      return { ...common, kind: 'add', fields }
    case 'edit':
      return { ...common, kind: 'edit', fields: textsWithout(schema, fields, was, shown) }
  }
}

function opposedUpdate(
  common: Pick<OperationDraft, 'id' | 'collection' | 'record'>,
  fields: Fields,
  was: Fields,
  shown: Fields | null,
): Opposite | null {
  // Without a row the write is refused in words, as any other to a record that is gone.
  const stands = (name: string) => shown === null || sameJson(shown[name] ?? null, fields[name] ?? null)
  // A record that is judged as a whole carries all that its writer saw.
  const left = Object.entries(was).filter(([name]) => Object.hasOwn(fields, name) && stands(name))
  return left.length === 0 ? null : { ...common, kind: 'update', fields: Object.fromEntries(left) }
}

function negative(schema: Collection, fields: Fields): { readonly [field: string]: number } {
  const isGrowing = (name: string) => {
    const rule = schema.fields[name]?.rule
    return rule?.kind === 'counter' && rule.grow
  }
  const entries = Object.entries(fields).filter(([name]) => !isGrowing(name))
  return Object.fromEntries(entries.map(([name, by]) => [name, -Number(by)]))
}

/** The texts as they read now, without these changes: what others wrote since stays. */
function textsWithout(collection: Collection, changes: Fields, was: Fields, shown: RecordValues | null): Fields {
  const texts: Record<string, Json> = {}
  for (const [name, change] of Object.entries(changes)) {
    const rule = collection.fields[name]?.rule
    const seen = String(was[name] ?? '')
    if (rule?.kind !== 'shared') continue
    texts[name] = shown === null ? seen : rule.type.without(documentOf(name, rule.type, shown), seen, String(change))
  }
  return texts
}
