/**
 * A server of leads in a process of its own: `snapshot-server.process.ts <address> <port> <rows per page>`. Says its port, when a snapshot
 * is made, and each part that it gives.
 */
import { writeSync } from 'node:fs'
import { serve } from '@holdfast/server'
import { inPages } from '../support/in-pages.ts'
import { createLeadServer } from '../support/lead-server.ts'
import { watchShelf } from '../support/shelf-watch.ts'
import { storeAt } from '../support/store-kind.ts'

const [address = '', port = '0', rowsPerPage = '10'] = process.argv.slice(2)

const say = (line: string) => writeSync(1, `${line}\n`)
const watch = watchShelf()
watch.beforePart(async (part) => {
  say(`part ${part}`)
  // Room for a kill between two.
  await new Promise((resolve) => setTimeout(resolve, 20))
})
watch.onMade(() => say('snapshot'))
const server = createLeadServer(inPages(watch.around(storeAt(address)), Number(rowsPerPage)))
const serving = await serve(server, { port: Number(port), host: '127.0.0.1' })
say(`port ${serving.port}`)
