/** The store's composition: modules in, `Store` out. Each member is one transaction or one read. */
import { type OperationId, type Schema, searchText, type TransactionId, type UserId } from '@holdfast/core'
import type { Ambient } from '../ports/ambient.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { applyReply } from './apply-reply.ts'
import { chooseBatch, takeBatch } from './batch.ts'
import { searchFunction } from './bulk-rows.ts'
import { checkDraft } from './check-draft.ts'
import { createTransaction, type StoreContext, type Written } from './context.ts'
import { createDeviceTime } from './device-clock.ts'
import { countRefused, moveToInbox, readInbox, refusedOfTransaction } from './inbox.ts'
import { readKey, writeKey } from './key-value.ts'
import { createMeta } from './meta.ts'
import { migrate } from './migrate.ts'
import {
  countUnanswered,
  hasSending,
  lastWriteTime,
  markAllPending,
  markPending,
  unansweredById,
  unansweredOfTransaction,
  waitingOperations,
} from './outbox.ts'
import { createQueryRunner } from './query.ts'
import { createRecordTable } from './record-table.ts'
import { markRefusedRows, refold, refoldAll } from './refold.ts'
import { search } from './search.ts'
import { answeredOfTransaction, transactionsOf } from './settled.ts'
import type { Batch, BatchChoice, BatchLimit, Store, TransactionFate, WriteDraft } from './store.ts'
import { undoDraft } from './undo.ts'
import { createWatchedQueries } from './watched-queries.ts'
import { writeDrafts } from './write.ts'

export interface StoreOptions {
  /** Belongs to the store from now on: `close` closes it, and so does an opening that fails. */
  readonly driver: SqliteDriver
  readonly schema: Schema
  readonly user: UserId
  readonly ambient: Ambient
  /** Told of what is wrong and stops nothing: a pulled row that breaks the schema, a listener that throws. */
  readonly report?: (problem: unknown) => void
}

const everything: BatchChoice = { aside: new Set(), only: null }

/** Opens the user's database, or makes it. USER_MISMATCH when it belongs to another user. */
export function createStore(options: StoreOptions): Store {
  try {
    return open(options)
  } catch (error) {
    options.driver.close()
    throw error
  }
}

