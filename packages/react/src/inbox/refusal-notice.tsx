import type { RecordId } from '@holdfast/core'
import type { ReactNode } from 'react'
import type { SheetLinkProps } from '../sync/sync-sheet.tsx'
import { useInbox } from '../sync/use-sync.ts'
import type { RecordWords } from '../words/record-words.ts'
import { inboxTexts, notTakenText, reasonText } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'

export interface RefusalNoticeProps {
  readonly collection: string
  readonly record: RecordId
  readonly words?: RecordWords
  /** A link to the app's screen with the inbox, in its router. */
  readonly InboxLink: (props: SheetLinkProps) => ReactNode
}

/** For the screen of a record: says that changes of it were not taken, why, and where they wait. Shows nothing otherwise. */
export function RefusalNotice({ collection, record, words = noWords, InboxLink }: RefusalNoticeProps): ReactNode {
  const speech = useSpeech(words)
  const groups = useInbox().filter(({ items }) =>
    items.some((item) => item.collection === collection && item.record === record),
  )
  const [first] = groups
  if (first === undefined) return null
  return (
    <div className="hf-panel hf-notice-row">
      <div>
        <p>
          <strong>{notTakenText(speech, collection, groups.length)}</strong>
        </p>
        {[...new Set(groups.map((group) => reasonText(speech, group)))].map((reason) => (
          <p key={reason}>{reason}</p>
        ))}
      </div>
      <InboxLink className="hf-button">{inboxTexts.see}</InboxLink>
    </div>
  )
}
