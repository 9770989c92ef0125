/**
 * SQLite in the browser, in the Origin Private File System. Only a dedicated worker may use it.
 *
 *   <directory>/lock    held open as long as the database is: the one who holds it owns the rest
 *   <directory>/pool/   the files of sqlite-wasm's SAHPool, one pool for one database
 *   <directory>/pool-2/ the pool in use after the first was set aside, and so on: the last one counts
 *
 * The lock is ours and not the pool's, because a pool that is new has no files yet, and two tabs that open it at once would
 * each make their own and both succeed.
 */
import { EngineError } from '@holdfast/core'
import sqlite3InitModule, { type Sqlite3Static } from '@sqlite.org/sqlite-wasm'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createDriver } from './connection.ts'
import { faultCode, sqliteError } from './sqlite-error.ts'
import { connectWasm } from './wasm-sqlite.ts'

export interface WasmOpfsOptions {
  /** A path in the origin's private file system, such as 'holdfast/ada'. It holds this one database and nothing else. */
  readonly directory: string
}

/** A tab that closes or reloads lets go of its files a moment after its successor asks for them. */
const attemptsMax = 50
const attemptDelayMs = 100

/** The database, its WAL, the journal that the change to WAL needs, and one to spare: each costs a handle at every opening. */
const poolFilesMin = 4

/** The pool's words for a write that stored less than it was given, as Chromium does, without a throw, at a full quota. */
const shortWrite = 'Unknown write() failure.'

const databaseName = '/holdfast.sqlite3'

/**
 * Opens the database in `directory`, and makes it where there is none. Waits up to 5 s for a former owner to let go of it, then
 * throws STORAGE_LOCKED. Without OPFS, or outside a dedicated worker, throws STORAGE_UNAVAILABLE.
 */
export async function openWasmOpfs({ directory }: WasmOpfsOptions): Promise<SqliteDriver> {
  const loading = loadSqlite()
  loading.catch(() => {}) // Heard below, or moot where there is no OPFS.
  const folder = await openFolder(directory)
  const sqlite3 = await loading
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await openOwned(sqlite3, folder, directory)
    } catch (cause) {
      if (faultCode(cause) !== 'STORAGE_LOCKED') throw sqliteError(cause, `open ${directory}`)
      if (attempt === attemptsMax) throw new EngineError('STORAGE_LOCKED', `${directory} is in use.`, { cause })
    }
    await new Promise((resolve) => setTimeout(resolve, attemptDelayMs))
  }
}

/** A database in memory, for browsers without OPFS. Whoever opens it has to say loudly that nothing outlives the tab. */
export async function openWasmMemory(): Promise<SqliteDriver> {
  const sqlite3 = await loadSqlite()
  return createDriver(connectWasm(sqlite3, { name: ':memory:', vfs: null, takeFault, release: () => {} }))
}

/** Deletes the database in `directory` for good. Throws STORAGE_LOCKED while it is open. */
export async function deleteWasmOpfs({ directory }: WasmOpfsOptions): Promise<void> {
  const path = splitPath(directory)
  const name = path.pop()
  if (name === undefined) throw new Error('deleteWasmOpfs() needs the path of a directory')
  const folder = await openFolder(path.join('/'))
  try {
    await folder.removeEntry(name, { recursive: true })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return
    throw sqliteError(error, `delete ${directory}`)
  }
}

/** Sets a broken database aside: the next opening makes a new one beside it. Throws STORAGE_LOCKED while it is open. */
export async function setWasmOpfsAside({ directory }: WasmOpfsOptions): Promise<void> {
  const folder = await openFolder(directory)
  let lock: SyncAccessHandle | null = null
  try {
    lock = await takeLock(folder)
    await folder.getDirectoryHandle(poolName((await lastPool(folder)) + 1), { create: true })
  } catch (error) {
    throw sqliteError(error, `set ${directory} aside`)
  } finally {
    lock?.close()
  }
}

/** Starts to fetch and compile SQLite, so that it is there when the database is opened. */
export function preloadSqlite(): void {
  loadSqlite().catch(() => {}) // Told by the opening.
}

const poolName = (number: number) => (number === 1 ? 'pool' : `pool-${number}`)

