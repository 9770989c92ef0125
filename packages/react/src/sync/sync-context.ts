import { createContext, use } from 'react'
import type { SyncConnection } from '../connection.ts'

/** Apart from the typed context of an app's hooks: the sync components serve any schema. */
export const SyncContext = createContext<SyncConnection | null>(null)

export function useSyncConnection(): SyncConnection {
  const connection = use(SyncContext)
  if (connection === null) throw new Error('A Holdfast component stands outside of <Provider>; wrap the app in it.')
  return connection
}
