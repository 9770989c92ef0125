/**
 * Demo data into a store, through its port. Repeatable: a chunk is one transaction, and what is there is left as it is, so a
 * start that was killed half way is completed by the next one and a second start changes nothing.
 */
import type { RecordId, Schema, ServerRecord } from '@holdfast/core'
import type { ServerStore, StoreTransaction } from '../ports/server-store.ts'
import type { ChangedRecord } from '../push/draft.ts'
import { feedEntries } from '../push/feed-entries.ts'
import { type DemoOptions, type DemoRecord, demoLead, demoLeadId } from './leads.ts'

/** Seeds what is missing; answers how many leads were made. `onProgress` hears after each chunk how many are there. */
export async function seedDemo(
  store: ServerStore,
  schema: Schema,
  options: DemoOptions & { readonly onProgress?: (leads: number) => void },
): Promise<number> {
  if (options.leads === 0 || (await has(store, demoLeadId(options.leads - 1)))) return 0
  let made = 0
  for (let from = 0; from < options.leads; from += chunkLeads) {
    const to = Math.min(from + chunkLeads, options.leads)
    const records = Array.from({ length: to - from }, (_, offset) => demoLead(from + offset, options)).flat()
    made += await store.transact((tx) => seedChunk(tx, schema, records))
    options.onProgress?.(to)
  }
  return made
}

const chunkLeads = 5_000

/** Nobody's device: every other one conflicts with it, and it with nobody. */
const demoDevice = '00000000-0000-7000-8000-000000000000'
const demoStamp = `${'0'.padStart(15, '0')}.000000.${demoDevice}`

async function has(store: ServerStore, lead: RecordId): Promise<boolean> {
  return store.transact(async (tx) => (await tx.load('leads', [lead])).has(lead))
}

async function seedChunk(tx: StoreTransaction, schema: Schema, records: readonly DemoRecord[]): Promise<number> {
  let leads = 0
  for (const name of ['leads', 'calls'] as const) {
    const ofCollection = records.filter(({ collection }) => collection === name)
    const existing = await tx.load(
      name,
      ofCollection.map(({ id }) => id),
    )
    const missing = ofCollection.filter(({ id }) => !existing.has(id))
    if (missing.length === 0) continue
    const made = new Map(missing.map((record) => [record.id, liveRecord(record)]))
    await tx.write(name, made)
    await tx.feed(
      feedEntries(
        schema,
        missing.map((record): ChangedRecord => changeOf(record)),
      ),
    )
    if (name === 'leads') leads = missing.length
  }
  return leads
}

function changeOf(record: DemoRecord): ChangedRecord {
  return { collection: record.collection, record: record.id, before: null, after: liveRecord(record) }
}

function liveRecord({ createdAt, updatedAt, fields }: DemoRecord): ServerRecord {
  return {
    version: 1,
    state: 'live',
    values: { createdAt, updatedAt, fields },
    stamps: { '': { version: 1, device: demoDevice, user: 'demo', stamp: demoStamp } },
  }
}
