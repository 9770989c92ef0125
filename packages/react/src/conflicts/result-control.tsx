import type { Field } from '@holdfast/core'
import type { ReactNode } from 'react'
import type { Speech } from '../words/record-words.ts'
import { mergeTexts } from '../words/sentences.tsx'

interface ResultControlProps {
  readonly id: string
  readonly speech: Speech
  readonly collection: string
  readonly name: string
  readonly field: Field
  readonly text: string
  readonly onType: (text: string) => void
  readonly describedBy: string | undefined
}

/** Where the result stands, and a third value can be typed: by the kind of the field. */
export function ResultControl(props: ResultControlProps): ReactNode {
  const { id, speech, collection, name, field, text, onType, describedBy } = props
  const shared = {
    id,
    className: 'hf-control',
    value: text,
    'aria-invalid': describedBy !== undefined,
    'aria-describedby': describedBy,
    onChange: (event: { readonly currentTarget: { readonly value: string } }) => onType(event.currentTarget.value),
  }
  const choices = choicesOf(field)
  if (choices !== null) {
    return (
      <select {...shared}>
        <option value="" hidden={!field.optional}>
          {field.optional ? mergeTexts.empty : mergeTexts.choose}
        </option>
        {choices.map((choice) => (
          <option key={String(choice)} value={String(choice)}>
            {speech.value(collection, name, choice)}
          </option>
        ))}
      </select>
    )
  }
  if (isLong(field)) return <textarea {...shared} dir="auto" rows={3} />
  if (field.rule.kind === 'instant') return <input {...shared} type="datetime-local" />
  return <input {...shared} type="text" dir="auto" autoComplete="off" inputMode={inputModes[field.rule.kind]} />
}

/** Nobody types the id of a record. */
export function canBeTyped({ rule }: Field): boolean {
  return rule.kind !== 'ref'
}

function choicesOf({ rule }: Field): readonly (string | boolean)[] | null {
  if (rule.kind === 'enum') return rule.values
  return rule.kind === 'boolean' ? [true, false] : null
}

/** A text of any length, in which two of them have room. */
export function isLongText(field: Field): boolean {
  return field.rule.kind === 'text' && isLong(field)
}

/** A text that may be longer than this is written in lines. */
const lineLengthMax = 400

function isLong({ rule }: Field): boolean {
  return rule.kind === 'json' || (rule.kind === 'text' && rule.max > lineLengthMax)
}

const inputModes: { readonly [kind: string]: 'numeric' | 'decimal' | undefined } = {
  integer: 'numeric',
  real: 'decimal',
}
