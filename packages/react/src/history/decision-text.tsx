import type { DecisionItem } from '@holdfast/client'
import { isObject, type Json } from '@holdfast/core'
import type { ReactNode } from 'react'
import type { Speech } from '../words/record-words.ts'
import { Moment, mergeTexts, rulesText, Whose } from '../words/sentences.tsx'

interface DecisionTextProps {
  readonly speech: Speech
  readonly decision: DecisionItem
}

/** "Amal’s Visit of 10:42 was kept over Mona’s Won of 10:40: it was written later." In the past: it stays true whatever comes after. */
export function DecisionText({ speech, decision }: DecisionTextProps): ReactNode {
  const { winner, localBy, remoteBy, local, remote, result } = decision
  const value = (side: Json) => <ShortValue speech={speech} decision={decision} value={side} />
  const rule = rulesText(decision, speech)
  if (winner === 'merged') {
    return (
      <>
        <Whose by={localBy} speech={speech} atStart /> {value(local)} of <Moment by={localBy} /> and{' '}
        <Whose by={remoteBy} speech={speech} /> {value(remote)} of <Moment by={remoteBy} /> became {value(result)}:{' '}
        {rule}.
      </>
    )
  }
  const [up, upBy, down, downBy] =
    winner === 'local' ? [local, localBy, remote, remoteBy] : [remote, remoteBy, local, localBy]
  return (
    <>
      <Whose by={upBy} speech={speech} atStart /> {value(up)} of <Moment by={upBy} /> was kept over{' '}
      <Whose by={downBy} speech={speech} /> {value(down)} of <Moment by={downBy} />: {rule}.
    </>
  )
}

/** So much of a text stands in a sentence; the whole is shown on demand. */
const shortLengthMax = 60

/** A value within a sentence. Of a record as a whole: that it was deleted, or changed. */
export function ShortValue({ speech, decision, value }: DecisionTextProps & { readonly value: Json }): ReactNode {
  const { collection, field } = decision
  if (field === '') return value === null ? 'deletion' : 'change'
  const text = speech.value(collection, field, value)
  if (text === '') return <em>{mergeTexts.empty.toLowerCase()}</em>
  return (
    <em>
      <bdi>{shortened(text)}</bdi>
    </em>
  )
}

export function isShortened(speech: Speech, { collection, field }: DecisionItem, value: Json): boolean {
  if (field === '') return isObject(value)
  return speech.value(collection, field, value).length > shortLengthMax
}

function shortened(text: string): string {
  return text.length > shortLengthMax ? `${text.slice(0, shortLengthMax).trimEnd()}…` : text
}