async function lastPool(folder: FileSystemDirectoryHandle): Promise<number> {
  let last = 1
  for await (const name of folder.keys()) {
    const number = /^pool-(\d+)$/.exec(name)?.[1]
    if (number !== undefined) last = Math.max(last, Number(number))
  }
  return last
}

async function openOwned(sqlite3: Sqlite3Static, folder: FileSystemDirectoryHandle, directory: string) {
  const lock = await takeLock(folder)
  try {
    return await openPool(sqlite3, `${directory}/${poolName(await lastPool(folder))}`, lock)
  } catch (error) {
    lock.close()
    throw error
  }
}

async function openPool(sqlite3: Sqlite3Static, directory: string, lock: SyncAccessHandle): Promise<SqliteDriver> {
  poolCount += 1
  const pool = await sqlite3.installOpfsSAHPoolVfs({
    name: `holdfast-${poolCount}`, // A name of its own: sqlite-wasm answers a known name with the pool it opened before.
    directory,
    initialCapacity: poolFilesMin,
    // Otherwise a pool that cannot be opened, because another tab has it, is deleted with all that is in it.
    preserveOnInitFailure: true,
  })
  const release = () => {
    pool.pauseVfs() // Closes the handles.
    lock.close()
  }
  try {
    await pool.reserveMinimumCapacity(poolFilesMin) // A tab that was killed at its very first opening left fewer.
    return createDriver(connectWasm(sqlite3, { name: databaseName, vfs: pool.vfsName, takeFault, release }))
  } catch (error) {
    pool.pauseVfs()
    throw error
  }
}

/** What the types of the DOM leave out, since only a dedicated worker has it. */
interface SyncAccessHandle {
  close(): void
}
interface SyncFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>
}

function isSyncFileHandle(handle: object): handle is SyncFileHandle {
  return 'createSyncAccessHandle' in handle
}

async function takeLock(folder: FileSystemDirectoryHandle): Promise<SyncAccessHandle> {
  const handle: object = await folder.getFileHandle('lock', { create: true })
  if (isSyncFileHandle(handle)) return handle.createSyncAccessHandle()
  throw new EngineError('STORAGE_UNAVAILABLE', 'the database was opened outside a dedicated worker.')
}

async function openFolder(directory: string): Promise<FileSystemDirectoryHandle> {
  let folder = await openRoot()
  try {
    for (const name of splitPath(directory)) folder = await folder.getDirectoryHandle(name, { create: true })
    return folder
  } catch (error) {
    throw sqliteError(error, `open ${directory}`)
  }
}

async function openRoot(): Promise<FileSystemDirectoryHandle> {
  if (!('storage' in navigator) || !('getDirectory' in navigator.storage)) {
    throw new EngineError('STORAGE_UNAVAILABLE', 'this browser has no private file system, or the page is not secure.')
  }
  try {
    return await navigator.storage.getDirectory()
  } catch (cause) {
    // Private windows of some browsers have the function and refuse the call.
    throw new EngineError('STORAGE_UNAVAILABLE', 'the browser refused its private file system.', { cause })
  }
}

function splitPath(directory: string): string[] {
  return directory.split('/').filter((name) => name !== '')
}

let poolCount = 0
let fault: unknown
let loaded: Promise<Sqlite3Static> | null = null

function takeFault(): unknown {
  const taken = fault
  fault = undefined
  return taken
}

/** Fetches and compiles SQLite, once per worker. A failed load is tried anew at the next opening. */
function loadSqlite(): Promise<Sqlite3Static> {
  loaded ??= initSqlite().catch((cause) => {
    loaded = null
    throw new EngineError('STORAGE_FAILED', 'SQLite could not be loaded.', { cause })
  })
  return loaded
}

function initSqlite(): Promise<Sqlite3Static> {
  // The file systems that we do not use are switched off: one of them would start a worker of its own at every opening.
  // The pool reports what the storage threw by `error` and nowhere else; SQLite learns only that something failed.
  const sqlite3ApiConfig = {
    disable: { vfs: { kvvfs: true, opfs: true, 'opfs-vfs': true, 'opfs-wl': true } },
    error: (...report: readonly unknown[]) => {
      const error = report.find((part) => part instanceof Error)
      fault = error?.message === shortWrite ? new DOMException(shortWrite, 'QuotaExceededError') : error
    },
  }
  Object.assign(globalThis, { sqlite3ApiConfig })
  return sqlite3InitModule()
}
