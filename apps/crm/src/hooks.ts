import { createHooks } from '@holdfast/react'
import { crm } from './schema.ts'

export const {
  Provider,
  useClient,
  useConflicts,
  useHistory,
  useInbox,
  useLiveQuery,
  useRow,
  useWrite,
  useSyncStatus,
  useSignOut,
} = createHooks(crm)
