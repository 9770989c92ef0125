/** A value of a field as the text of a form control, and back. */
import { brokenRule, canonical, type Field, type Json } from '@holdfast/core'

export type TypedValue =
  | { readonly kind: 'value'; readonly value: Json }
  /** Completes "must be …". */
  | { readonly kind: 'wrong'; readonly rule: string }

export function parseTyped(field: Field, text: string): TypedValue {
  const value = read(field, text)
  const rule = value === undefined ? (unreadable[field.rule.kind] ?? 'something else') : brokenRule(field, value)
  return rule === null ? { kind: 'value', value: canonical(field, value ?? null) } : { kind: 'wrong', rule }
}

/** What the control of a field shows for a value. */
export function textToType({ rule }: Field, value: Json): string {
  if (value === null) return ''
  if (rule.kind === 'instant' && typeof value === 'number') return localMinutes(value)
  if (rule.kind === 'json') return JSON.stringify(value, null, 2)
  return String(value)
}

/** undefined: not to be read as a value of this kind. */
function read({ rule, optional }: Field, text: string): Json | undefined {
  const isEmpty = text.trim() === ''
  switch (rule.kind) {
    case 'integer':
    case 'real':
      if (isEmpty) return optional ? null : undefined
      return Number.isFinite(Number(text)) ? Number(text) : undefined
    case 'boolean':
      if (text === '' && optional) return null
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'instant': {
      if (isEmpty) return optional ? null : undefined
      const at = new Date(text).getTime()
      return Number.isNaN(at) ? undefined : at
    }
    case 'json':
      try {
        return JSON.parse(text) as Json
      } catch {
        return undefined
      }
    case 'enum':
    case 'ref':
      return text === '' && optional ? null : text
    default:
      return text
  }
}

const unreadable: { readonly [kind: string]: string } = {
  integer: 'a whole number',
  real: 'a number',
  boolean: 'chosen',
  instant: 'a date and a time',
  json: 'JSON',
}

/** In the form of `<input type="datetime-local">`, which knows no time zone: the device's own. */
function localMinutes(atMs: number): string {
  const at = new Date(atMs)
  return new Date(atMs - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
