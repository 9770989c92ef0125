/**
 * The vault of a database in a file, in Node. Beside `<path>` lie
 *
 *   <path>-queue            the second copy of the queue, a small SQLite database of its own
 *   <path>.broken-<n>       what was set aside, with its WAL
 *
 * The copy is opened first and held as long as the database is, so that no process sets a file aside that another one uses.
 */
import { readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { EngineError } from '@holdfast/core'
import { sqliteError } from '../drivers/sqlite-error.ts'
import type { OpenDriver } from '../ports/open-driver.ts'
import type { Vault } from '../ports/queue-copy.ts'
import { emptyDatabase } from './empty-database.ts'
import { createSqliteQueueCopy, type SqliteQueueCopy } from './sqlite-queue-copy.ts'

export function createNodeVault(path: string, openFile: (path: string) => OpenDriver): Vault {
  const copyPath = `${path}-queue`

  async function openCopy(): Promise<SqliteQueueCopy> {
    const open = async () => createSqliteQueueCopy(await openFile(copyPath)())
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'STORAGE_CORRUPT') throw error
      setFileAside(copyPath)
      return open()
    }
  }

  return {
    openCopy,
    async renewCopy() {
      setFileAside(copyPath)
      return openCopy()
    },
    setAside: async () => setFileAside(path),
    async wipe() {
      const copy = await openCopy()
      try {
        // First: what is in the database and not in the copy is restored by nobody.
        await copy.wipe()
        await emptyDatabase(openFile(path))
        for (const file of [...brokenFiles(path), ...brokenFiles(copyPath)]) rmSync(file, { force: true })
      } finally {
        await copy.close()
      }
    },
  }
}

function setFileAside(path: string): void {
  const taken = new Set(brokenFiles(path))
  let number = 1
  while (taken.has(`${path}.broken-${number}`)) number += 1
  // The file itself last: with an old WAL beside it, a new one would take up the old one's pages.
  for (const end of ['-shm', '-journal', '-wal', '']) move(path + end, `${path}.broken-${number}${end}`)
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw sqliteError(error, `set ${from} aside`)
  }
}

function brokenFiles(path: string): readonly string[] {
  const folder = dirname(path)
  const start = `${basename(path)}.broken-`
  return readdirSync(folder)
    .filter((name) => name.startsWith(start))
    .map((name) => join(folder, name))
}
