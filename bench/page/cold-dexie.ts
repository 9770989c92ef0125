/** Cold start of the peer: Dexie opens and answers the list. */
import { type ColdTimes, coldQuery, paint } from './cold.ts'
import { listDexie } from './dexie-leads.ts'

globalThis.holdfastCold = start()

async function start(): Promise<ColdTimes> {
  paint((await listDexie(coldQuery)).map((lead) => lead.name))
  const atMs = performance.now()
  return { listMs: atMs, databaseMs: atMs }
}
