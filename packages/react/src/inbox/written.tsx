import type { InboxGroup, InboxItem } from '@holdfast/client'
import { isObject } from '@holdfast/core'
import type { ReactNode } from 'react'
import { ValueText } from '../conflicts/value-text.tsx'
import type { Speech } from '../words/record-words.ts'
import type { NamedRecord } from './inbox-card.tsx'

interface WrittenProps {
  readonly speech: Speech
  readonly item: InboxItem
  readonly group: InboxGroup
  readonly nameOf: (record: NamedRecord) => ReactNode
}

/** What was written, the field at fault first; the record itself may not be here. */
export function Written({ speech, item, group, nameOf }: WrittenProps): ReactNode {
  const isGiven = (field: string): boolean =>
    item.kind !== 'create' || !speech.isDefault(item.collection, field, item.fields[field] ?? null)
  const fields = Object.entries(item.fields)
    .filter(([field]) => field === item.field || isGiven(field))
    .sort(([a], [b]) => Number(b === item.field) - Number(a === item.field))
  if (fields.length === 0) return null
  return (
    <dl className="hf-written">
      {fields.map(([field, value]) => {
        const name = referenceName(speech, { item, group, nameOf }, field)
        // Nobody reads the id of a record.
        if (name === null) return null
        return (
          <div key={field} data-at-fault={field === item.field}>
            <dt>{speech.field(item.collection, field)}</dt>
            <dd>{name ?? <ValueText speech={speech} collection={item.collection} field={field} value={value} />}</dd>
          </div>
        )
      })}
    </dl>
  )
}

/** The record that a field names; undefined: it names none, null: it cannot be said. */
function referenceName(
  speech: Speech,
  { item, group, nameOf }: Omit<WrittenProps, 'speech'>,
  field: string,
): ReactNode | undefined {
  const target = speech.target(item.collection, field)
  const record = item.fields[field]
  if (target === null || typeof record !== 'string') return undefined
  const known = group.items.find((one) => one.collection === target && one.record === record && isObject(one.fields))
  return nameOf({ collection: target, record, fields: known?.fields ?? {}, was: known?.was ?? {} })
}
