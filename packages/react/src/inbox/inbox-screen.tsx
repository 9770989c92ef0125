import type { InboxItem } from '@holdfast/client'
import type { ReactNode } from 'react'
import { useSyncConnection } from '../sync/sync-context.ts'
import type { RecordNameProps } from '../sync/sync-sheet.tsx'
import { useInbox, useSyncStatus } from '../sync/use-sync.ts'
import type { RecordWords } from '../words/record-words.ts'
import { inboxTexts } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'
import { InboxGroups } from './inbox-groups.tsx'

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
  if (useSyncStatus() === null) return <p className="hf-dim">{inboxTexts.loading}</p>
  return (
    <InboxGroups
      speech={speech}
      groups={groups}
      nameOf={({ collection, record, fields }) =>
        RecordName === undefined ? null : <RecordName collection={collection} record={record} fields={fields} />
      }
      fixOf={(item) => (onFix !== undefined && canFix?.(item) === true ? onFix : null)}
      onRetry={async ({ id }) => {
        await (await door).inbox.retry(id)
      }}
      onDiscard={async ({ id }) => (await door).inbox.discard(id)}
      onExport={async () => (await door).inbox.export()}
    />
  )
}
