/**
 * The second copy of the queue in IndexedDB: browsers. Another storage than that of the database (OPFS), which breaks apart from
 * it; a browser that removes an origin's data removes both. Keeps the laws of ports/queue-copy.ts.
 */
import { EngineError } from '@holdfast/core'
import { sqliteError } from '../drivers/sqlite-error.ts'
import type { QueueChange, QueueCopy } from '../ports/queue-copy.ts'
import { parseKeptOperations, parseOwner } from './parse-kept.ts'

/** STORAGE_UNAVAILABLE where there is no IndexedDB. */
export async function openIndexedDbQueueCopy(name: string): Promise<QueueCopy> {
  if (!('indexedDB' in globalThis)) throw new EngineError('STORAGE_UNAVAILABLE', 'this browser has no IndexedDB.')
  const database = await openDatabase(name)
  // Deleted in another tab: it must not wait for this connection.
  database.onversionchange = () => database.close()
  return {
    read: () =>
      attempt(async () => {
        const [owners, queue] = [await readStore(database, 'owner'), await readStore(database, 'queue')]
        const owner = parseOwner(owners.values[0])
        const operations = parseKeptOperations(queue.values)
        const isWhole = operations.length === queue.count && (owner === null ? 0 : 1) === owners.count
        return { owner, operations, isWhole }
      }),
    write: (change) => attempt(() => write(database, change)),
    // When the browser takes the space of deleted values back is its own affair; there is no way to ask it to.
    purge: async () => {},
    close: async () => database.close(),
  }
}

/** Deletes the copy of this name for good. */
export function deleteIndexedDbQueueCopy(name: string): Promise<void> {
  return attempt(async () => {
    await answer(indexedDB.deleteDatabase(name))
  })
}

function openDatabase(name: string): Promise<IDBDatabase> {
  return attempt(() => {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore('queue', { keyPath: 'id' })
      request.result.createObjectStore('owner')
    }
    return answer(request)
  })
}

interface StoreRead {
  readonly values: readonly unknown[]
  /** With those that cannot be read. */
  readonly count: number
}

/** One by one where it cannot be read as a whole; rejects where that gives nothing either. */
async function readStore(database: IDBDatabase, name: (typeof stores)[number]): Promise<StoreRead> {
  const store = () => database.transaction(name, 'readonly').objectStore(name)
  try {
    const values = await answer<unknown[]>(store().getAll())
    return { values, count: values.length }
  } catch (error) {
    const keys = await answer(store().getAllKeys())
    const values: unknown[] = []
    for (const key of keys) {
      await answer<unknown>(store().get(key)).then(
        (value) => values.push(value),
        () => {}, // It costs only itself.
      )
    }
    if (values.length === 0) throw isLost(error) ? lost(error) : error
    return { values, count: keys.length }
  }
}

/** What browsers say of a value whose bytes are gone or make no sense any more. */
function isLost(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'NotReadableError' || error.name === 'DataError')
}

function lost(cause: unknown): EngineError {
  return new EngineError('STORAGE_CORRUPT', 'the second copy of the queue cannot be read.', { cause })
}

async function write(database: IDBDatabase, { owner, put, remove }: QueueChange): Promise<void> {
  const transaction = database.transaction(stores, 'readwrite')
  const queue = transaction.objectStore('queue')
  transaction.objectStore('owner').put(owner, ownerKey)
  for (const operation of put) queue.put(operation)
  for (const id of remove) queue.delete(id)
  await completed(transaction)
}

const stores = ['queue', 'owner'] as const
const ownerKey = 'owner'

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
    transaction.onerror = () => reject(transaction.error)
  })
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw sqliteError(error, 'the second copy of the queue')
  }
}
