/** Leases by the Web Locks API. */
import { EngineError } from '@holdfast/core'
import type { Leases } from '../ports/lease.ts'

export function createWebLeases(): Leases {
  if (!('locks' in navigator)) {
    throw new EngineError('STORAGE_UNAVAILABLE', 'this browser has no Web Locks, or the page is not secure.')
  }
  return {
    acquire: (name, signal) =>
      new Promise((resolve, reject) => {
        navigator.locks
          .request(name, { signal }, () => new Promise<void>((release) => resolve(() => release())))
          .catch((cause) => reject(new EngineError('CLOSED', 'the wait for a lock was ended.', { cause })))
      }),
  }
}
