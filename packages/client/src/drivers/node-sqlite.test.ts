import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EngineError } from '@holdfast/core'
import { afterAll, expect, test } from 'vitest'
import { describeSqliteDriver } from '../contract/sqlite-driver.contract.ts'
import { nodeSqlite } from './node-sqlite.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
afterAll(() => rmSync(folder, { recursive: true }))

let fileCount = 0
function newPath(): string {
  fileCount += 1
  return join(folder, 'made', String(fileCount), 'replica.db')
}

describeSqliteDriver('node:sqlite, file', { storage: 'file', runCase: ({ run }) => run(nodeSqlite(newPath())) })
describeSqliteDriver('node:sqlite, memory', { storage: 'memory', runCase: ({ run }) => run(nodeSqlite(':memory:')) })

test('[D1] another process is refused with STORAGE_LOCKED', async () => {
  const path = newPath()
  const driver = await nodeSqlite(path)()
  const said = execFileSync(process.execPath, ['-C', '@holdfast/source', opener, path], { encoding: 'utf8' })
  expect(said.trim()).toBe('STORAGE_LOCKED')
  driver.close()
})

test('a file that is no database is STORAGE_CORRUPT, and is left as it was', async () => {
  const path = join(folder, 'letter.txt')
  writeFileSync(path, 'Dear Ada, '.repeat(1_000))
  await expect(nodeSqlite(path)()).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
  await expect(nodeSqlite(join(path, 'replica.db'))()).rejects.toBeInstanceOf(EngineError)
})

const opener = fileURLToPath(new URL('./node-sqlite.test.opener.ts', import.meta.url))
