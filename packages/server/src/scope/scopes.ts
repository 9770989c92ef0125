/**
 * Which scopes there are: those that a record lies in, and those that a user's devices hold. Read and write rights both start
 * here and nowhere else.
 */
import {
  type Collection,
  EngineError,
  type Json,
  ownScopes,
  type RecordValues,
  type Schema,
  UsageError,
} from '@holdfast/core'
import type { Scope } from '../ports/server-store.ts'

/** What `scopes(user)` answers: everything, or per scope name the values that the user holds. */
export type GrantedScopes = 'all' | { readonly [name: string]: readonly string[] }

/** The scope that every record lies in. */
export const scopeAll: Scope = 'all'

/** Every scope that a record with these values lies in, of a collection that names its scopes itself. Others: see locator.ts. */
export function scopesOfValues(collection: Collection, values: RecordValues): readonly Scope[] {
  const scopes = [scopeAll]
  for (const [name, field] of Object.entries(ownScopes(collection))) {
    const value = scopeValue(values.fields[field])
    if (value !== null) scopes.push(scopeOf(name, value))
  }
  return scopes
}

/** Scopes of one user: what the cursor of a device can hold (core's `cursorLengthMax`), whatever their positions. */
export const scopesMax = 2_000

/**
 * The scopes of a user's devices, each once, in one order for all devices of the user. ACCOUNT_FORBIDDEN when there are too many:
 * the device keeps what waits and pauses, and the cause is a UsageError for the log of the server.
 */
export function scopesOfUser(schema: Schema, granted: GrantedScopes): readonly Scope[] {
  if (granted === 'all') return [scopeAll]
  const declared = new Set(
    Object.values(schema.collections).flatMap((collection) => Object.keys(ownScopes(collection))),
  )
  const scopes = new Set<Scope>()
  for (const [name, values] of Object.entries(granted)) {
    if (!declared.has(name)) {
      throw new UsageError(
        `scopes() answers the scope "${name}", which no collection declares; there are: ${[...declared].join(', ')}.`,
      )
    }
    for (const value of values) scopes.add(scopeOf(name, value))
  }
  if (scopes.size > scopesMax) throw tooMany(scopes.size)
  return [...scopes].sort()
}

function tooMany(count: number): EngineError {
  const problem = `The account holds ${count} scopes; a device syncs at most ${scopesMax}.`
  const cause = new UsageError(
    `scopes() answers ${count} values, at most ${scopesMax} are possible. Answer "all", or give the collection a field with a wider scope, such as a team.`,
  )
  return new EngineError('ACCOUNT_FORBIDDEN', problem, { cause })
}

/** Whether what lies in these scopes lies in one of the user's. */
export function isWithin(own: ReadonlySet<Scope>, scopes: readonly Scope[]): boolean {
  return scopes.some((scope) => own.has(scope))
}

export function scopeOf(name: string, value: string): Scope {
  return `${name}:${value}`
}

function scopeValue(value: Json | undefined): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null
}
