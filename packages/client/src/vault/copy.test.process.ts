/** A process to be killed: writes leads as fast as they are saved; says how many are in the copy for sure, and goes on. */
import { writeSync } from 'node:fs'
import { collection, defineSchema, t } from '@holdfast/core'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { openClient } from '../open-client.ts'

const schema = defineSchema({ version: 1, collections: { leads: collection({ fields: { name: t.text() } }) } })
const db = await openClient({
  schema,
  url: 'http://127.0.0.1:1',
  user: 'ada',
  token: 'token',
  driver: nodeSqlite(String(process.argv[2])),
})
const from = db.sync.status.pending
for (let n = from + 1; ; n += 1) {
  await db.leads.create({ name: `lead ${n}` })
  if (n !== from + 50) continue
  // Longer than changes are gathered, and the copy takes to write them.
  await new Promise((resolve) => setTimeout(resolve, 300))
  writeSync(1, `copied ${n}\n`)
}
