/**
 * The queue as one: the operations of the outbox that the server has not acknowledged, and the refused ones that no person has
 * discarded. For its second copy, and for rescue files.
 *
 * QU1  What changed since the last look is known from triggers on the tables themselves: whoever writes them, nothing is missed, and
 *      a look costs what changed. A transaction that is rolled back leaves no trace. The note lives as long as the connection.
 * QU2  [I-5] What is restored keeps its ids and texts. What the database knows already, in any state, is left as it is.
 *      What is over takes no effect again and is shown to nobody; it is known as settled from then on. What the server took is kept as it
 *      was kept before [I-9]; the values in its text go at the end of the first sync when its record has not come (purge.ts).
 * QU3  Restored operations stand in their old order; what is written afterwards comes behind them, in a later epoch of the clock.
 * QU4  One numbering goes on from database to database: a restored operation keeps its number where that is free, and new ones
 *      count on from the highest. So a copy that was left behind and a file that is salvaged are in order together.
 */
import {
  EngineError,
  type Hlc,
  type Operation,
  type Outcome,
  parseOperationId,
  parseRefusal,
  type RefusalNote,
} from '@holdfast/core'
import type { KeptOperation, QueueChange } from '../ports/queue-copy.ts'
import type { SqliteDriver, SqliteRow } from '../ports/sqlite-driver.ts'
import { keepConfirmed } from './confirmed.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { parseOperationText } from './outbox.ts'
import { noteAwaited } from './purge.ts'
import { markRefusedRows, refold } from './refold.ts'
import type { Salvaged, SalvagedOperation } from './store.ts'

export function readQueue(driver: SqliteDriver): readonly KeptOperation[] {
  return driver.all(selectQueue).map(parseKept)
}

/** What the device keeps that the server has not taken, but for what is under way to it. */
export function countLeft(driver: SqliteDriver): number {
  return Number(driver.all(countQueue)[0]?.[0] ?? 0)
}

/** From now on changes of the queue are noted. */
export function noteQueueChanges(driver: SqliteDriver): void {
  for (const sql of noteTables) driver.exec(sql)
}

/** What was noted, and forgets it. */
export function takeQueueChanges(driver: SqliteDriver): Omit<QueueChange, 'owner'> {
  const ids = driver.all(selectNoted).map(([id]) => parseOperationId(id))
  if (ids.length === 0) return { put: [], remove: [] }
  const put = driver.all(selectNotedQueue).map(parseKept)
  driver.run('delete from _queue_changes')
  const present = new Set(put.map(({ id }) => id))
  return { put, remove: ids.filter((id) => !present.has(id)) }
}

interface Restorable {
  readonly kept: KeptOperation
  readonly operation: Operation
}

interface Known extends Restorable {
  /** What became of it; null: it waits, or was refused. */
  readonly outcome: Outcome | null
  /** As the broken database kept it after it was over; null: it does not wait, and more is not known. */
  readonly settled: Pick<SalvagedOperation, 'settledAtMs' | 'isPurged'> | null
}

/**
 * Takes back what the database does not know; inside a transaction. Answers how many operations that were which wait or were refused.
 *
 * @param broken what the broken database knew of operations that do not wait any more.
 */
