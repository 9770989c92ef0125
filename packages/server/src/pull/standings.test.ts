import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { leadsSchema } from '../contract/leads.ts'
import { sqlite } from '../store/sqlite.ts'
import { createStandings } from './standings.ts'

test('[I-9] a life that has begun since the last round is noticed once, whoever started it', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-standings-'))
  const store = sqlite(directory)(leadsSchema)
  await store.open()
  onTestFinished(async () => {
    await store.close()
    rmSync(directory, { recursive: true })
  })
  let noticed = 0
  const standings = createStandings(store, () => {
    noticed += 1
  })
  expect(standings.last()).toBeNull()
  await standings.now()
  await standings.now()
  expect(noticed).toBe(0)
  const generation = await store.startGeneration({ fork: 'unknown', after: null })
  expect((await standings.now()).generation).toBe(generation)
  await standings.now()
  expect(noticed).toBe(1)
  expect(standings.last()).toMatchObject({ generation })
})
