/** Values of fields on their way into SQLite and out of it. */
import { type Collection, canonicalJson, type Field, type Json, quoted, sharedFields } from '@holdfast/core'

/** What a column holds, as a member of the JSON text from which rows are inserted. */
export function toColumn(field: Field, value: Json | undefined): Json {
  if (value === undefined || value === null) return null
  return isJsonText(field) ? canonicalJson(value) : value
}

/** A column's value as the engine knows it. */
export function fromColumn(field: Field, value: unknown): Json {
  if (value === null || value === undefined) return null
  switch (field.rule.kind) {
    case 'boolean':
      return value === 1
    case 'json':
    case 'set':
      return parsedOrText(String(value))
    case 'integer':
    case 'real':
    case 'instant':
    case 'counter':
      return Number(value)
    case 'text':
    case 'enum':
    case 'ref':
    case 'shared':
      return String(value)
  }
}

/** What another program wrote that is no JSON is taken as the text that it is. */
function parsedOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

function isJsonText({ rule }: Field): boolean {
  return rule.kind === 'json' || rule.kind === 'set'
}

/** SQL for the members of a row's JSON array in a page, of the table aliased as `r` and its sidecar as `s`. */
export function pageColumns(collection: Collection): readonly string[] {
  const fields = Object.entries(collection.fields).map(([name, field]) => {
    const column = `r.${quoted(name)}`
    switch (field.rule.kind) {
      case 'boolean':
        return `json(case ${column} when 1 then 'true' when 0 then 'false' end)`
      case 'json':
      case 'set':
        // One value of another program that is no JSON would fail the page, and so keep everybody from everything.
        return `json(case when json_valid(${column}) then ${column} else json_quote(${column}) end)`
      default:
        return column
    }
  })
  return [...fields, ...sharedFields(collection).map((name) => `s.states ->> '${name}'`)]
}
