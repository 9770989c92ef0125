/** Small parsers for what enters from outside; each throws MALFORMED that names the place, never the value. */
import { EngineError } from '../errors.ts'
import { checkJson, isObject, type Json, type JsonObject } from '../json.ts'

type Members = { readonly [key: string]: unknown }

export function malformed(where: string, expected: string): never {
  throw new EngineError('MALFORMED', `${where} must be ${expected}.`)
}

export function parseObject(input: unknown, where: string): Members {
  return isObject(input) ? input : malformed(where, 'an object')
}

export function parseArray(input: unknown, where: string): readonly unknown[] {
  return Array.isArray(input) ? input : malformed(where, 'an array')
}

export function parseText(input: unknown, where: string, lengthMax = 10_000): string {
  return typeof input === 'string' && input.length <= lengthMax && input.isWellFormed()
    ? input
    : malformed(where, `text of at most ${lengthMax} characters`)
}

export function parseWhole(input: unknown, where: string, min = 0): number {
  return Number.isSafeInteger(input) && Number(input) >= min
    ? Number(input)
    : malformed(where, `a whole number from ${min}`)
}

export function parseBoolean(input: unknown, where: string): boolean {
  return typeof input === 'boolean' ? input : malformed(where, 'true or false')
}

/** An object whose members are all storable JSON. */
export function parseJsonObject(input: unknown, where: string): JsonObject {
  return isObject(input) && checkJson(input) ? (input as JsonObject) : malformed(where, 'an object of storable JSON')
}

export function parseJsonValue(input: unknown, where: string): Json {
  return checkJson(input) ? input : malformed(where, 'storable JSON')
}

export function parseOneOf<const V extends readonly string[]>(input: unknown, values: V, where: string): V[number] {
  return values.find((value) => value === input) ?? malformed(where, `one of ${values.join(', ')}`)
}
