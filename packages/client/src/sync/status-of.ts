/** From the machine's state to what people are told. */
import type { SyncState } from './sync-state.ts'
import type { StatusCommon, SyncStatus } from './sync-status.ts'

/** @param retryAtMs when what was set aside is sent again; null when nothing is. */
export function statusOf(state: SyncState, common: StatusCommon, retryAtMs: number | null): SyncStatus {
  switch (state.kind) {
    case 'stopped': // Nothing was tried yet, or nothing will be any more.
      return { ...common, kind: 'offline' }
    case 'idle':
      return retryAtMs === null ? { ...common, kind: 'idle' } : { ...common, kind: 'waiting', retryAtMs }
    case 'settling':
    case 'syncing':
      return { ...common, kind: 'syncing' }
    case 'probing':
      return { ...common, kind: state.offline ? 'offline' : 'idle' }
    case 'waiting':
      return state.cause === 'unreachable'
        ? { ...common, kind: 'offline' }
        : { ...common, kind: 'waiting', retryAtMs: state.retryAtMs }
    case 'paused':
      return { ...common, kind: 'paused', why: state.why }
    case 'attention':
      return { ...common, kind: 'attention', code: state.code, problem: state.problem }
  }
}
