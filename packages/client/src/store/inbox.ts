/**
 * The inbox: operations that were refused, with the reason, kept until a person decides.
 *
 * IB1  A refused operation takes with it what cannot stand without it: the rest of its app transaction and, when it was to
 *      create its record, every later operation on that record.
 * IB2  All others go on.
 */
import {
  type ErrorCode,
  isErrorCode,
  type OperationId,
  type Outcome,
  type RecordId,
  type TransactionId,
  unreachable,
} from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { type Touched, touch } from './context.ts'
import {
  parseOperationText,
  removeOperations,
  type StoredOperation,
  unansweredById,
  unansweredOfRecord,
  unansweredOfTransaction,
} from './outbox.ts'
import type { InboxItem } from './store.ts'

export interface Refusal {
  readonly code: ErrorCode
  readonly field: string | null
  readonly problem: string
}

export function refusalsIn(outcomes: readonly Outcome[]): ReadonlyMap<OperationId, Refusal> {
  const refusals = new Map<OperationId, Refusal>()
  for (const outcome of outcomes) {
    const refusal = refusalOf(outcome)
    if (refusal !== null) refusals.set(outcome.id, refusal)
  }
  return refusals
}

function refusalOf(outcome: Outcome): Refusal | null {
  switch (outcome.kind) {
    case 'rejected':
      return { code: outcome.code, field: outcome.field, problem: outcome.problem }
    case 'blocked':
      return blockedBy(outcome.by)
    case 'applied':
    case 'merged':
      return null
    default:
      return unreachable(outcome)
  }
}

function blockedBy(id: OperationId): Refusal {
  return { code: 'BLOCKED', field: null, problem: `It depends on operation ${id}, which was refused.` }
}

/** Moves the refused operations and what depends on them into the inbox; answers them all. */
export function moveToInbox(
  driver: SqliteDriver,
  refusals: ReadonlyMap<OperationId, Refusal>,
  nowMs: number,
  touched: Touched,
): readonly OperationId[] {
  const moving = withDependants(driver, refusals)
  if (moving.size === 0) return []
  const rows: (readonly [seq: number, code: string, field: string | null, problem: string])[] = []
  const ids: OperationId[] = []
  for (const { stored, refusal } of moving.values()) {
    rows.push([stored.seq, refusal.code, refusal.field, refusal.problem])
    ids.push(stored.operation.id)
    touch(touched, stored.operation.collection, stored.operation.record)
  }
  driver.run(insertRefused, [nowMs, JSON.stringify(rows)])
  removeOperations(
    driver,
    rows.map(([seq]) => seq),
  )
  return ids
}

type Moving = Map<number, { readonly stored: StoredOperation; readonly refusal: Refusal }>

function withDependants(driver: SqliteDriver, refusals: ReadonlyMap<OperationId, Refusal>): Moving {
  const moving: Moving = new Map()
  const seen = new Set<TransactionId>()
  const queue = unansweredById(driver, [...refusals.keys()]).map((stored) => ({
    stored,
    refusal: refusals.get(stored.operation.id) ?? blockedBy(stored.operation.id),
  }))
  for (const next of queue) {
    const { seq, operation } = next.stored
    if (moving.has(seq)) continue
    moving.set(seq, next)
    const hang = (dependants: readonly StoredOperation[]) =>
      queue.push(
        ...dependants
          .filter((dependant) => !moving.has(dependant.seq))
          .map((stored) => ({ stored, refusal: refusals.get(stored.operation.id) ?? blockedBy(operation.id) })),
      )
    if (operation.tx.count > 1 && !seen.has(operation.tx.id)) {
      seen.add(operation.tx.id)
      hang(unansweredOfTransaction(driver, operation.tx.id))
    }
    if (operation.kind === 'create') {
      const later = unansweredOfRecord(driver, operation.collection, operation.record)
      hang(later.filter((stored) => stored.seq > seq))
    }
  }
  return moving
}

export function readInbox(driver: SqliteDriver): readonly InboxItem[] {
  return driver.all(selectInbox).map(parseItem)
}

export function refusedOfTransaction(driver: SqliteDriver, tx: TransactionId): readonly InboxItem[] {
  return driver.all(selectInboxOfTransaction, [tx]).map(parseItem)
}

export function countRefused(driver: SqliteDriver): number {
  return Number(driver.all(countInbox)[0]?.[0] ?? 0)
}

/** The records of a collection of which an operation was refused, as JSON; null when there is none. */
export function refusedRecords(driver: SqliteDriver, collection: string): readonly RecordId[] {
  return driver.all(selectRefusedRecords, [collection]).map(([record]) => String(record))
}

function parseItem(row: readonly unknown[]): InboxItem {
  const [text, code, field, problem, refusedAt] = row
  const { id, tx, collection, record, kind, fields, was } = parseOperationText(String(text))
  return {
    id,
    tx: tx.id,
    collection,
    record,
    kind,
    fields,
    was,
    // A code of a later version of the app, after a step back.
    code: isErrorCode(code) ? code : 'SERVER_ERROR',
    field: field === null ? null : String(field),
    problem: String(problem),
    refusedAt: Number(refusedAt),
  }
}

const insertRefused = `insert into _inbox (seq, id, tx, collection, record, code, field, problem, "refusedAt", operation)
select o.seq, o.id, o.tx, o.collection, o.record, r.value ->> 1, r.value ->> 2, r.value ->> 3, ?, o.operation
from json_each(?) as r join _outbox as o on o.seq = r.value ->> 0`
const selectInbox = 'select operation, code, field, problem, "refusedAt" from _inbox order by seq'
const selectInboxOfTransaction =
  'select operation, code, field, problem, "refusedAt" from _inbox where tx = ? order by seq'
const countInbox = 'select count(*) from _inbox'
const selectRefusedRecords = 'select distinct record from _inbox where collection = ?'
