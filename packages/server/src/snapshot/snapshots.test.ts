/** When snapshots are made, offered and left alone, under a clock in the test's hand. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { parseSnapshotPart, type SnapshotOffer } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { leadsSchema, saveLeads } from '../contract/leads.ts'
import type { ServerStore } from '../ports/server-store.ts'
import type { SnapshotShelf } from '../ports/snapshot-shelf.ts'
import type { System } from '../ports/system.ts'
import { sqlite } from '../store/sqlite.ts'
import { nodeSystem } from '../system/node-system.ts'
import { createSnapshots, type SnapshotLimits } from './snapshots.ts'

const limits: SnapshotLimits = { offeredMs: 1_000, snapshotsMax: 2, bytesMax: 1_000_000 }

/** 25 leads of agents x and y each, in pages of 10 rows. */
async function world(
  given: Partial<SnapshotLimits> = {},
  around: (shelf: SnapshotShelf) => SnapshotShelf = (shelf) => shelf,
) {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-snapshots-'))
  let nowMs = 1_000_000
  const timers: { readonly atMs: number; readonly work: () => void }[] = []
  const system: System = {
    ...nodeSystem,
    nowMs: () => nowMs,
    after: (delayMs, work) => {
      const timer = { atMs: nowMs + delayMs, work }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), 1)
    },
  }
  const real = sqlite(directory, system)(leadsSchema)
  await real.open()
  const keys: string[] = []
  const shelf = around(real.snapshots())
  const store: ServerStore = {
    ...real,
    snapshots: () => ({
      ...shelf,
      make: ({ key, request }, press) => {
        keys.push(key)
        return shelf.make({ key, request: { ...request, rowsMax: 10 } }, press)
      },
    }),
  }
  const problems: unknown[] = []
  const snapshots = createSnapshots(
    { schema: leadsSchema, store, system, report: (problem) => problems.push(problem) },
    { ...limits, ...given },
  )
  onTestFinished(async () => {
    await snapshots.close()
    await real.close()
    rmSync(directory, { recursive: true })
  })
  const leads = ['x', 'y'].flatMap((owner) => Array.from({ length: 25 }, (_, n) => ({ owner, name: `${owner}${n}` })))
  await real.transact((tx) =>
    saveLeads(tx, new Map(leads.map(({ owner, name }) => [name, () => ({ owner, name, visits: 0 })]))),
  )
  const wanted = async (scope: string): Promise<SnapshotOffer | null> => {
    snapshots.want([scope])
    // What is made, is made in turns of the event loop; 50 of them are ten times what it takes.
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setTimeout(resolve, 2))
    return snapshots.ready([scope])
  }
  const pass = (ms: number) => {
    nowMs += ms
    for (const timer of timers.filter(({ atMs }) => atMs <= nowMs)) {
      timers.splice(timers.indexOf(timer), 1)
      timer.work()
    }
  }
  return { snapshots, real, wanted, pass, problems, keys, makings: () => keys.length }
}

test('[SN2] nothing is offered until it was wanted and made; then it is what the scope holds', async () => {
  const { snapshots, wanted } = await world()
  expect(await snapshots.ready(['agent:x'])).toBe(null)
  const offer = await wanted('agent:x')
  expect(offer).toMatchObject({ parts: 3, rows: 25 })
  expect(await snapshots.ready(['agent:y'])).toBe(null)
  const names: unknown[] = []
  for (let part = 0; part < 3; part += 1) {
    const given = await snapshots.part({ scopes: ['agent:x'], id: offer?.id ?? fail(), part }, 'zstd')
    const text = zstdDecompressSync(given?.bytes ?? fail()).toString()
    for (const { rows } of parseSnapshotPart(JSON.parse(text)).changes) names.push(...rows.map(([id]) => id))
  }
  expect(names.sort()).toEqual(Array.from({ length: 25 }, (_, n) => `x${n}`).sort())
})

