import type { RecordId } from '@holdfast/core'
import type { ReactNode } from 'react'
import { useOpenConflicts } from '../use-records.ts'
import type { RecordWords } from '../words/record-words.ts'
import { mergeTexts, toDecideText } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'
import type { ConflictListProps } from './conflict-list.tsx'

export interface ConflictNoticeProps {
  readonly collection: string
  readonly record: RecordId
  readonly words?: RecordWords
  readonly MergeLink: ConflictListProps['MergeLink']
}

/** For the screen of a record: says that something is to be decided about it. Shows nothing otherwise. */
export function ConflictNotice({ collection, record, words = noWords, MergeLink }: ConflictNoticeProps): ReactNode {
  const speech = useSpeech(words)
  const open = useOpenConflicts()
  const items = open?.filter((item) => item.collection === collection && item.record === record) ?? []
  if (items.length === 0) return null
  return (
    <div className="hf-panel hf-notice-row">
      <p>{toDecideText(speech, collection, [...new Set(items.map(({ field }) => field))])}</p>
      <MergeLink collection={collection} record={record} className="hf-button">
        {mergeTexts.decide}
      </MergeLink>
    </div>
  )
}
