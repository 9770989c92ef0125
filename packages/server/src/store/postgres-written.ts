/** Before anything is served or judged: what another program's statements have left to be worked out (see postgres-triggers.ts, OW5). */
import type { RecordId } from '@holdfast/core'
import type { WrittenRecord } from '../push/merge-written.ts'
import type { Session, SqlRow } from './postgres-sessions.ts'

/** Thrown by work on a record, or on a snapshot with a record, that is to be caught up with first: then the work is run again. */
export const writtenPast = new Error('Another program has written a record that the server has not looked at yet.')

/** Runs the work, and again after each time that it met such a record. */
export async function afterWritten<T>(work: () => Promise<T>, catchUp: () => Promise<void>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (error !== writtenPast) throw error
    }
    await catchUp()
  }
}

/** Reads when nothing waits in the snapshot for a server of this version of the schema; both are sent at once. */
export async function unlessWritten<T>(session: Session, version: number, read: () => Promise<T>): Promise<T> {
  const [waiting, result] = await Promise.all([session.all(waitingSql, [version]), read()])
  if (waiting.length > 0) throw writtenPast
  return result
}

export interface Written {
  /** By collection, in the order of ids. */
  readonly noted: ReadonlyMap<string, readonly RecordId[]>
  /** Those of them that wait still. */
  take(): Promise<readonly WrittenRecord[]>
}

/**
 * What waits, a part of it; null: nothing. Asked for again until nothing does.
 *
 * @param version of the schema that the server has: what it takes waits on for a newer one, where the tables are of a newer one.
 */
export async function readWritten(session: Session, version: number): Promise<Written | null> {
  const found = await session.all(notedSql, [version])
  if (found.length === 0) return null
  const noted = Map.groupBy(found.map(writtenRecord), ({ collection }) => collection)
  return {
    noted: new Map([...noted].map(([name, own]) => [name, own.map(({ record }) => record)])),
    take: async () => {
      const [collections, records] = [found.map(([name]) => String(name)), found.map(([, id]) => String(id))]
      return (await session.all(takeSql, [collections, records, version])).map(writtenRecord)
    },
  }
}

function writtenRecord([collection, record]: SqlRow): WrittenRecord {
  return { collection: String(collection), record: String(record) }
}

const waitingSql = 'select from _unmerged where "seenBy" < $1::integer limit 1'
const notedSql = `select distinct collection, record from _unmerged where "seenBy" < $1::integer order by collection, record limit 500`
const takeSql = `with taken as (
    delete from _unmerged u using unnest($1::text[], $2::text[]) n(collection, record)
    where u.collection = n.collection and u.record = n.record and u."seenBy" < $3::integer returning u.collection, u.record
  ), kept as (
    insert into _unmerged (collection, record, "seenBy") select distinct t.collection, t.record, $3::integer from taken t
    where (select split_part(m.value, ' ', 1)::integer from _meta m where m.key = 'triggers') > $3::integer
    on conflict do nothing
  ) select distinct t.collection, t.record from taken t`
