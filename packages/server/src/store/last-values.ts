/** The last values of a deleted record, as a restore takes them: a field that the schema has got since has its default, as in live rows. */
import type { Collection, Json, RecordValues } from '@holdfast/core'

export function lastValues(collection: Collection, stored: RecordValues): RecordValues {
  const fields: Record<string, Json> = { ...stored.fields }
  for (const [name, { default: given }] of Object.entries(collection.fields)) {
    if (!Object.hasOwn(fields, name)) fields[name] = given ?? null
  }
  return { ...stored, fields }
}
