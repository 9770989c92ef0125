/** The peer of the cold start: the same rows in IndexedDB by Dexie, with the index that the list wants. */
import { Dexie, type EntityTable } from 'dexie'
import { type DeviceRow, leadColumns } from '../raw/device-rows.ts'
import type { Lead } from '../workload.ts'
import type { ListQuery } from './page-bench.ts'

const database = new Dexie('bench') as Dexie & { leads: EntityTable<Lead, 'id'> }
database.version(1).stores({ leads: 'id, stage, updatedAt, [owner+stage+updatedAt]' })

export async function loadDexie(rowsUrl: string): Promise<void> {
  const rows: DeviceRow[] = await (await fetch(rowsUrl)).json()
  await database.leads.clear()
  for (let from = 0; from < rows.length; from += 10_000) {
    await database.leads.bulkAdd(rows.slice(from, from + 10_000).map(leadOf))
  }
  database.close()
}

export function listDexie({ owner, stage }: ListQuery): Promise<Lead[]> {
  return database.leads
    .where('[owner+stage+updatedAt]')
    .between([owner, stage, Dexie.minKey], [owner, stage, Dexie.maxKey])
    .reverse()
    .limit(50)
    .toArray()
}

function leadOf(row: DeviceRow): Lead {
  return Object.fromEntries(leadColumns.map((column, index) => [column, row[index]])) as unknown as Lead
}
