import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pageBytesMax, parseDeviceId, parseOperationId, parseUserId } from '@holdfast/core'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startPostgres } from '../../../../scripts/postgres.ts'
import { leadsSchema, saveLeads } from '../contract/leads.ts'
import { beginning, rowsOf } from '../contract/replica.ts'
import type { ScopePosition, ServerStore } from '../ports/server-store.ts'
import { administer, createSchema } from './postgres.test.kit.ts'
import { postgres } from './postgres.ts'

test('[PL1] [SS8] a copy is refused by its identity until it is said what it is', async () => {
  const { url, store } = await served()
  await store.close()
  await administer(url, `update _meta set value = 'another cluster:1' where key = 'identity'`)
  await expect(store.open()).rejects.toThrow(/holdfast restored/)
  const started = await store.startGeneration({ fork: 'unknown', after: null })
  await store.open()
  expect(store.generation()).toBe(started)
})

test('[PL4] a dump in a cluster of lower transaction ids: nothing that is committed later hides behind what was there', async () => {
  const { url, store } = await served()
  await save(store, 'a', 'b')
  await save(store, 'b')
  const id = parseOperationId('01890a5d-ac96-774b-bcce-b302099a8057')
  const user = parseUserId('ann')
  const device = parseDeviceId('01890a5d-ac96-774b-bcce-b302099a8058')
  const claim = { user, id, hash: 'h', device, seq: 1 }
  const outcome = (place: number) => JSON.stringify({ kind: 'applied', id, version: 2, place })
  const farAhead = 1_000_000_000
  await store.transact(async (tx) => {
    await tx.claim([claim])
    await tx.settle(new Map([[user, new Map([[id, outcome(farAhead + 7)]])]]))
  })
  await store.noteDay(1)
  await store.close()
  await administer(url, `update _feed set place = place + ${farAhead}`)
  await administer(url, `update _days set place = place + ${farAhead}`)
  await administer(url, `update _meta set value = 'another cluster:1' where key = 'identity'`)
  const before = await currentId(url)
  await store.startGeneration({ fork: 'head', after: null })
  await store.open()
  // Numbers of one cluster say nothing in another.
  expect([...(await store.standing()).ancestors.values()]).toEqual([0])
  const first = await pull(store, beginning('all'))
  expect(first.ids).toEqual(['a', 'b'])
  await save(store, 'c')
  expect((await pull(store, first.position)).ids).toEqual(['c'])
  const known = await store.transact((tx) => tx.claim([claim]))
  const { place } = JSON.parse(known.get(user)?.get(id)?.outcome ?? '{}')
  expect(place).toBeGreaterThanOrEqual(before)
  expect(place).toBeLessThan((await store.standing()).horizon)
  // Nothing of it is older than this life, so nothing of it is forgotten by the days of the other one.
  await store.transact((tx) => saveLeads(tx, new Map([['a', () => null]])))
  await store.forgetBefore(2)
  expect(await store.prune()).toMatchObject({ entries: 0, records: 0 })
})

test('[SS8] a life that one process starts is the life of the others with their next look', async () => {
  const { url, store } = await served()
  const other = postgres(url)(leadsSchema)
  await other.open()
  onTestFinished(() => other.close())
  const started = await other.startGeneration({ fork: 'unknown', after: store.generation() })
  expect((await store.standing()).generation).toBe(started)
  expect(store.generation()).toBe(started)
  // It was faster: the same finding of this one starts no second life.
  const [first] = [...(await store.standing()).ancestors.keys()]
  expect(await store.startGeneration({ fork: 'unknown', after: (first ?? '') as typeof started })).toBe(started)
})

test('[PL2] [PL3] a cluster that was recovered goes on as another life by itself, shared up to what was noted last', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-recovered-'))
  chmodSync(directory, 0o755)
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  let cluster = await startPostgres({ directory })
  onTestFinished(() => cluster.stop())
  const first = postgres(cluster.url)(leadsSchema)
  await first.open()
  await save(first, 'a')
  await first.noteDay(1)
  const noted = await first.standing()
  await save(first, 'b')
  await first.close()
  await cluster.stop()
  const data = path.join(directory, 'data')
  const owner = execFileSync('stat', ['-c', '%u:%g', data], { encoding: 'utf8' }).trim()
  writeFileSync(path.join(data, 'recovery.signal'), '')
  execFileSync('chown', [owner, path.join(data, 'recovery.signal')])
  appendFileSync(path.join(data, 'postgresql.auto.conf'), "restore_command = 'false'\n")

  cluster = await startPostgres({ directory })
  const next = postgres(cluster.url)(leadsSchema)
  await untilItIsWritable(next)
  onTestFinished(() => next.close())
  const { generation, ancestors } = await next.standing()
  expect(generation).not.toBe(noted.generation)
  const fork = ancestors.get(noted.generation) ?? 0
  expect(fork).toBeGreaterThan(0)
  expect(fork).toBeLessThanOrEqual(noted.horizon)
  // Once.
  expect((await next.standing()).generation).toBe(generation)
  await next.noteDay(2)
}, 60_000)

async function served(): Promise<{ readonly url: string; readonly store: ServerStore }> {
  const place = await createSchema(inject('postgresUrl'))
  const store = postgres(place.url)(leadsSchema)
  await store.open()
  onTestFinished(async () => {
    await store.close().catch(() => {})
    await place.drop()
  })
  return { url: place.url, store }
}

function save(store: ServerStore, ...ids: readonly string[]) {
  return store.transact((tx) =>
    saveLeads(tx, new Map(ids.map((id) => [id, () => ({ owner: 'x', name: 'n', visits: 0 })]))),
  )
}

async function pull(store: ServerStore, from: ScopePosition) {
  const request = { positions: [from], leaving: [], seen: null, rowsMax: 100, bytesMax: pageBytesMax }
  const { changes, positions } = await store.readPage(request)
  const ids = changes.flatMap(({ rows }) => rowsOf(rows).map(([id]) => String(id)))
  return { ids: ids.sort(), position: positions[0] ?? from }
}

async function currentId(url: string): Promise<number> {
  const { default: pg } = await import('pg')
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query('select pg_snapshot_xmin(pg_current_snapshot())::text as id')
    return Number(rows[0].id)
  } finally {
    await client.end()
  }
}

/** Recovery ends some moments after the cluster answers. */
async function untilItIsWritable(store: ServerStore): Promise<void> {
  for (let turn = 0; ; turn += 1) {
    try {
      return await store.open()
    } catch (error) {
      if (turn > 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
