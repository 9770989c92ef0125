import { Fragment, type ReactNode, useRef } from 'react'
import { SyncAnnouncer } from './sync-announcer.tsx'
import { SyncIcon } from './sync-icon.tsx'
import { type RecordNameProps, type SheetLinkProps, SyncSheet } from './sync-sheet.tsx'
import { syncWords } from './sync-words.ts'
import { useCalmStatus } from './use-calm-status.ts'
import { useSyncStatus } from './use-sync.ts'

export interface SyncBadgeProps {
  /** Shows a record by its name in the lists of the sheet; left out, its collection is named. */
  readonly RecordName?: (props: RecordNameProps) => ReactNode
  /** Links to the app's screens with the list of conflicts and with the inbox, in the router of the app. */
  readonly ConflictsLink?: (props: SheetLinkProps) => ReactNode
  readonly InboxLink?: (props: SheetLinkProps) => ReactNode
}

/** A quiet chip with the state of sync in words; it opens the sheet that tells the rest. */
export function SyncBadge({ RecordName, ConflictsLink, InboxLink }: SyncBadgeProps): ReactNode {
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
        <span className="hf-badge-text">
          {short.split(' · ').map((part, index) => (
            <Fragment key={part}>
              {index > 0 && ' · '}
              <span className="hf-badge-part">{part}</span>
            </Fragment>
          ))}
        </span>
      </button>
      <SyncSheet dialog={sheet} RecordName={RecordName} ConflictsLink={ConflictsLink} InboxLink={InboxLink} />
      <SyncAnnouncer />
    </>
  )
}
