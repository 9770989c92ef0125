import type { InboxItem } from '@holdfast/client'
import type { RecordWords } from '../words/record-words.ts'
import { reasonText } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'

/** Why something was refused, in the words of the inbox: for the form in which it is mended. */
export function useRefusalReason(words: RecordWords = noWords): (item: InboxItem) => string {
  const speech = useSpeech(words)
  return (item) => reasonText(speech, item)
}
