import type { RecordId } from '@holdfast/core'
import type { ReactNode } from 'react'
import { lateWrite } from '../late-write.ts'
import { useSyncConnection } from '../sync/sync-context.ts'
import { useDecisions, useShownRecord } from '../use-records.ts'
import type { RecordWords } from '../words/record-words.ts'
import { historyTexts } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'
import { DecisionList } from './decision-list.tsx'

export interface RecordHistoryProps {
  readonly collection: string
  readonly record: RecordId
  readonly words?: RecordWords
}

/** The decisions about one record, newest first; what did not stand can be put back. */
export function RecordHistory({ collection, record, words = noWords }: RecordHistoryProps): ReactNode {
  const speech = useSpeech(words)
  const { door } = useSyncConnection()
  const decisions = useDecisions(collection, record)
  const shown = useShownRecord(collection, record)
  if (decisions === null) return <p className="hf-dim">{historyTexts.loading}</p>
  return (
    <DecisionList
      speech={speech}
      decisions={decisions}
      shown={shown}
      onRestore={({ id }, side) => lateWrite(door.then(({ history }) => ({ write: history.restore(id, side) })))}
    />
  )
}
