/** The store's composition: modules in, `Store` out. Each member is one transaction or one read. */
import {
  type ClockReading,
  collectionOf,
  fieldOf,
  type OperationId,
  type PullKind,
  type RecordId,
  type Schema,
  searchText,
  type TransactionId,
  type UserId,
  withSystemCollections,
} from '@holdfast/core'
import type { Ambient } from '../ports/ambient.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { applyReply, type Exchange } from './apply-reply.ts'
import { blamedOf, chooseBatch, takeBatch } from './batch.ts'
import { searchFunction } from './bulk-rows.ts'
import { checkDraft } from './check-draft.ts'
import { conflictItems, conflictItemsOfRecord, countConflicts } from './conflicts.ts'
import { createTransaction, type StoreContext } from './context.ts'
import { createDeviceTime } from './device-clock.ts'
import { discard, undiscard } from './discard.ts'
import { explanation } from './explanation.ts'
import { historyOf, restoreDropped } from './history.ts'
import {
  blockedBy,
  inboxGroup,
  type Refusal,
  type RefusedGroup,
  readDiscarded,
  readGroups,
  refusedOfTransaction,
} from './inbox.ts'
import { inboxFile } from './inbox-file.ts'
import { isLacking } from './inbox-groups.ts'
import { readKey, writeKey } from './key-value.ts'
import { createMeta, type MetaState } from './meta.ts'
import { isRefoldDue, migrate, refoldDone, selectMetaTable } from './migrate.ts'
import { type Notices, readNotices, withReport, writeNotices } from './notices.ts'
import {
  countFailures,
  countUnanswered,
  hasOperations,
  hasSending,
  markAllPending,
  markPending,
  markUnsent,
  unansweredById,
  unansweredOfTransaction,
  waitingOperations,
} from './outbox.ts'
import { createOutboxRoom, type OutboxBounds, outboxBounds } from './outbox-room.ts'
import { park } from './park.ts'
import { countLeaves, wipeDeleted } from './purge.ts'
import { createQueryRunner } from './query.ts'
import { countLeft, noteQueueChanges, readQueue, restoreQueue, takeQueueChanges } from './queue.ts'
import { takeQuietly } from './quiet-reply.ts'
import { createRecordTable } from './record-table.ts'
import { recordKey } from './references.ts'
import { refoldAll } from './refold.ts'
import { requeue } from './requeue.ts'
import { restart } from './restart.ts'
import { search } from './search.ts'
import { answeredOfTransaction, transactionsOf } from './settled.ts'
import { settleConflicts } from './settlement.ts'
import { afterPart, pageOfPart } from './snapshot-load.ts'
import {
  type AppliedReply,
  type Batch,
  type BatchChoice,
  type BatchLimit,
  type Explanation,
  noPast,
  type Past,
  type Store,
  type TransactionFate,
  type WriteDraft,
} from './store.ts'
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
  /** Left out: nothing is known, and no second copy is kept. */
  readonly past?: Past
  /** How much may wait; `outboxBounds` when it is left out. */
  readonly outbox?: OutboxBounds
}

const nothingBroken = { over: new Map(), settled: [], generation: null } as const

/** Attempts on one operation alone that the server may fail, before a person has to look at it. */
const failuresMax = 8
const gaveUp: Refusal = {
  code: 'GAVE_UP',
  field: null,
  problem: `The server failed on this change ${failuresMax} times, and took others meanwhile.`,
}

/** A snapshot is for an empty database: it does not say what has gone from one that holds something. */
function pullOf({ snapshot, completeness, cursor }: MetaState): PullKind {
  if (snapshot !== null) return 'nothing'
  return completeness === 'empty' && cursor === null ? 'snapshot' : 'page'
}

function blockedByEach(causes: ReadonlyMap<OperationId, OperationId>): ReadonlyMap<OperationId, Refusal> {
  return new Map([...causes].map(([id, by]) => [id, blockedBy(by)]))
}

const unlimited: BatchLimit = { operationsMax: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY }
const everything: BatchChoice = { aside: new Set(), only: null }
const nothingApplied: AppliedReply = { refused: [], answered: [], changed: false }

/** Opens the user's database, or makes it. USER_MISMATCH when it belongs to another user. */
export function createStore(options: StoreOptions): Store {
  try {
    return open(options)
  } catch (error) {
    options.driver.close()
    throw error
  }
}

