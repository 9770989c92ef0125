/** A snapshot that loads into OPFS, in real Chromium: the app works meanwhile, and a tab that closes loses no part. */
import { collection, defineSchema, t } from '@holdfast/core'
import { afterEach, expect, test } from 'vitest'
import type { Client } from '../client.ts'
import { openClient } from '../open-client.ts'
import type { Heard } from './snapshot.test.worker.ts'

// The worker's own copy cannot be imported: the file starts an engine.
const schema = defineSchema({
  version: 1,
  collections: { leads: collection({ fields: { name: t.text({ min: 1 }) }, search: ['name'] }) },
})
type Db = Client<typeof schema>

const opened: Db[] = []
afterEach(async () => {
  for (const db of opened.splice(0)) await db.close()
})

async function open(user: string): Promise<Db> {
  const worker = () => new Worker(new URL('./snapshot.test.worker.ts', import.meta.url), { type: 'module' })
  const db = await openClient({ schema, url: '/somewhere/', user, token: 'token', worker })
  opened.push(db)
  return db
}

function status(db: Db, isMeant: (status: Db['sync']['status']) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (now: Db['sync']['status']) => {
      if (!isMeant(now)) return
      stop()
      resolve()
    }
    const stop = db.sync.watch(look)
    look(db.sync.status)
  })
}

const found = async (db: Db, typed: string) => (await db.search('leads', typed)).map(({ id }) => id)
const count = async (db: Db) => (await db.query((q) => q.selectFrom('leads').select('id'))).length

test('[I-1] [I-2] rows are there part by part, searched and written to; a tab that closes goes on at the next part', async () => {
  const server = new BroadcastChannel('snapshot-test-server')
  const heard: Heard[] = []
  server.onmessage = ({ data }: MessageEvent<Heard>) => heard.push(data)
  const parts = () => heard.flatMap((one) => ('part' in one ? [one.part] : []))
  const user = `user-${crypto.randomUUID()}`

  const first = await open(user)
  await status(first, ({ progress }) => progress?.rows === 1_000)
  expect(first.sync.status).toMatchObject({ kind: 'syncing', completeness: 'partial', progress: { total: 2_000 } })
  expect(await count(first)).toBe(1_000)
  expect(await found(first, 'Lead 999')).toEqual(['lead-999'])
  await first.leads.create({ id: 'mine', name: 'Mine' })
  expect(await count(first)).toBe(1_001)
  expect(parts()).toEqual([0, 1, 2])
  await first.close()

  heard.length = 0
  const again = await open(user)
  await expect.poll(parts).toEqual([2])
  expect(await count(again)).toBe(1_001)
  // What was written goes before the part.
  expect(heard[0]).toEqual({ pull: 'nothing', operations: 1 })
  server.postMessage('go on')
  await status(again, ({ kind, completeness }) => kind === 'idle' && completeness === 'complete')
  expect(parts()).toEqual([2, 3])
  const rows = await again.query((q) => q.selectFrom('leads').select(['id', 'name']).where('id', 'like', 'lead-%'))
  expect(new Map(rows.map(({ id, name }) => [id, name]))).toEqual(
    new Map(Array.from({ length: 2_000 }, (_, n) => [`lead-${n}`, `Lead ${n}`])),
  )
  expect(await found(again, 'Lead 1999')).toEqual(['lead-1999'])
  server.close()
})
