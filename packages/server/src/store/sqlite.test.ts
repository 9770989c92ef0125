import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
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

function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-sqlite-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}
