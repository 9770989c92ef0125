/**
 * Records that no device wrote, into a store through its port: demo data, or what an app starts with. One call is one transaction,
 * and what is there is left as it is: it can be repeated.
 */
import { collectionOf, type JsonObject, type RecordId, type Schema, type ServerRecord } from '@holdfast/core'
import type { Located, ServerStore, StoreTransaction } from './ports/server-store.ts'
import { feedEntries } from './push/feed-entries.ts'
import { descentOf } from './scope/descent.ts'
import { createLocator, parentIn } from './scope/locator.ts'

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
  const given = Map.groupBy(records, (record) => record.collection)
  return store.transact(async (tx) => {
    const missing = new Map<string, ReadonlyMap<RecordId, ServerRecord>>()
    for (const name of descentOf(schema).childrenFirst) {
      const own = given.get(name) ?? []
      if (own.length === 0) continue
      const ids = own.map(({ id }) => id).sort()
      const known = await tx.load(name, ids)
      missing.set(
        name,
        new Map(own.filter(({ id }) => !known.has(id)).map((record) => [record.id, liveRecord(record)])),
      )
    }
    const locator = createLocator({
      schema,
      located: await locateParents(tx, schema, missing),
      stored: () => null,
      changed: (name, id) => missing.get(name)?.get(id) ?? null,
    })
    for (const [collection, made] of missing) {
      const changes = [...made].map(([record, after]) => {
        const holds = locator.withValues(collection, after.values)
        return { collection, record, before: null, after, held: holds, holds }
      })
      if (changes.length === 0) continue
      await tx.write(collection, made)
      await tx.feed(feedEntries(changes))
    }
    return [...missing.values()].reduce((sum, { size }) => sum + size, 0)
  })
}

async function locateParents(
  tx: StoreTransaction,
  schema: Schema,
  records: ReadonlyMap<string, ReadonlyMap<RecordId, ServerRecord>>,
): Promise<Located> {
  const parents = new Map<string, Set<RecordId>>()
  for (const [name, made] of records) {
    const collection = collectionOf(schema, name)
    if (collection.scope.kind === 'own') continue
    const known = parents.get(collection.scope.parent) ?? new Set<RecordId>()
    parents.set(collection.scope.parent, known)
    for (const { values } of made.values()) {
      const parent = parentIn(collection, values)
      if (parent !== null) known.add(parent)
    }
  }
  if (parents.size === 0) return new Map()
  return tx.locate(new Map([...parents].map(([name, ids]) => [name, [...ids].sort()])))
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