export function restoreQueue(
  context: StoreContext,
  kept: readonly KeptOperation[],
  { over, settled, generation }: Pick<Salvaged, 'over' | 'settled' | 'generation'>,
  written: Written,
): number {
  const { driver, meta } = context
  const settledById = new Map(settled.filter(({ id }) => over.has(id)).map((one) => [one.id, one]))
  const candidates: readonly KeptOperation[] = [
    ...[...settledById.values()].map((one) => ({ ...one, refused: null })),
    ...kept.filter(({ id }) => !settledById.has(id)),
  ]
  if (candidates.length === 0) return 0
  const list = JSON.stringify(candidates.map(({ id }) => id))
  const known = new Set(driver.all(selectKnown, [list]).map(([id]) => String(id)))
  const unknown = candidates.filter(({ id }) => !known.has(id)).flatMap((one) => readable(context, one))
  const restorable = wholeTransactions(
    unknown.map((one) => {
      const { id } = one.kept
      return { ...one, outcome: over.get(id) ?? null, settled: settledById.get(id) ?? null }
    }),
  )
  if (restorable.length === 0) return 0
  // A server that has another life by now is found out, and gets again what it has lost.
  if (settledById.size > 0 && meta.state.generation === null) meta.set({ generation })
  // Nobody knows the epochs of another file: one offset is guessed for all, and measured later.
  context.time.startEpoch(true)
  const { clock } = meta.state
  const last = Math.max(clock.seq, Number(driver.all(selectLastSeq)[0]?.[0] ?? 0))
  const placed = numbered(restorable, last)
  const open = placed.filter(({ outcome }) => outcome === null)
  const touched: Touched = new Map()
  for (const { operation } of open) touch(touched, operation.collection, operation.record)
  keepShownRows(context, touched)
  driver.run(insertWaiting, [JSON.stringify(open.flatMap((one) => (one.refused === null ? [outboxRow(one)] : [])))])
  driver.run(insertRefused, [
    JSON.stringify(open.flatMap((one) => (one.refused === null ? [] : [inboxRow(one, one.refused)]))),
  ])
  const atMs = context.time.dateOf({ at: Math.trunc(context.ambient.clock.now()), epoch: clock.epoch })
  driver.run(insertOver, [
    atMs,
    JSON.stringify(placed.flatMap((one) => (one.outcome === null ? [] : [overRow(one, one.outcome)]))),
  ])
  const texts = placed.filter(({ settled }) => settled !== null).map(({ operation }) => operation)
  if (meta.state.completeness === 'empty') noteAwaited(driver, texts)
  const times = placed.map(({ operation }) => operation.time)
  meta.set({
    clock: {
      ...clock,
      seq: placed.at(-1)?.seq ?? last,
      hlc: times.map(({ hlc }) => hlc).reduce(later, clock.hlc),
      epoch: times.reduce((next, { epoch }) => Math.max(next, epoch + 1), clock.epoch),
    },
  })
  refold(context, touched, written)
  markRefusedRows(context, touched.keys())
  meta.save()
  written.add('_outbox').add('_inbox')
  return open.length
}

/** Where a number is taken, or there twice, all of them come behind everything. */
function numbered(restorable: readonly Known[], last: number): readonly Placed[] {
  const seqs = restorable.map(({ kept }) => kept.seq)
  const areFree = seqs.every((seq, index) => seq > (seqs[index - 1] ?? last))
  const base = Math.max(last, seqs.at(-1) ?? 0)
  return restorable.map(({ kept: { seq, text, refused }, operation, outcome, settled }, index) => ({
    seq: areFree ? seq : base + 1 + index,
    operation,
    text,
    refused,
    outcome,
    settled,
  }))
}

/** A copy can be damaged as well: what does not parse, or is not this user's, is told and left. */
function readable({ user, schema, report }: StoreContext, kept: KeptOperation): readonly Restorable[] {
  try {
    const operation = parseOperationText(schema, kept.text)
    if (operation.user === user && operation.id === kept.id) return [{ kept, operation }]
    report(new EngineError('USER_MISMATCH', 'an operation of the second copy belongs to another user.'))
  } catch (cause) {
    report(new EngineError('STORAGE_CORRUPT', 'an operation of the second copy cannot be read.', { cause }))
  }
  return []
}

/** In local order. The server takes a transaction as a whole: what is left of a broken one waits for a person. */
function wholeTransactions(found: readonly Known[]): readonly Known[] {
  const waiting = found.filter(({ kept, outcome }) => kept.refused === null && outcome === null)
  const sizes = Map.groupBy(waiting, ({ operation }) => operation.tx.id)
  return found
    .map((one) => {
      const { tx, time } = one.operation
      if (one.kept.refused !== null || one.outcome !== null || sizes.get(tx.id)?.length === tx.count) return one
      const refused: RefusalNote = { ...torn, refusedAt: time.at }
      return { ...one, kept: { ...one.kept, refused } }
    })
    .sort((a, b) => a.kept.seq - b.kept.seq)
}

const torn = {
  code: 'TRANSACTION_INCOMPLETE',
  field: null,
  problem: 'The other changes that were made together with this one were lost with the database.',
} as const

/** What is shown of a record without unsettled operations is its confirmed row. */
function keepShownRows({ driver, tables }: StoreContext, touched: Touched): void {
  for (const [name, records] of touched) {
    for (const record of records) {
      const row = tables.get(name)?.read(record) ?? null
      if (row?.sync === 'pending') continue
      keepConfirmed(driver, name, record, { version: row?.version ?? 0, row: row?.text ?? null })
    }
  }
}

