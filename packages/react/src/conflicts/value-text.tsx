import type { Json } from '@holdfast/core'
import type { ReactNode } from 'react'
import { changedParts } from '../words/changed-part.ts'
import type { Speech } from '../words/record-words.ts'
import { mergeTexts } from '../words/sentences.tsx'

interface ValueTextProps {
  readonly speech: Speech
  readonly collection: string
  readonly field: string
  readonly value: Json
  /** Marks what of a text of several words differs from this one. */
  readonly base?: Json
}

/** A value as people read it. */
export function ValueText({ speech, collection, field, value, base }: ValueTextProps): ReactNode {
  const text = speech.value(collection, field, value)
  if (text === '') return <span className="hf-value-text hf-dim">{mergeTexts.empty}</span>
  const was = base === undefined ? '' : speech.value(collection, field, base)
  const marked = <Marked text={text} was={was} />
  // A paragraph runs as its own language does; a short value only reads so, and stands where the lines of the page begin.
  const isParagraph = text.length > lineLengthMax
  return (
    <span className="hf-value-text" dir={isParagraph ? 'auto' : undefined}>
      {isParagraph ? marked : <bdi>{marked}</bdi>}
    </span>
  )
}

const lineLengthMax = 60

function Marked({ text, was }: { readonly text: string; readonly was: string }): ReactNode {
  // Of one word nothing is marked: the whole of it is the change.
  if (!was.includes(' ') || !text.includes(' ')) return text
  return changedParts(was, text).map((part, index) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text have no other name.
    part.isChanged ? <mark key={index}>{part.text}</mark> : part.text,
  )
}
