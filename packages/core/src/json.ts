import { EngineError } from './errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export const jsonDepthMax = 32

const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

/** Whether two JSON values are the same, key order aside. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  return canonicalJson(a) === canonicalJson(b)
}

/**
 * The one text of a JSON value: keys sorted by code unit, no spaces. Equal values have equal texts on every device and
 * every store, so that equal replicas hash alike (`-0` is written as `0`, as JSON.stringify does).
 */
export function canonicalJson(value: Json): string {
  return JSON.stringify(sorted(value))
}

function sorted(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (isArray(value)) return value.map(sorted)
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] ?? null)]),
  )
}

/** `Array.isArray` that narrows a read-only array too. */
export function isArray(value: unknown): value is readonly Json[] {
  return Array.isArray(value)
}

export function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Checks a value that was parsed by `JSON.parse` or given by an app: finite numbers, depth at most 32, no NUL and no lone
 * surrogate (Postgres refuses both), no key that could reach a prototype.
 */
export function checkJson(value: unknown, depth = 0): value is Json {
  if (depth > jsonDepthMax) return false
  switch (typeof value) {
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'string':
      return isStorableText(value)
    case 'object':
      if (value === null) return true
      if (Array.isArray(value)) return value.every((item) => checkJson(item, depth + 1))
      return Object.entries(value).every(
        ([key, item]) => !forbiddenKeys.has(key) && isStorableText(key) && checkJson(item, depth + 1),
      )
    default:
      return false
  }
}

/** Text that every store can hold: well-formed Unicode without NUL. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000')
}

/** Parses JSON text of unknown origin; MALFORMED when it is not JSON (HTML with status 200, half a body). */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new EngineError('MALFORMED', `${what} is not JSON.`, { cause })
  }
}
