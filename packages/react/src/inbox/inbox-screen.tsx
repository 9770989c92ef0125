import type { InboxItem } from '@holdfast/client'
import { EngineError } from '@holdfast/core'
import type { ReactNode } from 'react'
import { useSyncConnection } from '../sync/sync-context.ts'
import type { RecordNameProps } from '../sync/sync-sheet.tsx'
import { useDiscarded, useInbox, useSyncStatus } from '../sync/use-sync.ts'
import { useShownRecord } from '../use-records.ts'
import type { RecordWords } from '../words/record-words.ts'
import { inboxTexts } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'
import { DiscardedGroups } from './discarded-groups.tsx'
import type { NamedRecord } from './inbox-card.tsx'
import { InboxGroups, type WithRecordProps } from './inbox-groups.tsx'

export interface InboxScreenProps {
  readonly words?: RecordWords
  /** Shows a record by its name. */
  readonly RecordName?: (props: RecordNameProps) => ReactNode
  /** Whether the app has a form in which this can be mended. Left out, it has none, and Fix is not offered. */
  readonly canFix?: (item: InboxItem) => boolean
  /** Opens that form, at `item.field` where there is one; the form then calls `client.inbox.fix`. */
  readonly onFix?: (item: InboxItem) => void
}

/** What the server refused, until a person has decided. */
export function InboxScreen({ words = noWords, RecordName, canFix, onFix }: InboxScreenProps): ReactNode {
  const speech = useSpeech(words)
  const { door } = useSyncConnection()
  const groups = useInbox()
  const discarded = useDiscarded()
  const status = useSyncStatus()
  if (status === null) return <p className="hf-dim">{inboxTexts.loading}</p>
  const nameOf: (record: NamedRecord) => ReactNode = ({ collection, record, fields, was }) =>
    // What the record was called before says more than what it was to be called.
    RecordName === undefined ? null : (
      <RecordName collection={collection} record={record} fields={{ ...fields, ...was }} />
    )
  return (
    <>
      <InboxGroups
        speech={speech}
        groups={groups}
        nameOf={nameOf}
        WithRecord={WithRecord}
        pending={status.pending}
        fixOf={(item) => (onFix !== undefined && canFix?.(item) === true ? onFix : null)}
        onRetry={async ({ id }) => {
          await (await door).inbox.retry(id)
        }}
        onBringBack={async ({ collection, record }) => {
          const write = (await door).restore(collection, record)
          if (write === undefined)
            throw new EngineError('UNKNOWN_COLLECTION', `There is no collection "${collection}".`)
          await write
        }}
        onSendNow={async ({ id, fields }) => {
          await (await door).inbox.fix(id, fields)
        }}
        onDiscard={async ({ id }) => (await door).inbox.discard(id)}
        onExport={async () => (await door).inbox.export()}
      />
      <DiscardedGroups
        speech={speech}
        groups={discarded}
        nameOf={nameOf}
        onTakeBack={async ({ id }) => (await door).inbox.takeBack(id)}
      />
    </>
  )
}

function WithRecord({ item, children }: WithRecordProps): ReactNode {
  return children(useShownRecord(item.collection, item.record))
}