interface Placed {
  readonly seq: number
  readonly operation: Operation
  readonly text: string
  readonly refused: RefusalNote | null
  readonly outcome: Outcome | null
  readonly settled: Known['settled']
}

function commonColumns({ seq, operation }: Placed) {
  return [seq, operation.id, operation.tx.id, operation.collection, operation.record] as const
}

// Whether it was sent before is not known: it counts as if it had been.
function outboxRow(placed: Placed) {
  const { at, epoch } = placed.operation.time
  return [...commonColumns(placed), at, epoch, placed.text] as const
}

function inboxRow(placed: Placed, { code, field, problem, refusedAt }: RefusalNote) {
  return [...commonColumns(placed), code, field, problem, refusedAt, placed.text] as const
}

function overRow({ seq, operation: { id, tx }, text, settled }: Placed, outcome: Outcome) {
  const isPurged = settled?.isPurged === true
  return [seq, id, tx.id, JSON.stringify(outcome), text, settled?.settledAtMs ?? null, isPurged ? 1 : 0] as const
}

function later(a: Hlc, b: Hlc): Hlc {
  return b.ms > a.ms || (b.ms === a.ms && b.counter > a.counter) ? b : a
}

function parseKept([seq, id, text, code, field, problem, refusedAt]: SqliteRow): KeptOperation {
  return {
    id: parseOperationId(id),
    seq: Number(seq),
    text: String(text),
    refused: code === null ? null : parseRefusal({ code, field, problem, refusedAt }),
  }
}

const waitingColumns = `select seq, id, operation, null, null, null, null from _outbox where state <> 'acknowledged'`
const refusedColumns = `select seq, id, operation, code, field, problem, "refusedAt" from _inbox where "discardedAt" is null`
const selectQueue = `${waitingColumns} union all ${refusedColumns} order by 1`
const selectNoted = 'select id from _queue_changes'
const selectNotedQueue = `${waitingColumns} and id in (${selectNoted})
union all ${refusedColumns} and id in (${selectNoted}) order by 1`
const countQueue = `select (select count(*) from _outbox)
- (select count(*) from _outbox where state <> 'pending' and state <> 'unclear')
+ (select count(*) from _inbox where "discardedAt" is null)`
const selectKnown = `select value from json_each(?) where value in (select id from _outbox)
or value in (select id from _inbox) or value in (select id from _settled)`
const selectLastSeq = `select max((select coalesce(max(seq), 0) from _outbox), (select coalesce(max(seq), 0) from _inbox),
(select coalesce(max(seq), 0) from _settled))`
const insertWaiting = `insert into _outbox (seq, id, tx, collection, record, state, "firstSentAt", "firstSentEpoch", operation)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 'pending', value ->> 5, value ->> 6, value ->> 7 from json_each(?)`
const insertRefused = `insert into _inbox (seq, id, tx, collection, record, code, field, problem, "refusedAt", attempts, operation)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, 1, value ->> 9
from json_each(?)`
const insertOver = `insert into _settled (seq, id, tx, "settledAt", outcome, operation, purged)
select value ->> 0, value ->> 1, value ->> 2, coalesce(value ->> 5, ?), value ->> 3, value ->> 4, value ->> 6 from json_each(?)`

const note = 'insert or ignore into _queue_changes values'
const noteTables = [
  'create temp table if not exists _queue_changes (id text primary key not null) without rowid',
  `create temp trigger if not exists _queue_1 after insert on main._outbox begin ${note} (new.id); end`,
  `create temp trigger if not exists _queue_2 after delete on main._outbox begin ${note} (old.id); end`,
  `create temp trigger if not exists _queue_3 after update of state on main._outbox
    when (new.state = 'acknowledged') <> (old.state = 'acknowledged') begin ${note} (new.id); end`,
  `create temp trigger if not exists _queue_4 after insert on main._inbox begin ${note} (new.id); end`,
  `create temp trigger if not exists _queue_5 after delete on main._inbox begin ${note} (old.id); end`,
  `create temp trigger if not exists _queue_6 after update of "discardedAt" on main._inbox begin ${note} (new.id); end`,
]
