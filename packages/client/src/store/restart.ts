/**
 * The server cannot go on from where this device is: it was restored from a backup (409), or has forgotten what was deleted since (410).
 * Nothing that is kept here is lost, nothing is sent twice in effect, and nothing that was deleted comes back.
 *
 * SO1  [I-9] What the server had acknowledged after the fork goes back into the outbox, with the same ids and texts: what the restored server
 *      knows still counts once, and what it has lost takes effect again. It is kept for 14 days, within bounds (settled.ts), and what is
 *      older than the server remembers is not sent again.
 * SO2  [I-9] Versions of another life are none of this one: with the new generation all of them count as unknown, until the rows come.
 * SO3  [I-24] Where the server has forgotten what it answered, what may have arrived is put before a person.
 */
import { type Generation, type OperationId, quoted, type Restart, type TransactionId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { keepConfirmed } from './confirmed.ts'
import type { StoreContext, Written } from './context.ts'
import { forgetVersions } from './differing.ts'
import type { Refusal } from './inbox.ts'
import { park } from './park.ts'
import { keptMs, transactionsOf } from './settled.ts'

/**
 * Inside a transaction.
 *
 * @param sentCursor with which the server was asked. Answers the app transactions that lie in the inbox now.
 */
export function restart(
  context: StoreContext,
  why: Restart,
  { sentCursor, nowMs }: { readonly sentCursor: string | null; readonly nowMs: number },
  written: Written,
): readonly TransactionId[] {
  const { driver, meta } = context
  const { cursor, stagedCursor, completeness } = meta.state
  const isGivenPlace = why.kind === 'generation' && why.cursor !== null
  // The answer to an older question: the next one is answered for what is here.
  if (isGivenPlace && sentCursor !== (stagedCursor ?? cursor)) return []
  written.add('_meta').add('_outbox')
  if (why.kind === 'tooOld') {
    pullDiffering(context)
    const parked = park(context, arrivedLongAgo(driver, why.retentionMs, nowMs), nowMs, written)
    meta.save()
    return transactionsOf(driver, parked)
  }
  takeBack(context, why, nowMs)
  meta.set({ generation: why.generation })
  if (isGivenPlace) {
    meta.set(stagedCursor === null ? { cursor: why.cursor } : { stagedCursor: why.cursor })
  } else {
    // In what was deleted a version of the other life would be named.
    driver.run('delete from _deleted')
    forgetVersions(context)
    pullDiffering(context)
    if (completeness !== 'empty') for (const name of context.tables.keys()) written.add(name)
  }
  meta.save()
  return []
}

/** A device of which nothing is known to be here, as of a reply that came from another life than the data: the same as 409 without a cursor. */
export function lostLife(generation: Generation): Restart {
  return { kind: 'generation', generation, fork: 0, cursor: null, retentionMs: keptMs }
}

function pullDiffering({ driver, meta }: StoreContext): void {
  driver.run('delete from _staged')
  const isEmpty = meta.state.completeness === 'empty'
  meta.set({ cursor: null, stagedCursor: null, snapshot: null, differing: !isEmpty })
}

/** SO1. What was acknowledged waits again; what had settled comes back as whole app transactions, before whatever was written later. */
function takeBack(
  context: StoreContext,
  { fork, retentionMs }: Extract<Restart, { kind: 'generation' }>,
  nowMs: number,
) {
  const { driver, meta, tables, time } = context
  const serverMs = time.dateOf({ at: nowMs, epoch: meta.state.clock.epoch })
  const since = serverMs - Math.min(keptMs, retentionMs)
  driver.run(updateAcknowledged, [fork])
  const lost = driver.all(selectLost, [fork, since])
  for (const [, name, record] of lost) {
    const row = tables.get(String(name))?.read(String(record)) ?? null
    // What is shown has their effect already: it is what stands until the server has said what it has.
    keepConfirmed(driver, String(name), String(record), { version: row?.version ?? 0, row: row?.text ?? null })
  }
  const seqs = JSON.stringify(lost.map(([seq]) => seq))
  driver.run(insertLost, [seqs])
  driver.run('delete from _settled where seq in (select value from json_each(?))', [seqs])
  for (const name of tables.keys()) driver.run(markPendingSql(name), [name])
}

/** SO3. A clock that was set back since says nothing: then a person looks as well. */
function arrivedLongAgo(driver: SqliteDriver, retentionMs: number, nowMs: number): ReadonlyMap<OperationId, Refusal> {
  const found = driver.all(selectSentBefore, [nowMs - retentionMs, nowMs])
  // Ids of the outbox were parsed when they were written.
  return new Map(found.map(([id]) => [id as OperationId, mayHaveArrived]))
}

const mayHaveArrived: Refusal = {
  code: 'MAY_HAVE_ARRIVED',
  field: null,
  problem: 'It was sent so long ago that the server does not remember whether it arrived.',
}

const updateAcknowledged = `update _outbox set state = 'pending', outcome = null, version = null, place = null
where state = 'acknowledged' and state <> 'pending' and place > ?`
// What only this device knew (place 0), what was refused, and what was purged stays where it is; with it the rest of its transaction.
const selectLost = `with lost as (
  select seq, tx, operation, operation -> 'tx' ->> 'count' as size from _settled
  where outcome ->> 'place' > ?1 and outcome ->> 'place' > 0 and "settledAt" >= ?2 and purged = 0
), whole as (
  select tx from lost group by tx
  having count(*) + (select count(*) from _outbox as o where o.tx = lost.tx) = max(size)
)
select seq, operation ->> 'collection', operation ->> 'record' from lost where tx in (select tx from whole)`
const insertLost = `insert into _outbox (seq, id, tx, collection, record, state, "firstSentAt", operation)
select seq, id, tx, operation ->> 'collection', operation ->> 'record', 'pending', "settledAt", operation from _settled
where seq in (select value from json_each(?))`
const selectSentBefore = `select id from _outbox
where state <> 'acknowledged' and "firstSentAt" is not null and not ("firstSentAt" > ?1 and "firstSentAt" <= ?2)`
const markPendingSql = (name: string) => `update ${quoted(name)} set "$sync" = 'pending'
where "$sync" = 'synced' and id in (select record from _outbox where collection = ?)`
