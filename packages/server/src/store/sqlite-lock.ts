/**
 * One process per data directory. The lock is an exclusive transaction on a database of its own: the operating system releases
 * it when the process dies, so there is no stale file to remove after `kill -9`.
 */
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { EngineError } from '@holdfast/core'

export interface DirectoryLock {
  release(): void
}

export function lockDirectory(directory: string): DirectoryLock {
  const database = new DatabaseSync(path.join(directory, 'lock.db'), { timeout: 0 })
  try {
    database.exec('begin exclusive')
  } catch (cause) {
    database.close()
    throw new EngineError('STORAGE_LOCKED', `Another process serves the data in ${directory}.`, { cause })
  }
  return { release: () => database.close() }
}
