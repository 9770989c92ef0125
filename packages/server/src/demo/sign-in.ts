/**
 * Signing in without a password, for a demonstration: who you say you are. Mounted only where the option `demo` is given. The key
 * lies beside the data, so tokens outlive a restart.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { EngineError } from '@holdfast/core'
import { SignJWT } from 'jose'
import { type Authenticate, jwt } from '../http/authenticate.ts'
import type { System } from '../ports/system.ts'
import { nodeSystem } from '../system/node-system.ts'

export interface Person {
  /** The user id. */
  readonly user: string
  readonly name: string
  readonly role: 'agent' | 'manager'
}

export interface SignedIn {
  readonly token: string
  readonly user: string
  readonly name: string
  readonly role: Person['role']
  readonly expiresAtMs: number
}

export interface Demo {
  readonly people: readonly Person[]
  /** Verifies the tokens that `signIn` makes. */
  readonly authenticate: Authenticate
  /** Takes `{ user }` as it came in. */
  signIn(input: unknown): Promise<SignedIn>
}

export function createDemo(
  options: { readonly directory: string; readonly people: readonly Person[] },
  system: System = nodeSystem,
): Demo {
  const secret = readKey(options.directory, system)
  return {
    people: options.people,
    authenticate: jwt({ secret }, system),
    signIn: async (input) => {
      const person = options.people.find(({ user }) => user === userOf(input))
      if (person === undefined) throw new EngineError('ACCOUNT_FORBIDDEN', 'The demo knows no such person.')
      const nowSeconds = Math.floor(system.nowMs() / 1000)
      const token = await new SignJWT({ role: person.role, name: person.name })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(person.user)
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + tokenSeconds)
        .sign(secret)
      return { token, ...person, expiresAtMs: (nowSeconds + tokenSeconds) * 1000 }
    },
  }
}

const tokenSeconds = 12 * 3_600

function readKey(directory: string, system: System): Uint8Array {
  const file = path.join(directory, 'demo.key')
  mkdirSync(directory, { recursive: true })
  try {
    // Fails when the key is there already: it is made once.
    writeFileSync(file, system.randomBytes(32), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return new Uint8Array(readFileSync(file))
}

function userOf(input: unknown): unknown {
  return typeof input === 'object' && input !== null && 'user' in input ? input.user : undefined
}
