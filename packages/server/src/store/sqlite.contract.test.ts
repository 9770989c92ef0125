import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Schema } from '@holdfast/core'
import { describeServerStore } from '../contract/server-store.contract.ts'
import { sqlite } from './sqlite.ts'

describeServerStore('sqlite', async (schema) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-store-'))
  const opened = async (newer: Schema) => {
    const store = sqlite(directory)(newer)
    await store.open()
    return store
  }
  let store = await opened(schema)
  const close = () => store.close().catch(() => {}) // The test may have closed it.
  return {
    store,
    reopen: async (newer = schema) => {
      await close()
      store = await opened(newer)
      return store
    },
    dispose: async () => {
      await close()
      rmSync(directory, { recursive: true })
    },
  }
})
