/** Rows of the engine's own collections, as the device holds them: conflicts and decisions. Only the server writes them. */
import { type JsonObject, quoted, type RecordId, systemCollections } from '@holdfast/core'
import type { SqliteDriver, SqliteValue } from '../ports/sqlite-driver.ts'
import { parseRowText } from './column-values.ts'

export interface SystemRow {
  readonly id: RecordId
  /** When the server made it, by its clock. */
  readonly createdAt: number
  readonly fields: JsonObject
}

export type SystemCollection = keyof typeof systemCollections

/** @param rest of the statement, after `from … as c`: a condition and an order. */
export function readSystemRows(
  driver: SqliteDriver,
  name: SystemCollection,
  rest: string,
  parameters: readonly SqliteValue[],
): readonly SystemRow[] {
  const collection = systemCollections[name]
  const columns = ['createdAt', 'updatedAt', ...Object.keys(collection.fields)]
  const row = columns.map((column) => `'${column}', c.${quoted(column)}`).join(', ')
  return driver
    .all(`select c.id, json_object(${row}) from ${quoted(name)} as c ${rest}`, parameters)
    .map(([id, text]) => {
      const { createdAt, fields } = parseRowText(collection, String(text))
      return { id: String(id), createdAt, fields }
    })
}
