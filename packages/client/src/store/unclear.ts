/**
 * Operations that may have arrived so long ago that the server does not remember its answer. Sent again they might count twice, so they
 * wait, `unclear`, until the pull that finds out what has gone has shown what is there [SO3].
 */
import { type Operation, type OperationId, parseOperationId, type Restart } from '@holdfast/core'
import type { StoreContext, Touched } from './context.ts'
import { moveToInbox, type Refusal } from './inbox.ts'

/** Inside a transaction. Whatever of an app transaction was sent, all of it was. */
export function markUnclear(
  { driver, time }: StoreContext,
  { retentionMs, serverTimeMs }: Pick<Restart, 'retentionMs' | 'serverTimeMs'>,
): void {
  const found = driver.all(selectSent).map(([tx, at, epoch]) => ({
    tx,
    sentMs: time.dateOf({ at: Number(at), epoch: Number(epoch) }),
  }))
  // What seems to be sent after now was sent nobody knows when.
  const unclear = found.filter(
    ({ sentMs }) => sentMs <= serverTimeMs - retentionMs || sentMs > serverTimeMs + aheadMsMax,
  )
  if (unclear.length > 0) driver.run(updateUnclear, [JSON.stringify(unclear.map(({ tx }) => tx))])
}

/**
 * With the last page; inside a transaction, before what is reflected settles. A creation whose record is there has arrived, and with it all
 * of its app transaction: what was written behind it goes on. All others go to the inbox.
 */
export function decideUnclear(context: StoreContext, nowMs: number, touched: Touched): Decided {
  const { driver } = context
  const arrived = driver.all(selectArrived).map(([id]) => parseOperationId(id))
  driver.run(updateArrived, [JSON.stringify(arrived)])
  const asked = driver.all(selectUnclear).map(([id]) => parseOperationId(id))
  const refusals = new Map(asked.map((id) => [id, mayHaveArrived]))
  return { arrived, refused: moveToInbox(context, refusals, nowMs, touched) }
}

export interface Decided {
  readonly arrived: readonly OperationId[]
  /** With what cannot stand without them. */
  readonly refused: readonly OperationId[]
}

/** The records that they are about: nothing of them is sent meanwhile. */
export function unclearRecords({
  driver,
}: Pick<StoreContext, 'driver'>): readonly Pick<Operation, 'collection' | 'record'>[] {
  return driver
    .all(selectRecords)
    .map(([collection, record]) => ({ collection: String(collection), record: String(record) }))
}

/** Two clocks that were compared differ by less. */
const aheadMsMax = 60_000

const mayHaveArrived: Refusal = {
  code: 'MAY_HAVE_ARRIVED',
  field: null,
  problem: 'It was sent so long ago that the server does not remember whether it arrived.',
}

// The index of states leaves the pending ones out, and SQLite sees that it may use it only where a query says so too.
const isUnclear = `state = 'unclear' and state <> 'pending'`
const selectSent = `select tx, min("firstSentAt"), "firstSentEpoch" from _outbox
where state <> 'acknowledged' and "firstSentAt" is not null group by tx, "firstSentEpoch"`
const updateUnclear = `update _outbox set state = 'unclear'
where state <> 'acknowledged' and tx in (select value from json_each(?))`
const selectUnclear = `select id from _outbox where ${isUnclear} order by seq`
const selectRecords = `select distinct collection, record from _outbox where ${isUnclear}`
const selectArrived = `select id from _outbox where ${isUnclear} and tx in (
  select o.tx from _outbox as o join _confirmed as c on c.collection = o.collection and c.record = o.record
  where o.state = 'unclear' and o.state <> 'pending' and o.operation ->> 'kind' = 'create' and c."row" is not null
) order by seq`
// In which commit, only the server knew (place 0): a restored one does not get it again.
const updateArrived = `update _outbox set state = 'acknowledged', version = 1, place = 0,
outcome = json_object('kind', 'applied', 'id', id, 'version', 1, 'place', 0) where id in (select value from json_each(?))`
