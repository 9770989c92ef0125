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

/** Reads when nothing waits in the snapshot; both are sent at once. */
export async function unlessWritten<T>(session: Session, read: () => Promise<T>): Promise<T> {
  const [waiting, result] = await Promise.all([session.all('select from _unmerged limit 1'), read()])
  if (waiting.length > 0) throw writtenPast
  return result
}

export interface Written {
  /** By collection, in the order of ids. */
  readonly noted: ReadonlyMap<string, readonly RecordId[]>
  /** Those of them that wait still. */
  take(): Promise<readonly WrittenRecord[]>
}

/** What waits, a part of it; null: nothing. Asked for again until nothing does. */
export async function readWritten(session: Session): Promise<Written | null> {
  const found = await session.all(notedSql)
  if (found.length === 0) return null
  const noted = Map.groupBy(found.map(writtenRecord), ({ collection }) => collection)
  return {
    noted: new Map([...noted].map(([name, own]) => [name, own.map(({ record }) => record)])),
    take: async () => {
      const [collections, records] = [found.map(([name]) => String(name)), found.map(([, id]) => String(id))]
      return (await session.all(takeSql, [collections, records])).map(writtenRecord)
    },
  }
}

function writtenRecord([collection, record]: SqlRow): WrittenRecord {
  return { collection: String(collection), record: String(record) }
}

const notedSql = 'select collection, record from _unmerged order by collection, record limit 500'
const takeSql = `delete from _unmerged u using unnest($1::text[], $2::text[]) n(collection, record)
  where u.collection = n.collection and u.record = n.record returning u.collection, u.record`
