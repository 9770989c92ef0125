/**
 * Between a record's values and the columns of its row: a boolean is 0 or 1, JSON and sets are their canonical text, all else is itself.
 * What the server sends is not judged here: what a column cannot hold becomes text or null, so that no row stops a page.
 */
import {
  type Collection,
  canonicalJson,
  documentColumn,
  type Field,
  isObject,
  type Json,
  type RecordValues,
  sharedFields,
} from '@holdfast/core'
import type { SqliteValue } from '../ports/sqlite-driver.ts'

/** The column's value of a value that keeps the schema's rules. */
export function toColumn(field: Field, value: Json): SqliteValue {
  return coerce(field, value).value
}

/** The column's value of any value, and whether the column could not hold it as it is. */
export function coerce(field: Field, value: Json): { readonly value: SqliteValue; readonly isBroken: boolean } {
  if (value === null) return { value: null, isBroken: false }
  switch (field.rule.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? { value: value ? 1 : 0, isBroken: false } : { value: null, isBroken: true }
    case 'integer':
    case 'instant':
    case 'counter':
      return Number.isSafeInteger(value) ? { value: Number(value), isBroken: false } : { value: null, isBroken: true }
    case 'real':
      return typeof value === 'number' ? { value, isBroken: false } : { value: null, isBroken: true }
    case 'json':
    case 'set':
      return { value: canonicalJson(value), isBroken: false }
    case 'text':
    case 'enum':
    case 'ref':
    case 'shared':
      return typeof value === 'string' ? { value, isBroken: false } : { value: canonicalJson(value), isBroken: true }
  }
}

export function fromColumn(field: Field, value: SqliteValue): Json {
  if (value === null) return null
  switch (field.rule.kind) {
    case 'boolean':
      return value !== 0
    case 'json':
    case 'set':
      return parseJsonColumn(String(value))
    default:
      return value
  }
}

/** The value of a field that a row does not mention: it came into the schema after the row. A null that is there stays null. */
export function missingValue(field: Field): Json {
  return field.default ?? null
}

/** The column's value of one field of a record. */
export function fieldColumn(values: RecordValues, name: string, field: Field): SqliteValue {
  const value = values.fields[name]
  return toColumn(field, value === undefined ? missingValue(field) : value)
}

/** A row as `_confirmed` holds it: an object of column values by name. */
export function parseRowText(collection: Collection, text: string): RecordValues {
  const row: unknown = JSON.parse(text)
  const columns = isObject(row) ? row : {}
  const fields: Record<string, Json> = {}
  for (const [name, field] of Object.entries(collection.fields)) {
    const value = columns[name]
    fields[name] = isColumnValue(value) ? fromColumn(field, value) : missingValue(field)
  }
  const values = { createdAt: Number(columns.createdAt ?? 0), updatedAt: Number(columns.updatedAt ?? 0), fields }
  const documents: Record<string, string> = {}
  for (const name of sharedFields(collection)) {
    const document = columns[documentColumn(name)]
    if (typeof document === 'string') documents[name] = document
  }
  return Object.keys(documents).length === 0 ? values : { ...values, documents }
}

function isColumnValue(value: unknown): value is SqliteValue {
  return value === null || typeof value === 'number' || typeof value === 'string'
}

// Another writer may have put text into the column that is no JSON: then the value is that text.
function parseJsonColumn(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
