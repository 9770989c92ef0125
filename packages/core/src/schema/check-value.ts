import { EngineError } from '../errors.ts'
import { isRecordId } from '../ids.ts'
import { checkJson, isArray, isStorableText, type Json } from '../json.ts'
import { textSet } from '../merge/text-set.ts'
import type { Collection } from './collection.ts'
import { type Field, instantMax, instantMin, textLengthMax } from './field.ts'

/** The rule that a value breaks, in words that complete "must be …"; null when it keeps them all. */
export function brokenRule(field: Field, value: unknown): string | null {
  if (value === null) return field.optional ? null : 'given (it is not optional)'
  const { rule } = field
  switch (rule.kind) {
    case 'text':
      if (typeof value !== 'string' || !isStorableText(value)) return 'text without NUL or broken Unicode'
      if (value.length < rule.min) return rule.min === 1 ? 'filled in' : `at least ${rule.min} characters long`
      return value.length > rule.max ? `at most ${rule.max} characters long` : null
    case 'integer':
    case 'instant':
      if (!Number.isSafeInteger(value)) return 'a whole number within ±(2^53 − 1)'
      return outOfBounds(rule, Number(value))
    case 'real':
      if (typeof value !== 'number' || !Number.isFinite(value)) return 'a finite number'
      return outOfBounds(rule, value)
    case 'boolean':
      return typeof value === 'boolean' ? null : 'true or false'
    case 'enum':
      return typeof value === 'string' && rule.values.includes(value) ? null : `one of ${rule.values.join(', ')}`
    case 'json':
      // One level less than a message may have: the value travels inside of `fields`.
      return checkJson(value, 1) ? null : 'JSON of at most 31 levels'
    case 'ref':
      return isRecordId(value) ? null : `the id of a record of ${rule.collection}`
    case 'counter':
      if (!Number.isSafeInteger(value)) return 'a whole number within ±(2^53 − 1)'
      return rule.grow && Number(value) < 0 ? 'at least 0: this counter only grows' : null
    case 'set':
      return isTexts(value) ? null : 'a list of at most 10,000 texts of 1 to 200 characters'
    case 'shared':
      if (typeof value !== 'string' || !isStorableText(value)) return 'text without NUL or broken Unicode'
      return value.length > textLengthMax ? `at most ${textLengthMax} characters long` : null
  }
}

/** Whether a value is of the field's kind, or null: what a field may have held under another version of the schema, with other bounds. */
export function isOfKind({ rule }: Field, value: Json): boolean {
  if (value === null) return true
  switch (rule.kind) {
    case 'text':
    case 'enum':
    case 'ref':
    case 'shared':
      return typeof value === 'string' && isStorableText(value)
    case 'integer':
    case 'counter':
      return Number.isSafeInteger(value)
    case 'instant':
      return Number.isSafeInteger(value) && Number(value) >= instantMin && Number(value) <= instantMax
    case 'real':
      return typeof value === 'number' && Number.isFinite(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'json':
      return checkJson(value, 1)
    case 'set':
      return isTexts(value)
  }
}

const setTextsMax = 10_000
const setTextLengthMax = 200

function isTexts(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length <= setTextsMax &&
    value.every(
      (text) => typeof text === 'string' && text.length > 0 && text.length <= setTextLengthMax && isStorableText(text),
    )
  )
}

function outOfBounds(rule: { readonly min: number; readonly max: number }, value: number): string | null {
  if (value < rule.min) return `at least ${rule.min}`
  return value > rule.max ? `at most ${rule.max}` : null
}

/** Throws INVALID_VALUE that names collection, field, value and rule. */
export function checkValue(collectionName: string, fieldName: string, field: Field, value: unknown): Json {
  const rule = brokenRule(field, value)
  if (rule === null) return canonical(field, value as Json)
  throw new EngineError('INVALID_VALUE', `${collectionName}.${fieldName} is ${shown(value)}, but must be ${rule}.`, {
    field: fieldName,
  })
}

/** The one form of a value that keeps its field's rule. */
export function canonical({ rule }: Field, value: Json): Json {
  if (rule.kind === 'set' && isArray(value)) return textSet(value.map(String))
  return rule.kind === 'real' && value === 0 ? 0 : value
}

/** The field of that name; UNKNOWN_FIELD names what the collection has. */
export function fieldOf(collectionName: string, collection: Collection, fieldName: string): Field {
  const field = Object.hasOwn(collection.fields, fieldName) ? collection.fields[fieldName] : undefined
  if (field !== undefined) return field
  const known = Object.keys(collection.fields).join(', ')
  throw new EngineError('UNKNOWN_FIELD', `${collectionName} has no field "${fieldName}"; it has ${known}.`, {
    field: fieldName,
  })
}

/** The collection of that name; UNKNOWN_COLLECTION names what the schema has. */
export function collectionOf(
  schema: { readonly collections: { readonly [name: string]: Collection } },
  name: string,
): Collection {
  const collection = Object.hasOwn(schema.collections, name) ? schema.collections[name] : undefined
  if (collection !== undefined) return collection
  throw new EngineError(
    'UNKNOWN_COLLECTION',
    `There is no collection "${name}"; the schema has ${Object.keys(schema.collections).join(', ')}.`,
  )
}

const shownLengthMax = 60

function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value))
  return text.length > shownLengthMax ? `${text.slice(0, shownLengthMax)}…` : text
}
