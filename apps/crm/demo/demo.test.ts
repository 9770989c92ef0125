import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sqlite } from '@holdfast/server'
import { expect, onTestFinished, test } from 'vitest'
import { crm } from '../src/schema.ts'
import { demoLead } from './leads.ts'
import { seedDemo } from './seed-demo.ts'

const options = { leads: 1_000, agents: 20, seed: 1, nowMs: 1_795_000_000_000 }

test('the same seed makes the same leads, one in five with an Arabic name, all of the past', () => {
  const leads = Array.from({ length: 1_000 }, (_, index) => demoLead(index, options)[0])
  expect(demoLead(77, options)).toEqual(demoLead(77, options))
  const arabic = leads.filter(({ fields }) => /\p{Script=Arabic}/u.test(String(fields.name)))
  expect(arabic.length).toBeGreaterThan(150)
  expect(arabic.length).toBeLessThan(250)
  expect(leads.filter(({ createdAt, updatedAt }) => updatedAt < createdAt || updatedAt > options.nowMs)).toEqual([])
  expect(new Set(leads.map(({ id }) => id)).size).toBe(1_000)
  expect(new Set(leads.map(({ fields }) => fields.owner)).size).toBe(20)
})

test('seeding completes what is missing and leaves what is there', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-demo-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const store = sqlite(directory)(crm)
  await store.open()
  onTestFinished(() => store.close())
  expect(await seedDemo(store, { ...options, leads: 300 })).toBe(true)
  expect(await seedDemo(store, { ...options, leads: 300 })).toBe(false)
  const progress: number[] = []
  const onProgress = (leads: number) => void progress.push(leads)
  expect(await seedDemo(store, { ...options, onProgress })).toBe(true)
  expect(progress).toEqual([1_000])
  const page = await store.readPage({
    positions: [{ scope: 'all', place: 0, seq: 0 }],
    bytesMax: 8_388_608,
    rowsMax: 5_000,
    leaving: [],
    seen: null,
  })
  expect(JSON.parse(page.changes.find(({ collection }) => collection === 'leads')?.rows ?? '')).toHaveLength(1_000)
})
