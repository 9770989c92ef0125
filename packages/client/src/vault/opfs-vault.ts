/** The vault of a database in a browser: the copy in IndexedDB, and what is broken stays in a folder of its own beside the new one. */
import { deleteWasmOpfs, setWasmOpfsAside, type WasmOpfsOptions } from '../drivers/wasm-opfs.ts'
import type { Vault } from '../ports/queue-copy.ts'
import { deleteIndexedDbQueueCopy, openIndexedDbQueueCopy } from './indexed-db-queue-copy.ts'

export function createOpfsVault(options: WasmOpfsOptions & { readonly copyName: string }): Vault {
  return {
    openCopy: () => openIndexedDbQueueCopy(options.copyName),
    // IndexedDB has no place to set anything aside.
    async renewCopy() {
      await deleteIndexedDbQueueCopy(options.copyName)
      return openIndexedDbQueueCopy(options.copyName)
    },
    setAside: () => setWasmOpfsAside(options),
    async wipe() {
      await deleteIndexedDbQueueCopy(options.copyName)
      await deleteWasmOpfs(options)
    },
  }
}
