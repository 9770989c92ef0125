/** Fills a server's store with the workload through its port, as the demo does. */
import { parseUserId, type ServerRecord, stampOf } from '@holdfast/core'
import type { FeedEntry, StoreFactory } from '@holdfast/server'
import { crm } from '../../apps/crm/src/schema.ts'
import type { Lead } from '../workload.ts'

/** Rows of one transaction: each writes most pages of most indexes, so a few large ones are quicker than many. */
const chunkRowsMax = 20_000

const seeder = '00000000-0000-7000-8000-000000000000'

export async function seed(factory: StoreFactory, rows: readonly Lead[]): Promise<void> {
  const store = factory(crm)
  await store.open()
  for (let from = 0; from < rows.length; from += chunkRowsMax) {
    const chunk = rows.slice(from, from + chunkRowsMax)
    await store.transact(async (tx) => {
      await tx.write('leads', new Map(chunk.map((lead) => [lead.id, recordOf(lead)])))
      await tx.feed(chunk.flatMap(entriesOf))
    })
  }
  await store.close()
}

function recordOf({ id: _, createdAt, updatedAt, ...fields }: Lead): ServerRecord {
  const stamp = {
    version: 1,
    device: seeder,
    user: parseUserId('seed'),
    stamp: stampOf(updatedAt, 0, seeder),
    at: updatedAt,
  }
  return {
    version: 1,
    state: 'live',
    values: { createdAt, updatedAt, fields: { ...fields, visits: 0 } },
    stamps: { '': stamp },
    states: {},
  }
}

function entriesOf(lead: Lead): readonly FeedEntry[] {
  const bytes = JSON.stringify(lead).length
  const entry = { collection: 'leads', record: lead.id, version: 1, state: 'present', bytes } as const
  return ['all', `agent:${lead.owner}`].map((scope) => ({ ...entry, scope }))
}