test('[SN1] a part of other scopes is absent, and so is one of an earlier life of the database', async () => {
  const { snapshots, wanted, real } = await world()
  const { id } = (await wanted('agent:x')) ?? fail()
  const address = { scopes: ['agent:x'], id, part: 0 }
  expect(await snapshots.part(address, null)).not.toBe(null)
  expect(await snapshots.part({ ...address, scopes: ['agent:y'] }, null)).toBe(null)
  expect(await snapshots.part({ ...address, scopes: ['agent:x', 'agent:y'] }, null)).toBe(null)
  await real.startGeneration({ fork: 'unknown', after: null })
  expect(await snapshots.part(address, null)).toBe(null)
  expect(await snapshots.ready(['agent:x'])).toBe(null)
})

test('[SN3] it is offered for its time and given out for twice that; then another one is made, and the old one goes', async () => {
  const { snapshots, wanted, pass, makings, keys, real } = await world()
  const { id } = (await wanted('agent:x')) ?? fail()
  const address = { scopes: ['agent:x'], id, part: 0 }
  pass(1_000)
  expect((await wanted('agent:x'))?.id).toBe(id)
  expect(makings()).toBe(1)
  pass(1)
  expect(await snapshots.ready(['agent:x'])).toBe(null)
  expect(await snapshots.part(address, null)).not.toBe(null)
  const second = (await wanted('agent:x')) ?? fail()
  expect(second.id).not.toBe(id)
  expect(await snapshots.part(address, null)).not.toBe(null)
  pass(1_000)
  expect(await snapshots.part(address, null)).toBe(null)
  expect(await snapshots.part({ ...address, id: second.id }, null)).not.toBe(null)
  // Nobody wants any more: it is removed all the same.
  const [key = ''] = keys
  const kept = { id: second.id, key, part: 0, sinceMs: 0 }
  expect(await real.snapshots().part(kept, 'zstd')).not.toBe(null)
  pass(1_001)
  expect(await snapshots.part({ ...address, id: second.id }, null)).toBe(null)
  expect(await real.snapshots().part(kept, 'zstd')).toBe(null)
})

test('[SN3] as many as there may be: the newest', async () => {
  const { snapshots, wanted, pass } = await world()
  for (const scope of ['agent:x', 'agent:y', 'all']) {
    expect(await wanted(scope)).not.toBe(null)
    pass(1)
  }
  expect(await snapshots.ready(['agent:x'])).toBe(null)
  expect(await snapshots.ready(['agent:y'])).not.toBe(null)
  expect(await snapshots.ready(['all'])).not.toBe(null)
})

test('[SN3] one that is too large is not made, and not tried again for its time', async () => {
  const { wanted, pass, makings, problems } = await world({ bytesMax: 300 })
  expect(await wanted('agent:x')).toBe(null)
  expect(await wanted('agent:x')).toBe(null)
  expect(makings()).toBe(1)
  pass(1_000)
  expect(await wanted('agent:x')).toBe(null)
  expect(makings()).toBe(2)
  expect(problems).toEqual([])
})

test('[SN3] a making that fails is told, and not tried again for its time', async () => {
  const { wanted, makings, problems } = await world({}, (shelf) => ({
    ...shelf,
    make: () => Promise.reject(new Error('the disk is full')),
  }))
  expect(await wanted('agent:x')).toBe(null)
  expect(await wanted('agent:x')).toBe(null)
  expect(makings()).toBe(1)
  expect(problems).toEqual([new Error('the disk is full')])
})

test('a part comes as it is accepted, and is compressed once for all who accept the same', async () => {
  const { snapshots, wanted } = await world()
  const { id } = (await wanted('agent:x')) ?? fail()
  const address = { scopes: ['agent:x'], id, part: 1 }
  const plain = await snapshots.part(address, null)
  expect(plain?.encoding).toBe(null)
  const [one, other] = await Promise.all([snapshots.part(address, 'gzip'), snapshots.part(address, 'gzip;q=1, br;q=0')])
  expect(one?.encoding).toBe('gzip')
  expect(gunzipSync(one?.bytes ?? fail()).toString()).toBe(Buffer.from(plain?.bytes ?? fail()).toString())
  expect(other?.bytes).toBe(one?.bytes)
  const again = await snapshots.part(address, 'gzip')
  expect(again?.bytes).not.toBe(one?.bytes)
  expect(Buffer.from(again?.bytes ?? fail())).toEqual(Buffer.from(one?.bytes ?? fail()))
})

function fail(): never {
  throw new Error('There is none.')
}
