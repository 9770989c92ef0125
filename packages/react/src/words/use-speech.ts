import { useMemo } from 'react'
import { useSyncConnection } from '../sync/sync-context.ts'
import { createSpeech, type RecordWords, type Speech } from './record-words.ts'

export const noWords: RecordWords = {}

export function useSpeech(words: RecordWords): Speech {
  const { schema, user } = useSyncConnection()
  return useMemo(() => createSpeech(schema, words, user), [schema, words, user])
}
