import type { ReactNode } from 'react'
import { useSyncConnection } from './sync-context.ts'
import { noticeText } from './sync-words.ts'
import { useSyncStatus } from './use-sync.ts'

/** Says what happened to this device's data, until the person has read it. Shows nothing otherwise. */
export function DataNotice(): ReactNode {
  const status = useSyncStatus()
  const { sync } = useSyncConnection()
  if (status === null || status.notice === null) return null
  return (
    <div className="hf-notice">
      <p>{noticeText(status.notice)}</p>
      <button type="button" className="hf-button" onClick={() => void sync.then((control) => control.dismissNotice())}>
        I have read this
      </button>
    </div>
  )
}
