/** The people of the demo: to sign in as, to give a lead to, to show an owner by name. Kept locally for work without a network. */
import type { Person } from './person.ts'
import type { Session } from './session.ts'

const peopleKey = 'crm:people'

/** Asks the server; without a network, answers those known from before. */
export async function loadPeople(): Promise<readonly Person[]> {
  try {
    const response = await fetch('/demo/people', { signal: AbortSignal.timeout(5_000) })
    const people = parsePeople(await response.json())
    if (!response.ok || people.length === 0) return knownPeople()
    localStorage.setItem(peopleKey, JSON.stringify(people))
    return people
  } catch {
    return knownPeople()
  }
}

export function knownPeople(): readonly Person[] {
  try {
    return parsePeople(JSON.parse(localStorage.getItem(peopleKey) ?? '[]'))
  } catch {
    return []
  }
}

export class SignInError extends Error {
  override readonly name = 'SignInError'
}

/** Asks the demo server for a session. It takes no password: it stands for the identity provider of a real one. */
export async function signInAs(user: string): Promise<Session> {
  const response = await fetch('/demo/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
    signal: AbortSignal.timeout(10_000),
  }).catch(() => {
    throw new SignInError('The server cannot be reached. Signing in needs a connection, once.')
  })
  if (response.status === 403 || response.status === 404)
    throw new SignInError(`There is nobody called "${user}" here.`)
  if (!response.ok) throw new SignInError(`The server did not let you in (${response.status}). Try again.`)
  const body: unknown = await response.json().catch(() => null)
  if (isRecord(body) && typeof body.token === 'string') {
    const person = personOf(body) ?? { user, name: user, role: 'agent' }
    return {
      token: body.token,
      person,
      expiresAtMs: typeof body.expiresAtMs === 'number' ? body.expiresAtMs : Number.MAX_SAFE_INTEGER,
    }
  }
  throw new SignInError(
    'Something answered that is not this server. Is there a sign-in page of the network in between?',
  )
}

function parsePeople(input: unknown): readonly Person[] {
  const list = isRecord(input) && Array.isArray(input.people) ? input.people : input
  if (!Array.isArray(list)) return []
  return list.map(personOf).filter((person) => person !== null)
}

function personOf(input: unknown): Person | null {
  if (!isRecord(input) || typeof input.user !== 'string') return null
  const { user, name, role } = input
  return { user, name: typeof name === 'string' ? name : user, role: role === 'manager' ? 'manager' : 'agent' }
}

function isRecord(input: unknown): input is { readonly [key: string]: unknown } {
  return typeof input === 'object' && input !== null
}