function open({
  driver,
  schema: declared,
  user,
  ambient,
  report = () => {},
  past = noPast,
  outbox = outboxBounds,
}: StoreOptions): Store {
  const schema = withSystemCollections(declared)
  const isNew = driver.all(selectMetaTable).length === 0
  driver.defineFunction(searchFunction, (text) => searchText([text]))
  const device = migrate(driver, schema, user, ambient.random, report)
  const meta = createMeta(driver)
  const time = createDeviceTime(ambient.clock, meta)
  const query = createQueryRunner(driver)
  const live = createWatchedQueries(query, ambient, report)
  /** The inbox as it was read last; null when it has changed since. */
  let inbox: readonly RefusedGroup[] | null = null
  const transaction = createTransaction(driver, meta, (written) => {
    if (written.has('_inbox')) inbox = null
    live.committed(written)
  })
  const pageTransaction = createTransaction(driver, meta, (written) => {
    if (written.has('_inbox')) inbox = null
    if (meta.state.completeness === 'partial') live.committedOneOfMany(written)
    else live.committed(written)
  })
  const collections = Object.entries(schema.collections)
  const tables = new Map(
    collections.map(([name, collection]) => [name, createRecordTable(driver, name, collection, report)]),
  )
  const room = createOutboxRoom(driver, outbox)
  let savedSyncMs = meta.state.lastSyncedAt
  const context: StoreContext = { driver, schema, user, device, ambient, meta, time, tables, transaction, room, report }
  transaction((written) => {
    const isMoved = isRefoldDue(driver)
    if (time.resume(hasOperations(driver)) || isMoved) refoldAll(context, written)
    if (isMoved) refoldDone(driver)
    if (meta.state.clock.earlier.length > 0) meta.save()
  })
  // What a killed process was sending.
  if (hasSending(driver)) transaction(() => markAllPending(driver))
  wipe()
  if (past.kept !== null) noteQueueChanges(driver)
  let notices = readNotices(driver)
  meetPast()

  /** Restores what the second copy has and this database has not, and says what must have happened. */
  function meetPast(): void {
    const { kept, broken } = past
    const owner = kept?.owner?.device ?? null
    const isRecovered = broken !== null || (owner !== null && owner !== device)
    // A copy that knows nobody was removed together with the database.
    const isEvicted = isNew && !isRecovered && kept !== null && past.device !== null
    const operations = kept?.operations ?? []
    if (!isRecovered && !isEvicted && operations.length === 0) return
    const atMs = Math.trunc(ambient.clock.now())
    const next = transaction((written): Notices => {
      const rescued = restoreQueue(context, operations, broken ?? nothingBroken, written)
      for (const [key, value] of broken?.settings.values ?? []) writeKey(driver, key, value)
      if (isEvicted) return keep({ notice: { kind: 'evicted', atMs, reported: null }, previousDevice: past.device })
      if (!isRecovered && rescued === 0) return notices
      const settings = isRecovered && broken?.settings.areWhole !== true ? 'lost' : 'kept'
      return keep({ notice: { kind: 'recovered', atMs, rescued, settings }, previousDevice: null })
    })
    notices = next
    room.look()
  }

  /** What it could not do now it does after the next round: nothing waits for it. */
  function wipe(): void {
    try {
      wipeDeleted(context)
    } catch (error) {
      report(error)
    }
  }

  /** Inside a transaction. */
  function keep(next: Notices): Notices {
    writeNotices(driver, next)
    return next
  }

  /** The wall clock. A jump starts an epoch, and what is shown is dated anew where it was dated by a guess. */
  function now(): number {
    const { nowMs, hasJumped } = time.look()
    if (hasJumped) {
      transaction((written) => {
        if (time.startEpoch(hasOperations(driver))) refoldAll(context, written)
        meta.save()
      })
    }
    time.accept()
    return nowMs
  }

  /** @param clock of the request; left out: it took no time. */
  function exchangeOf(clock: ClockReading | undefined): Exchange {
    const receivedMs = now()
    return { sentMs: clock === undefined ? receivedMs : Math.min(time.inThisEpoch(clock), receivedMs), receivedMs }
  }

  function write(draft: WriteDraft): boolean {
    const checked = checkDraft(context, draft)
    const nowMs = now()
    return transaction((written) => writeDrafts(context, draft.tx, checked, nowMs, written))
  }

  function groups(): readonly RefusedGroup[] {
    inbox ??= readGroups(context)
    return inbox
  }

  /** Records that are not here because their creation was refused. */
  function refusedCreations(): ReadonlyMap<string, OperationId> {
    const creations = groups().flatMap(({ members }) =>
      members.filter(({ operation, code }) => isLacking(operation, code)),
    )
    const missing = creations.filter(
      ({ operation: { collection, record } }) => (tables.get(collection)?.read(record) ?? null) === null,
    )
    return new Map(missing.map(({ operation: { collection, record, id } }) => [recordKey(collection, record), id]))
  }

  function nextBatch(limit: BatchLimit, choice: BatchChoice = everything): Batch {
    const nowMs = now()
    const { units, hanging } = chooseBatch(context, limit, choice, refusedCreations())
    if (hanging.size > 0) parkNow(blockedByEach(hanging), nowMs)
    const taken =
      units.length === 0
        ? { operations: [], units: [], left: countLeft(driver) }
        : transaction((written) => {
            written.add('_outbox')
            // Counted inside: nothing may fail once they are marked, or nobody knows that they are.
            return { ...takeBatch(driver, units, { nowMs, epoch: meta.state.clock.epoch }), left: countLeft(driver) }
          })
    const { cursor, stagedCursor } = meta.state
    const pull = pullOf(meta.state)
    const clock = time.sentAt(nowMs, units.length > 0 ? 'operations' : 'nothing')
    const { previousDevice } = notices
    return { ...taken, ids: taken.units.flat(), cursor: stagedCursor ?? cursor, pull, clock, previousDevice }
  }

  function batchFailed(ids: readonly OperationId[], error: string, refusedMs: number | null = null): void {
    if (ids.length === 0) return
    transaction((written) => {
      if (markPending(driver, ids, error) > 0) written.add('_outbox')
      if (refusedMs !== null) markUnsent(driver, ids, refusedMs)
    })
  }

  function parkNow(refusals: ReadonlyMap<OperationId, Refusal>, nowMs: number): void {
    tellAnswered(transaction((written) => transactionsOf(driver, park(context, refusals, nowMs, written))))
  }

  function failedAlone(ids: readonly OperationId[]): void {
    if (ids.length === 0) return
    const nowMs = now()
    const answered = transaction((written) => {
      const given = countFailures(driver, ids, failuresMax)
      return transactionsOf(driver, park(context, new Map(given.map((id) => [id, gaveUp])), nowMs, written))
    })
    tellAnswered(answered)
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
    if (unansweredOfTransaction(context, tx).length > 0) return { kind: 'unsettled' }
    const answered = answeredOfTransaction(context, tx).map(({ outcome }) => outcome)
    const refused = refusedOfTransaction(context, tx).map(
      ({ operation: { id }, code, field, problem }) => ({ kind: 'rejected', id, code, field, problem }) as const,
    )
    const outcomes = [...answered, ...refused]
    return outcomes.length === 0 ? { kind: 'unknown' } : { kind: 'settled', outcomes }
  }

  function explain(name: string, record: RecordId, field: string): Explanation {
    fieldOf(name, collectionOf(declared, name), field)
    const row = tables.get(name)?.read(record) ?? null
    const isAbout = (about: string) => about === field || about === ''
    const items = groups().flatMap((group) => inboxGroup(schema, group).items)
    return explanation({
      user,
      shown:
        row === null
          ? null
          : { value: row.values.fields[field] ?? null, sync: row.sync, isPending: row.pending.includes(field) },
      decisions: historyOf(context, name, record).filter((decision) => isAbout(decision.field)),
      conflict: conflictItemsOfRecord(context, name, record).find((conflict) => isAbout(conflict.field)) ?? null,
      refused: items.filter(
        (item) => item.collection === name && item.record === record && Object.hasOwn(item.fields, field),
      ),
    })
  }

  return {
    device,
    user,
    write,
    settle: (request) => {
      const nowMs = now()
      return transaction((written) => settleConflicts(context, request, nowMs, written))
    },
    restoreDropped: (request) => {
      const nowMs = now()
      return transaction((written) => restoreDropped(context, request, nowMs, written))
    },
    undo: (tx, by) => write(undoDraft(context, tx, by)),
    fate,
    query,
    watch: live.watch,
    search: (collection, typed, limit) => search(driver, collection, typed, limit),
    nextBatch,
    hasNext: (choice) => {
      const { units, hanging } = chooseBatch(context, { operationsMax: 1, bytesMax: 1 }, choice, refusedCreations())
      return units.length + hanging.size > 0
    },
    unsettledOf: (ids) => unansweredById(context, ids).map(({ operation }) => operation.id),
    batchFailed,
    applyReply: (sent, reply, clock) => {
      const exchange = exchangeOf(clock)
      const { receivedMs } = exchange
      if (sent.length === 0 && takeQuietly(context, reply, { ...exchange, savedMs: savedSyncMs })) {
        wipe()
        return nothingApplied
      }
      const applied = pageTransaction((written) => {
        if (!reply.more) meta.set({ lastSyncedAt: receivedMs })
        return applyReply(context, sent, reply, exchange, written)
      })
      if (!reply.more) {
        savedSyncMs = receivedMs
        wipe()
      }
      const { previous } = reply
      if (previous !== null) notices = transaction(() => keep(withReport(notices, previous)))
      tellAnswered(applied.answered)
      return applied
    },
    restart: (why, sentCursor, clock) => {
      const exchange = exchangeOf(clock)
      const answered = transaction((written) => restart(context, why, { sentCursor, exchange }, written))
      room.look()
      tellAnswered(answered)
    },
    snapshotLoad: () => meta.state.snapshot,
    applyPart: (part) => {
      const nowMs = now()
      const { snapshot: load, generation, clock } = meta.state
      if (load === null || generation === null) throw new Error('No snapshot is being loaded.')
      const page = pageOfPart(part, { generation, serverTimeMs: time.dateOf({ at: nowMs, epoch: clock.epoch }) })
      // Nothing is heard of the time: a part was written before it was asked for.
      const exchange = { sentMs: Number.NEGATIVE_INFINITY, receivedMs: nowMs }
      const applied = pageTransaction((written) => {
        meta.set({ snapshot: afterPart(load, part) })
        return applyReply(context, [], page, exchange, written)
      })
      tellAnswered(applied.answered)
    },
    dropSnapshot: () => {
      transaction(() => {
        meta.set({ snapshot: null })
        meta.save()
      })
    },
    refuse: (id, reason) => parkNow(new Map([[id, { ...reason, field: null }]]), now()),
    blamed: (ids, schema) => blamedOf(context, ids, { schema, generation: meta.state.generation }),
    failedAlone,
    counts: () => ({
      pending: countUnanswered(driver),
      refused: groups().length,
      conflicts: countConflicts(driver),
    }),
    waiting: (limit) => waitingOperations(context, limit),
    inbox: () => groups().map((group) => inboxGroup(schema, group)),
    conflicts: () => conflictItems(context),
    history: (collection, record) => historyOf(context, collection, record),
    explain,
    discarded: () => readDiscarded(context),
    exportInbox: () => inboxFile(groups(), { user, device, schemaVersion: schema.version, nowMs: ambient.clock.now() }),
    requeue: (request) => {
      const nowMs = now()
      const { hanging } = chooseBatch(context, unlimited, everything, refusedCreations())
      return transaction((written) => {
        // What hangs on it goes behind it, and must not stay before it in the outbox.
        park(context, blockedByEach(hanging), nowMs, written)
        return requeue(context, request, nowMs, written)
      })
    },
    discard: (id) => {
      const nowMs = now()
      transaction((written) => discard(context, id, nowMs, written))
    },
    undiscard: (id) => transaction((written) => undiscard(context, id, written)),
    completeness: () => meta.state.completeness,
    generation: () => meta.state.generation,
    queue: () => readQueue(driver),
    // Reads alone: a rescue file must not depend on what can be written.
    clock: () => time.sentAt(time.look().nowMs, 'operations'),
    takeQueueChanges: () => takeQueueChanges(driver),
    notice: () => notices.notice,
    dismissNotice: () => {
      notices = transaction((written) => {
        written.add('_meta')
        return keep({ ...notices, notice: null })
      })
    },
    lastSyncedAt: () => meta.state.lastSyncedAt,
    leaves: () => countLeaves(driver),
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
