/**
 * Records that no device wrote, into a store through its port: demo data, or what an app starts with. One call is one transaction,
 * and what is there is left as it is: it can be repeated.
 */
import type { JsonObject, RecordId, Schema, ServerRecord } from '@holdfast/core'
import type { ServerStore } from './ports/server-store.ts'
import { feedEntries } from './push/feed-entries.ts'

export interface SeedRecord {
  readonly collection: string
  readonly id: RecordId
  /** Milliseconds since 1970, as `updatedAt`. */
  readonly createdAt: number
  readonly updatedAt: number
  /** Every field of the collection. */
  readonly fields: JsonObject
}

/** Writes the records that the store does not have yet; answers how many those were. A few thousand a call are a good size. */
export function seedRecords(store: ServerStore, schema: Schema, records: readonly SeedRecord[]): Promise<number> {
  return store.transact(async (tx) => {
    let written = 0
    for (const [collection, given] of Map.groupBy(records, (record) => record.collection)) {
      const known = await tx.load(
        collection,
        given.map(({ id }) => id),
      )
      const missing = given.filter(({ id }) => !known.has(id)).map((record) => [record.id, liveRecord(record)] as const)
      if (missing.length === 0) continue
      await tx.write(collection, new Map(missing))
      const changes = missing.map(([record, after]) => ({ collection, record, before: null, after }))
      await tx.feed(feedEntries(schema, changes))
      written += missing.length
    }
    return written
  })
}

/** Nobody's device: every other one conflicts with it, and it with nobody. */
const seedDevice = '00000000-0000-7000-8000-000000000000'
/** Before every stamp of a device. */
const seedStamp = `${'0'.padStart(15, '0')}.000000.${seedDevice}`

function liveRecord({ createdAt, updatedAt, fields }: SeedRecord): ServerRecord {
  return {
    version: 1,
    state: 'live',
    values: { createdAt, updatedAt, fields },
    stamps: { '': { version: 1, device: seedDevice, user: 'seed', stamp: seedStamp, at: 0 } },
    states: {},
  }
}
