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
        const transaction = database.transaction(stores, 'readonly')
        const [owner, queue] = await Promise.all([
          answer<unknown>(transaction.objectStore('owner').get(ownerKey)),
          answer<unknown[]>(transaction.objectStore('queue').getAll()),
        ])
        return { owner: parseOwner(owner), operations: parseKeptOperations(queue) }
      }),
    write: (change) => attempt(() => write(database, change)),
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
