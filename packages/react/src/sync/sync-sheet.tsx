import type { InboxItem, SyncStatus, WaitingItem } from '@holdfast/client'
import type { JsonObject, RecordId } from '@holdfast/core'
import { type ReactNode, type RefObject, useEffect, useId, useState } from 'react'
import { ChangeItem } from './change-item.tsx'
import { DataNotice } from './data-notice.tsx'
import { RelativeTime } from './relative-time.tsx'
import { StorageNotice } from './storage-notice.tsx'
import { useSyncConnection } from './sync-context.ts'
import { SyncIcon } from './sync-icon.tsx'
import { countOf, decisionsText, syncWords } from './sync-words.ts'
import { useInbox, useSyncStatus } from './use-sync.ts'

export interface RecordNameProps {
  readonly collection: string
  readonly record: RecordId
  /** What is known of the record from a change that the server refused: it may be on no list of the device. */
  readonly fields?: JsonObject
}

export interface SheetLinkProps {
  readonly className: string
  readonly children: ReactNode
}

interface SheetParts {
  readonly RecordName: ((props: RecordNameProps) => ReactNode) | undefined
  readonly ConflictsLink: ((props: SheetLinkProps) => ReactNode) | undefined
  readonly InboxLink: ((props: SheetLinkProps) => ReactNode) | undefined
}

interface SyncSheetProps extends SheetParts {
  readonly dialog: RefObject<HTMLDialogElement | null>
}

/** A native modal dialog: it keeps the focus inside, closes with Escape and gives the focus back by itself. */
export function SyncSheet({ dialog, ...parts }: SyncSheetProps): ReactNode {
  const [open, setOpen] = useState(false)
  const title = useId()
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the click on the backdrop is a convenience; Escape and Close do the same.
    <dialog
      ref={dialog}
      className="hf-sheet"
      aria-labelledby={title}
      onToggle={(event) => setOpen(event.newState === 'open')}
      onClick={(event) => {
        const { target, currentTarget } = event
        const leaves = target instanceof Element && target.closest('a') !== null
        if (target === currentTarget || leaves) currentTarget.close()
      }}
    >
      <div className="hf-sheet-body">
        <div className="hf-sheet-head">
          <h2 id={title}>Sync</h2>
          <button type="button" className="hf-button hf-quiet" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </div>
        {open && <SheetContent {...parts} />}
      </div>
    </dialog>
  )
}

function SheetContent({ RecordName, ConflictsLink, InboxLink }: SheetParts): ReactNode {
  const status = useSyncStatus()
  const refused = useInbox()
  const waiting = useWaiting(status)
  const { tone, short, sentence } = syncWords(status)
  return (
    <>
      <div className={`hf-state hf-tone-${tone}`}>
        <SyncIcon tone={tone} />
        <div>
          <p className="hf-state-word">{short}</p>
          <p>{sentence}</p>
          <p className="hf-dim">
            {status === null || status.lastSyncedAt === null ? (
              'Not synced yet'
            ) : (
              <>
                Last synced <RelativeTime atMs={status.lastSyncedAt} />
              </>
            )}
          </p>
        </div>
      </div>
      {status !== null && <Progress status={status} />}
      <DataNotice />
      <StorageNotice />
      <SyncNow status={status} />
      {status !== null && status.conflicts > 0 && ConflictsLink !== undefined && (
        <ConflictsLink className="hf-button">{decisionsText(status.conflicts)}</ConflictsLink>
      )}
      <Changes title="Refused" items={refused} RecordName={RecordName} isShort={InboxLink !== undefined} />
      {refused.length > 0 && InboxLink !== undefined && (
        <InboxLink className="hf-button">See what can be done</InboxLink>
      )}
      <Changes title="Waiting" items={waiting} RecordName={RecordName} total={status?.pending} />
    </>
  )
}

function Progress({ status }: { readonly status: SyncStatus }): ReactNode {
  const { progress } = status
  if (progress === null) return null
  const bounds = progress.total === null ? {} : { value: progress.rows, max: progress.total }
  return (
    <div className="hf-progress">
      <progress {...bounds} aria-label="First sync" />
      <p className="hf-dim">You can work meanwhile.</p>
    </div>
  )
}

/** What waits is asked for when the sheet is open and the count has moved; it is not watched, as nobody else shows it. */
function useWaiting(status: SyncStatus | null): readonly WaitingItem[] {
  const { sync } = useSyncConnection()
  const [items, setItems] = useState<readonly WaitingItem[]>([])
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new status may come with another list.
  useEffect(() => {
    let gone = false
    sync
      .then((control) => control.waiting())
      .then(
        (next) => {
          if (!gone) setItems(next.filter((item) => item.state !== 'acknowledged'))
        },
        () => {}, // The client failed to open, or was closed under the sheet: the state above says so.
      )
    return () => {
      gone = true
    }
  }, [sync, status])
  return items
}

function SyncNow({ status }: { readonly status: SyncStatus | null }): ReactNode {
  const { sync } = useSyncConnection()
  const [run, setRun] = useState<{ readonly of: number } | null>(null)
  const [result, setResult] = useState('')
  const pending = status?.pending ?? 0

  async function syncNow(): Promise<void> {
    setRun({ of: pending })
    setResult('')
    try {
      const control = await sync
      await control.now()
      setResult(resultText(control.status))
    } catch (error) {
      setResult(error instanceof Error ? error.message : 'Sync failed.')
    } finally {
      setRun(null)
    }
  }

  return (
    <div className="hf-now">
      {/* Not disabled while it runs: that would throw the focus away. */}
      <button
        type="button"
        className="hf-button hf-primary"
        aria-disabled={run !== null}
        onClick={() => {
          if (run === null) void syncNow()
        }}
      >
        {run === null ? 'Sync now' : `Syncing${run.of > 0 ? ` ${Math.max(0, run.of - pending)} of ${run.of}` : ''}`}
      </button>
      <p role="status" className="hf-dim">
        {result}
      </p>
    </div>
  )
}

function resultText(status: SyncStatus): string {
  if (status.pending === 0 && status.kind === 'idle') return 'All changes synced.'
  if (status.kind === 'offline') return 'No connection. What waits is safe on this device.'
  return status.lastError === null ? '' : status.lastError.problem
}

interface ChangesProps {
  readonly title: 'Waiting' | 'Refused'
  readonly items: readonly (WaitingItem | InboxItem)[]
  /** How many there are, where the list holds only the first. */
  readonly total?: number | undefined
  /** What was written, and what can be done, is told elsewhere. */
  readonly isShort?: boolean
  readonly RecordName: ((props: RecordNameProps) => ReactNode) | undefined
}

function Changes({ title, items, total = items.length, isShort = false, RecordName }: ChangesProps): ReactNode {
  if (items.length === 0) return null
  return (
    <section>
      <h3>
        {title} <span className="hf-count">{Math.max(total, items.length)}</span>
      </h3>
      <ul aria-label={title} className="hf-changes">
        {items.map((item) => (
          <ChangeItem key={item.id} item={item} isShort={isShort} RecordName={RecordName} />
        ))}
      </ul>
      {total > items.length && <p className="hf-dim">And {countOf(total - items.length, 'change')} more.</p>}
    </section>
  )
}
