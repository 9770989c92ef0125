import { randomBytes } from 'node:crypto'
import type { Schema } from '@holdfast/core'
import pg from 'pg'
import { inject } from 'vitest'
import { describeServerStore } from '../contract/server-store.contract.ts'
import { postgres } from './postgres.ts'

describeServerStore('postgres', async (schema) => {
  const database = await createSchema()
  const opened = async (newer: Schema) => {
    const store = postgres(database.url)(newer)
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
      await database.drop()
    },
  }
})

/** A schema of its own in the database of the tests: ten times faster than a database, and the store knows no other place. */
async function createSchema(): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `store_${randomBytes(6).toString('hex')}`
  await administer(`create schema ${name}`)
  const url = new URL(inject('postgresUrl'))
  url.searchParams.set('options', `-c search_path=${name}`)
  return { url: url.href, drop: () => administer(`drop schema ${name} cascade`) }
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client(inject('postgresUrl'))
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
