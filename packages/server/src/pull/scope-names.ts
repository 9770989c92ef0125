/**
 * The names of scopes in cursors: a keyed hash of each. Kept for the process, since to find the scope of a name all of them have to be
 * hashed, which takes longer than everything else in the round of a device that has lost one.
 */
import { createHmac } from 'node:crypto'
import type { Scope } from '../ports/server-store.ts'

export interface ScopeNames {
  nameOf(scope: Scope): string
  /** Null: not one of those that were named since the process started. */
  scopeOf(name: string): Scope | null
}

/** Characters of a name: 48 bits. */
export const scopeNameLength = 8

/** Of one server's secret. */
export function scopeNames(secret: string): ScopeNames {
  const names = known.get(secret) ?? createScopeNames(secret)
  known.set(secret, names)
  for (const oldest of known.keys()) if (known.size > secretsMax) known.delete(oldest)
  return names
}

const known = new Map<string, ScopeNames>()
/** A process has one; tests have many. */
const secretsMax = 4
/** About 20 MB. */
const namesMax = 100_000

export function createScopeNames(secret: string, max = namesMax): ScopeNames {
  const names = new Map<Scope, string>()
  const scopes = new Map<string, Scope>()
  return {
    nameOf: (scope) => {
      const named = names.get(scope)
      if (named !== undefined) return named
      if (names.size >= max) {
        names.clear()
        scopes.clear()
      }
      const name = createHmac('sha256', secret).update(`scope ${scope}`).digest('base64url').slice(0, scopeNameLength)
      names.set(scope, name)
      scopes.set(name, scope)
      return name
    },
    scopeOf: (name) => scopes.get(name) ?? null,
  }
}
