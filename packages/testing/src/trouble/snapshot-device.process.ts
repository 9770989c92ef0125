/** A device in a process of its own: `snapshot-device.process.ts <url> <file>`. Says after each change how many rows it has. */
import { writeSync } from 'node:fs'
import { openClient } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import { eager } from '../support/eager.ts'
import { leadSchema } from '../support/lead-schema.ts'

const [url = '', file = ''] = process.argv.slice(2)

const db = await openClient({
  schema: leadSchema,
  url,
  user: 'ada',
  token: 'ada',
  driver: nodeSqlite(file),
  ports: eager,
})
db.sync.watch(({ progress }) => writeSync(1, `rows ${progress?.rows ?? 0}\n`))
