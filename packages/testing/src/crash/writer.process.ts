/**
 * A client in a process of its own that writes without an end: `writer.process.ts <url> <file> <life>`. Says each write on a line
 * once its promise has resolved, and not earlier: who reads the line may kill it.
 */
import { writeSync } from 'node:fs'
import { openClient } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import { eager } from '../support/eager.ts'
import { leadSchema } from '../support/lead-schema.ts'
import { hotLead } from './hot-lead.ts'

const [url = '', file = '', life = '0'] = process.argv.slice(2)

const db = await openClient({
  schema: leadSchema,
  url,
  user: 'ada',
  token: 'ada',
  driver: nodeSqlite(file),
  ports: eager,
})

// The pipe is written at once: what was said before a kill is read after it.
const say = (line: string) => writeSync(1, `${line}\n`)

for (let turn = 0; ; turn += 1) {
  const name = `${life}-${turn}`
  const lead = await db.write((tx) => {
    const id = tx.leads.create({ owner: 'ada', name })
    tx.leads.increment(id, { visits: 1 })
    tx.leads.increment(hotLead, { visits: 1 })
    tx.calls.create({ lead: id, owner: 'ada', note: name })
    return id
  })
  say(`created ${lead} ${name}`)
  await db.leads.update(lead, { note: name })
  say(`noted ${lead} ${name}`)
  // Room for requests, which share the thread.
  await new Promise(setImmediate)
}
