import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Schema } from '@holdfast/core'
import { expect, test } from 'vitest'
import { leadsSchema } from '../contract/leads.ts'
import { describeServerStore } from '../contract/server-store.contract.ts'
import { sqlite } from './sqlite.ts'

describeServerStore('sqlite', async (schema) => {
  const directory = temporaryDirectory()
  let store = sqlite(directory)(schema)
  await store.open()
  return {
    store,
    reopen: async (newer: Schema = schema) => {
      await store.close()
      store = sqlite(directory)(newer)
      await store.open()
      return store
    },
    dispose: async () => {
      await store.close()
      rmSync(directory, { recursive: true })
    },
  }
})

test('a second store on the same directory is refused at once, and the first goes on', async () => {
  const directory = temporaryDirectory()
  const first = sqlite(directory)(leadsSchema)
  await first.open()
  await expect(sqlite(directory)(leadsSchema).open()).rejects.toMatchObject({ code: 'STORAGE_LOCKED' })
  expect(await first.horizon()).toBe(0)
  await first.close()
  const next = sqlite(directory)(leadsSchema)
  await next.open()
  await next.close()
  rmSync(directory, { recursive: true })
})

function temporaryDirectory(): string {
  return mkdtempSync(path.join(tmpdir(), 'holdfast-sqlite-'))
}
