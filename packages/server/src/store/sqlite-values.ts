/** Values of fields on their way into SQLite and out of it. */
import { type Collection, canonicalJson, type Field, type FieldStamp, type Json, quoted } from '@holdfast/core'

/** What a column holds, as a member of the JSON text from which rows are inserted. */
export function toColumn(field: Field, value: Json | undefined): Json {
  if (value === undefined || value === null) return null
  return field.rule.kind === 'json' ? canonicalJson(value) : value
}

/** A column's value as the engine knows it. */
export function fromColumn(field: Field, value: unknown): Json {
  if (value === null || value === undefined) return null
  switch (field.rule.kind) {
    case 'boolean':
      return value === 1
    case 'json':
      return JSON.parse(String(value)) as Json
    case 'integer':
    case 'real':
    case 'instant':
    case 'counter':
      return Number(value)
    case 'text':
    case 'enum':
    case 'ref':
      return String(value)
  }
}

/** SQL for the members of a row's JSON array in a page, of the table aliased as `r`. */
export function pageColumns(collection: Collection): readonly string[] {
  return Object.entries(collection.fields).map(([name, field]) => {
    const column = `r.${quoted(name)}`
    switch (field.rule.kind) {
      case 'boolean':
        return `json(case ${column} when 1 then 'true' when 0 then 'false' end)`
      case 'json':
        return `json(${column})`
      default:
        return column
    }
  })
}

/** Stamps as arrays, the device named once: a third of the bytes of objects, in a column that every record has. */
export function stampsText(stamps: { readonly [field: string]: FieldStamp }): string {
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(stamps).map(([name, { version, device, user, stamp }]) => {
        const end = `.${device}`
        return [
          name,
          stamp.endsWith(end)
            ? [version, device, user, stamp.slice(0, -end.length)]
            : [version, device, user, stamp, whole],
        ]
      }),
    ),
  )
}

export function parseStamps(text: string): { readonly [field: string]: FieldStamp } {
  const stored = JSON.parse(text) as { readonly [field: string]: readonly [number, string, string, string, 1?] }
  return Object.fromEntries(
    Object.entries(stored).map(([name, [version, device, user, stamp, mark]]) => [
      name,
      { version, device, user, stamp: mark === whole ? stamp : `${stamp}.${device}` },
    ]),
  )
}

/** Marks a stamp that does not end with its device and is stored as it is. */
const whole = 1
