import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { UsageError } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { leadsSchema } from '../contract/leads.ts'
import { sqlite } from './sqlite.ts'

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
})

test('key and generation outlive a restart', async () => {
  const directory = temporaryDirectory()
  const store = sqlite(path.join(directory, 'data'))(leadsSchema)
  await store.open()
  const secret = store.secret()
  await store.close()
  const again = sqlite(path.join(directory, 'data'))(leadsSchema)
  await again.open()
  expect(again.secret()).toBe(secret)
  await again.close()
})

test.each([
  ['_feed', 'bytes'],
  ['_sidecar_leads', 'states'],
  ['_devices', 'seenAt'],
  ['leads', 'updatedAt'],
])('a database whose table %s lacks %s is refused at the start, with what to do', async (table, column) => {
  const directory = temporaryDirectory()
  const store = sqlite(directory)(leadsSchema)
  await store.open()
  await store.close()
  const database = new DatabaseSync(path.join(directory, 'holdfast.db'))
  const indexes = database.prepare("select name from sqlite_master where type = 'index' and sql is not null").all()
  for (const { name } of indexes) database.exec(`drop index "${name}"`)
  database.exec(`alter table "${table}" drop column "${column}"`)
  database.close()
  const opening = sqlite(directory)(leadsSchema).open()
  await expect(opening).rejects.toThrow(UsageError)
  await expect(opening).rejects.toThrow(`no column ${table}.${column}`)
  await expect(opening).rejects.toThrow('npm start -- --reset')
  // Nothing holds the directory.
  await expect(sqlite(directory)(leadsSchema).open()).rejects.toThrow(UsageError)
})

function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-sqlite-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}
