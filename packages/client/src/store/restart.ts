/**
 * The server cannot go on from where this device is: it was restored from a backup (409), or has forgotten what was deleted since (410).
 * Nothing that is kept here is lost, nothing is sent twice in effect, and nothing that was deleted comes back.
 *
 * SO1  [I-9] What the server had acknowledged after the fork goes back into the outbox, with the same ids and texts, in whole app
 *      transactions: what the restored server knows still counts once, and what it has lost takes effect again. It is kept for 14 days,
 *      within bounds (settled.ts), and what is older than the server remembers is not sent again, by the server's clock.
 * SO2  [I-9] Versions of another life are none of this one: with the new generation all of them count as unknown, until the rows come.
 * SO3  [I-24] Where the server has forgotten what it answered, what may have arrived is not sent again. When the pull has shown what is
 *      there, a creation whose record has come has arrived, and all else is put before a person (unclear.ts).
 * SO4  [I-11] Nothing is shown otherwise than before until the rows of the new life come: what the confirmed rows have is not folded over
 *      them again.
 */
import type { Restart, SyncReply, TransactionId } from '@holdfast/core'
import type { Exchange } from './apply-reply.ts'
import { keepConfirmed } from './confirmed.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { forgetVersions } from './differing.ts'
import { noteWipe } from './purge.ts'
import { markRefusedRows, refold, refoldAll } from './refold.ts'
import { keptMs, settle, transactionsOf } from './settled.ts'
import { decideUnclear, markUnclear } from './unclear.ts'

/**
 * Inside a transaction.
 *
 * @param sentCursor with which the server was asked. Answers the app transactions that lie in the inbox now.
 */
export function restart(
  context: StoreContext,
  why: Restart,
  { sentCursor, exchange }: { readonly sentCursor: string | null; readonly exchange: Exchange },
  written: Written,
): readonly TransactionId[] {
  const { driver, meta, time } = context
  const { cursor, stagedCursor, completeness } = meta.state
  const isGivenPlace = why.kind === 'generation' && why.cursor !== null
  // The answer to an older question: the next one is answered for what is here.
  if (isGivenPlace && sentCursor !== (stagedCursor ?? cursor)) return []
  written.add('_meta').add('_outbox')
  // First: by it is judged how long ago something was sent.
  if (time.hear(why.serverTimeMs, exchange)) refoldAll(context, written)
  const touched: Touched = new Map()
  if (why.kind === 'generation') {
    takeBack(context, why, touched)
    meta.set({ generation: why.generation })
  }
  let refused: ReturnType<typeof decideUnclear>['refused'] = []
  if (isGivenPlace) {
    meta.set(stagedCursor === null ? { cursor: why.cursor } : { stagedCursor: why.cursor })
  } else {
    markUnclear(context, why)
    pullDiffering(context)
    // Of an empty device no pull says more than this.
    if (completeness === 'empty') refused = decideUnclear(context, exchange.receivedMs, touched).refused
  }
  if (why.kind === 'generation' && !isGivenPlace) {
    // In what was deleted a version of the other life would be named.
    driver.run('delete from _deleted')
    forgetVersions(context)
    if (completeness !== 'empty') for (const name of context.tables.keys()) written.add(name)
  }
  refold(context, touched, written)
  markRefusedRows(context, touched.keys())
  if (refused.length > 0) written.add('_inbox')
  meta.save()
  return transactionsOf(driver, refused)
}

/** A device of which nothing is known to be here, as of a reply that came from another life than the data: the same as 409 without a cursor. */
export function lostLife({ generation, serverTimeMs }: Pick<SyncReply, 'generation' | 'serverTimeMs'>): Restart {
  return { kind: 'generation', generation, fork: 0, cursor: null, retentionMs: keptMs, serverTimeMs }
}

function pullDiffering({ driver, meta }: StoreContext): void {
  if (driver.run('delete from _staged') > 0) noteWipe(driver)
  const isEmpty = meta.state.completeness === 'empty'
  meta.set({ cursor: null, stagedCursor: null, snapshot: null, differing: !isEmpty })
}

/** SO1, SO4. What was acknowledged waits again; what had settled comes back before whatever was written later. */
function takeBack(
  { driver, meta, tables }: StoreContext,
  { fork, retentionMs, serverTimeMs }: Extract<Restart, { kind: 'generation' }>,
  touched: Touched,
): void {
  const found = driver.all(selectLost, [fork, serverTimeMs - retentionMs])
  const seqsOf = (of: (row: (typeof found)[number]) => boolean) => found.filter(of).map(([seq]) => Number(seq))
  const lost = found.filter(([, , , isSettled, isWhole]) => isSettled === 1 && isWhole === 1)
  for (const [, name, record] of lost) {
    touch(touched, String(name), String(record))
    const row = tables.get(String(name))?.read(String(record)) ?? null
    if (row?.sync === 'pending') continue // Its confirmed row is kept already.
    keepConfirmed(driver, String(name), String(record), { version: row?.version ?? 0, row: row?.text ?? null })
  }
  const acknowledged = seqsOf(([, , , isSettled, isWhole]) => isSettled === 0 && isWhole === 1)
  driver.run(updatePending, [JSON.stringify(acknowledged)])
  const { epoch, offsetMs } = meta.state.clock
  const seqs = JSON.stringify(lost.map(([seq]) => seq))
  driver.run(insertLost, [offsetMs, epoch, seqs])
  driver.run('delete from _settled where seq in (select value from json_each(?))', [seqs])
  // The rest of its app transaction is not to be sent: neither is this.
  for (const [, name, record, isSettled, isWhole] of found) {
    if (isSettled === 0 && isWhole === 0) touch(touched, String(name), String(record))
  }
  settle(
    driver,
    seqsOf(([, , , isSettled, isWhole]) => isSettled === 0 && isWhole === 0),
    serverTimeMs,
  )
}

const updatePending = `update _outbox set state = 'pending', outcome = null, version = null, place = null
where seq in (select value from json_each(?))`
// What only this device knew (place 0), what was refused, and what was purged stays where it is; with it the rest of its transaction.
const selectLost = `with lost as (
  select seq, tx, operation ->> 'collection' as collection, operation ->> 'record' as record, 1 as settled,
    operation -> 'tx' ->> 'count' as size
  from _settled where outcome ->> 'place' > ?1 and outcome ->> 'place' > 0 and "settledAt" >= ?2 and purged = 0
  union all select seq, tx, collection, record, 0, operation -> 'tx' ->> 'count' from _outbox
  where state = 'acknowledged' and state <> 'pending' and place > ?1
), present as (
  select tx, settled from lost where settled = 1
  union all select tx, 0 from _outbox where tx in (select tx from lost)
), whole as (
  select l.tx from (select tx, max(size) as size from lost group by tx) as l
  join (select tx, count(*) as found from present group by tx) as p on p.tx = l.tx where p.found = l.size
)
select seq, collection, record, settled, tx in (select tx from whole) from lost order by seq`
// When it settled is by the server's clock; when it was first sent, by the device's.
const insertLost = `insert into _outbox (seq, id, tx, collection, record, state, reflected, "firstSentAt", "firstSentEpoch", operation)
select seq, id, tx, operation ->> 'collection', operation ->> 'record', 'pending', 1, "settledAt" - ?, ?, operation from _settled
where seq in (select value from json_each(?))`
