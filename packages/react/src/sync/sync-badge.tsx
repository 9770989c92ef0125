import { type ReactNode, useRef } from 'react'
import { SyncAnnouncer } from './sync-announcer.tsx'
import { SyncIcon } from './sync-icon.tsx'
import { type RecordNameProps, SyncSheet } from './sync-sheet.tsx'
import { syncWords } from './sync-words.ts'
import { useCalmStatus } from './use-calm-status.ts'
import { useSyncStatus } from './use-sync.ts'

export interface SyncBadgeProps {
  /** Shows a record by its name in the lists of the sheet; left out, its collection is named. */
  readonly RecordName?: (props: RecordNameProps) => ReactNode
}

/** A quiet chip with the state of sync in words; it opens the sheet that tells the rest. */
export function SyncBadge({ RecordName }: SyncBadgeProps): ReactNode {
  const { tone, short } = syncWords(useCalmStatus(useSyncStatus()))
  const sheet = useRef<HTMLDialogElement>(null)
  return (
    <>
      <button
        type="button"
        className={`hf-badge hf-tone-${tone}`}
        aria-label={`Sync: ${short}`}
        aria-haspopup="dialog"
        onClick={() => sheet.current?.showModal()}
      >
        <SyncIcon tone={tone} />
        <span className="hf-badge-text">{short}</span>
      </button>
      <SyncSheet dialog={sheet} RecordName={RecordName} />
      <SyncAnnouncer />
    </>
  )
}
