import { pageBytesMax, type RecordId } from '@holdfast/core'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { leadsSchema, saveLeads } from '../contract/leads.ts'
import { beginning, rowsOf } from '../contract/replica.ts'
import type { Page, PageRequest } from '../ports/server-store.ts'
import { createSchema } from './postgres.test.kit.ts'
import { postgres } from './postgres.ts'

test('[PW2] a making ends at the horizon; what is committed above it comes with the pull that follows', async () => {
  const place = await createSchema(inject('postgresUrl'))
  const store = postgres(place.url)(leadsSchema)
  await store.open()
  const older = new pg.Client(place.url)
  await older.connect()
  onTestFinished(async () => {
    await older.end()
    await store.close()
    await place.drop()
  })
  const save = (name: string, ids: readonly RecordId[]) =>
    store.transact((tx) => saveLeads(tx, new Map(ids.map((id) => [id, () => ({ owner: 'x', name, visits: 0 })]))))
  const request: PageRequest = {
    positions: [beginning('all')],
    leaving: [],
    seen: null,
    rowsMax: 2,
    bytesMax: pageBytesMax,
  }
  await save('below', ['a', 'b', 'c', 'd'])
  await older.query('begin; select pg_current_xact_id()')
  await save('above', ['d', 'e'])

  const pages: Page[] = []
  await store.snapshots().make({ key: 'k', request }, async (read) => {
    for await (const page of read) pages.push(page)
    return null
  })
  expect(pages.flatMap(({ changes }) => changes.flatMap(({ rows }) => rowsOf(rows)[0]))).toEqual(['a', 'b', 'c'])
  expect(pages.at(-1)?.more).toBe(false)
  const positions = pages.at(-1)?.positions ?? []
  const { changes } = await store.readPage({ ...request, positions })
  expect(changes.flatMap(({ rows }) => rowsOf(rows).map(([id, version]) => [id, version])).sort()).toEqual([
    ['d', 2],
    ['e', 1],
  ])
})