function open({ driver, schema, user, ambient, report = () => {} }: StoreOptions): Store {
  driver.defineFunction(searchFunction, (text) => searchText([text]))
  const device = migrate(driver, schema, user, ambient.random)
  const meta = createMeta(driver)
  const time = createDeviceTime(ambient.clock, meta)
  const query = createQueryRunner(driver)
  const live = createWatchedQueries(query, ambient, report)
  const transaction = createTransaction(driver, meta, live.committed)
  const pageTransaction = createTransaction(driver, meta, (written) => {
    if (meta.state.completeness === 'partial') live.committedOneOfMany(written)
    else live.committed(written)
  })
  const collections = Object.entries(schema.collections)
  const tables = new Map(
    collections.map(([name, collection]) => [name, createRecordTable(driver, name, collection, report)]),
  )
  const context: StoreContext = { driver, schema, user, device, ambient, meta, time, tables, transaction, report }
  if (time.isBefore(lastWriteTime(driver))) {
    transaction((written) => {
      time.startEpoch()
      refoldAll(context, written)
      meta.save()
    })
  }
  // What a killed process was sending.
  if (hasSending(driver)) transaction(() => markAllPending(driver))

  /** The wall clock. A jump starts an epoch, and what is shown is dated anew. */
  function now(): number {
    const { nowMs, hasJumped } = time.look()
    if (hasJumped) {
      transaction((written) => {
        time.startEpoch()
        refoldAll(context, written)
        meta.save()
      })
    }
    time.accept()
    return nowMs
  }

  function write(draft: WriteDraft): boolean {
    const checked = checkDraft(context, draft)
    const nowMs = now()
    return transaction((written) => writeDrafts(context, draft.tx, checked, nowMs, written))
  }

  function nextBatch(limit: BatchLimit, choice: BatchChoice = everything): Batch {
    const nowMs = now()
    const chosen = chooseBatch(context, limit, choice)
    const taken =
      chosen.length === 0
        ? { operations: [], units: [] }
        : transaction((written) => {
            written.add('_outbox')
            return takeBatch(driver, chosen, nowMs)
          })
    const { cursor, stagedCursor, clock } = meta.state
    return { ...taken, ids: taken.units.flat(), cursor: stagedCursor ?? cursor, clock: { nowMs, epoch: clock.epoch } }
  }

  function batchFailed(ids: readonly OperationId[], error: string): void {
    if (ids.length === 0) return
    transaction((written) => {
      if (markPending(driver, ids, error) > 0) written.add('_outbox')
    })
  }

  function refuse(id: OperationId, { code, problem }: Parameters<Store['refuse']>[1]): void {
    const nowMs = now()
    const refused = transaction((written: Written) => {
      const touched = new Map<string, Set<string>>()
      const moved = moveToInbox(driver, new Map([[id, { code, field: null, problem }]]), nowMs, touched)
      if (moved.length === 0) return moved
      refold(context, touched, written)
      markRefusedRows(context, touched.keys())
      meta.save()
      written.add('_outbox').add('_inbox')
      return moved
    })
    tellAnswered(transactionsOf(driver, refused))
  }

  const answerListeners = new Set<(transactions: readonly TransactionId[]) => void>()

  function tellAnswered(transactions: readonly TransactionId[]): void {
    if (transactions.length === 0) return
    for (const listener of [...answerListeners]) {
      try {
        listener(transactions)
      } catch (error) {
        report(error)
      }
    }
  }

  function fate(tx: TransactionId): TransactionFate {
    if (unansweredOfTransaction(driver, tx).length > 0) return { kind: 'unsettled' }
    const answered = answeredOfTransaction(driver, tx).map(({ outcome }) => outcome)
    const refused = refusedOfTransaction(driver, tx).map(
      ({ id, code, field, problem }) => ({ kind: 'rejected', id, code, field, problem }) as const,
    )
    const outcomes = [...answered, ...refused]
    return outcomes.length === 0 ? { kind: 'unknown' } : { kind: 'settled', outcomes }
  }

  return {
    device,
    user,
    write,
    undo: (tx, by) => write(undoDraft(context, tx, by)),
    fate,
    query,
    watch: live.watch,
    search: (collection, typed, limit) => search(driver, collection, typed, limit),
    nextBatch,
    hasNext: (choice) => chooseBatch(context, { operationsMax: 1, bytesMax: 1 }, choice).length > 0,
    unsettledOf: (ids) => unansweredById(driver, ids).map(({ operation }) => operation.id),
    batchFailed,
    applyReply: (sent, reply, clock) => {
      const receivedMs = now()
      // A time of another epoch of the clock says nothing about this one.
      const sentMs = clock?.epoch === meta.state.clock.epoch ? Math.min(clock.nowMs, receivedMs) : receivedMs
      const exchange = { sentMs, receivedMs }
      const applied = pageTransaction((written) => applyReply(context, sent, reply, exchange, written))
      tellAnswered(applied.answered)
      return applied
    },
    refuse,
    counts: () => ({ pending: countUnanswered(driver), refused: countRefused(driver) }),
    waiting: (limit) => waitingOperations(driver, limit),
    inbox: () => readInbox(driver),
    completeness: () => meta.state.completeness,
    generation: () => meta.state.generation,
    lastSyncedAt: () => meta.state.lastSyncedAt,
    setLastSyncedAt: (lastSyncedAt) => {
      transaction((written) => {
        meta.set({ lastSyncedAt })
        meta.save()
        written.add('_meta')
      })
    },
    kvGet: (key) => readKey(driver, key),
    kvSet: (key, value) => {
      transaction((written) => {
        writeKey(driver, key, value)
        written.add('_kv')
      })
    },
    onAnswered: (listener) => {
      answerListeners.add(listener)
      return () => answerListeners.delete(listener)
    },
    onCommit: live.onCommit,
    close: () => {
      live.clear()
      driver.close()
    },
  }
}
