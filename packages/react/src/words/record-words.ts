/** How an app's data is called by people: names of fields, values, persons. */
import { type Field, type Json, type Schema, sameJson } from '@holdfast/core'

/** What is left out is told by the names of the schema. */
export interface RecordWords {
  readonly collections?: { readonly [collection: string]: CollectionWords | undefined }
  /** A user by name. */
  readonly person?: (user: string) => string
}

export interface CollectionWords {
  /** One record, in the middle of a sentence: "lead". */
  readonly one?: string
  readonly fields?: { readonly [field: string]: FieldWords | undefined }
}

export interface FieldWords {
  readonly name?: string
  /** A value as people read it; '' counts as empty. */
  readonly value?: (value: Json) => string
}

/** The words of an app, complete, as one of its users reads them. */
export interface Speech {
  /** Who reads. */
  readonly user: string
  one(collection: string): string
  field(collection: string, field: string): string
  /** '' where there is nothing to show. */
  value(collection: string, field: string, value: Json): string
  person(user: string): string
  /** The collection whose records a field names; null: it names none. */
  target(collection: string, field: string): string | null
  /** Whether a new record has this value where nobody gave one. */
  isDefault(collection: string, field: string, value: Json): boolean
}

export function createSpeech(schema: Schema, words: RecordWords, user: string): Speech {
  return {
    user,
    one: (collection) => words.collections?.[collection]?.one ?? 'record',
    field: (collection, field) => words.collections?.[collection]?.fields?.[field]?.name ?? spelledOut(field),
    value: (collection, field, value) => {
      if (value === null || value === '') return ''
      const own = words.collections?.[collection]?.fields?.[field]?.value
      return own === undefined ? plain(schema.collections[collection]?.fields[field], value) : own(value)
    },
    person: (id) => words.person?.(id) ?? id,
    target: (collection, field) => {
      const rule = schema.collections[collection]?.fields[field]?.rule
      return rule?.kind === 'ref' ? rule.collection : null
    },
    isDefault: (collection, field, value) =>
      sameJson(schema.collections[collection]?.fields[field]?.default ?? null, value),
  }
}

function plain(field: Field | undefined, value: Json): string {
  if (typeof value === 'boolean') return value ? 'Yes' : 'No'
  if (typeof value === 'number') return field?.rule.kind === 'instant' ? momentText(value) : numbers.format(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `dueAt` → "Due at". */
function spelledOut(name: string): string {
  const words = name.replace(/(?<=[a-z\d])(?=[A-Z])/g, ' ').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** The time where it was today, with the date where it was before; the number itself where no calendar reaches. */
export function momentText(atMs: number, nowMs = Date.now()): string {
  if (!isMoment(atMs)) return String(atMs)
  const isToday = new Date(atMs).toDateString() === new Date(nowMs).toDateString()
  return (isToday ? time : dateTime).format(atMs)
}

/** Whether a `Date` can be made of it: a value of another device may be any number. */
export function isMoment(atMs: number): boolean {
  return !Number.isNaN(new Date(atMs).getTime())
}

const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 20 })
const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' })
const dateTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
