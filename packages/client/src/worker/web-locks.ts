/** Leases by the Web Locks API. Where a browser has none (an insecure page), each context is alone and holds what it asks for. */
import { EngineError } from '@holdfast/core'
import type { Leases } from '../ports/lease.ts'

export function createWebLeases(): Leases {
  if (!('locks' in navigator)) return { acquire: async () => () => {} }
  return {
    acquire: (name, signal) =>
      new Promise((resolve, reject) => {
        navigator.locks
          .request(name, { signal }, () => new Promise<void>((release) => resolve(() => release())))
          .catch((cause) => reject(new EngineError('CLOSED', 'the wait for a lock was ended.', { cause })))
      }),
  }
}
