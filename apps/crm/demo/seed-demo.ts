/**
 * The demo's data into a store, chunk by chunk: a start that was killed half way is completed by the next one, and a second start
 * changes nothing.
 */
import { type ServerStore, seedRecords } from '@holdfast/server'
import { crm } from '../src/schema.ts'
import { type DemoOptions, demoLead, demoLeadId } from './leads.ts'

/** Seeds what is missing; answers whether anything was. `onProgress` hears after each chunk how many leads are there. */
export async function seedDemo(
  store: ServerStore,
  options: DemoOptions & { readonly onProgress?: (leads: number) => void },
): Promise<boolean> {
  if (options.leads === 0 || (await hasLead(store, options.leads - 1))) return false
  for (let from = 0; from < options.leads; from += chunkLeads) {
    const to = Math.min(from + chunkLeads, options.leads)
    const records = Array.from({ length: to - from }, (_, offset) => demoLead(from + offset, options)).flat()
    await seedRecords(store, crm, records)
    options.onProgress?.(to)
  }
  return true
}

const chunkLeads = 5_000

function hasLead(store: ServerStore, index: number): Promise<boolean> {
  const id = demoLeadId(index)
  return store.transact(async (tx) => (await tx.load('leads', [id])).has(id))
}
