/** A device in a process of its own that writes when it is told to: `writer.process.ts <url> <token>`. Answers when each call was made. */
import path from 'node:path'
import { nodeSqlite } from '@holdfast/client/node'
import { isComplete, openDevice, whenStatus } from './device.ts'
import { scratchDirectory } from './scratch.ts'
import type { Told, ToWrite } from './writer.ts'

const [url = '', token = ''] = process.argv.slice(2)
const driver = nodeSqlite(path.join(scratchDirectory('writer'), 'device.sqlite3'))
const client = await openDevice({ url, user: 'manager', driver, token: async () => token })
await whenStatus(client, isComplete)

const tell = (told: Told) => process.send?.(told)
process.on('message', ({ lead, budget }: ToWrite) => {
  const atMs = performance.timeOrigin + performance.now()
  client.leads.update(lead, { budget }).then(
    () => tell({ atMs }),
    (error: unknown) => tell({ problem: String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
tell({ atMs: 0 })
