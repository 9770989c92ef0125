/** Who is signed in on this device. Kept locally, so that a reload without a network opens straight into the app. */
import { useState, useSyncExternalStore } from 'react'
import type { Person } from './person.ts'

export interface Session {
  readonly person: Person
  readonly token: string
  readonly expiresAtMs: number
}

const sessionKey = 'crm:session'
const keptKey = 'crm:kept'

let current: Session | null = read()

/** Apart from `current`, whose identity opens the client. */
let renewed: Session | null = null
const listeners = new Set<() => void>()

// Signed out, or in as somebody else, in another tab: this one follows. A renewed token alone changes nothing here.
addEventListener('storage', ({ key }) => {
  if (key !== sessionKey && key !== null) return
  const stored = read()
  if (stored?.person.user === current?.person.user) renewed = stored
  else set(stored)
})

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, () => current)
}

/** Who is at work, on screens that exist only while somebody is. */
export function useMe(): Person {
  const session = useSession()
  const [person] = useState(session?.person)
  if (person === undefined) throw new Error('This screen was shown without a session.')
  return session?.person ?? person
}

/** With the newest token. */
export function currentSession(): Session | null {
  return renewed ?? current
}

export function startSession(session: Session): void {
  localStorage.setItem(sessionKey, JSON.stringify(session))
  localStorage.removeItem(keptKey)
  set(session)
}

/** A new token for the same person: nothing on screen changes. */
export function renewSession(session: Session): void {
  localStorage.setItem(sessionKey, JSON.stringify(session))
  renewed = session
}

/** `kept`: how many changes of this person stay on the device until the next sign-in. */
export function endSession(kept: number): void {
  if (current !== null && kept > 0) {
    localStorage.setItem(keptKey, JSON.stringify({ name: current.person.name, count: kept }))
  }
  localStorage.removeItem(sessionKey)
  set(null)
}

export interface KeptWork {
  readonly name: string
  readonly count: number
}

/** What the last person left behind, for the sign-in page. */
export function keptWork(): KeptWork | null {
  const kept = parseJson(localStorage.getItem(keptKey))
  if (!isRecord(kept) || typeof kept.name !== 'string' || typeof kept.count !== 'number') return null
  return { name: kept.name, count: kept.count }
}

function set(session: Session | null): void {
  current = session
  renewed = null
  for (const listener of listeners) listener()
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function read(): Session | null {
  const stored = parseJson(localStorage.getItem(sessionKey))
  if (!isRecord(stored) || typeof stored.token !== 'string' || !isRecord(stored.person)) return null
  const { user, name, role } = stored.person
  if (typeof user !== 'string' || typeof name !== 'string') return null
  const expiresAtMs = typeof stored.expiresAtMs === 'number' ? stored.expiresAtMs : 0
  return { token: stored.token, expiresAtMs, person: { user, name, role: role === 'manager' ? 'manager' : 'agent' } }
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}

function isRecord(input: unknown): input is { readonly [key: string]: unknown } {
  return typeof input === 'object' && input !== null
}
