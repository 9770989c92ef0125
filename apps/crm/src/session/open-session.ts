import { type Client, openClient } from '@holdfast/client'
import { type Crm, crm } from '../schema.ts'
import { signInAs } from './people.ts'
import type { Person } from './person.ts'
import { currentSession, renewSession } from './session.ts'

/** The server that serves this page also syncs it. */
export function openSession(person: Person): Promise<Client<Crm>> {
  return openClient({
    schema: crm,
    url: location.origin,
    user: person.user,
    token: freshToken,
    worker: () => new Worker(new URL('../worker.ts', import.meta.url), { type: 'module' }),
  })
}

/** A token is renewed a little early, so that none runs out on the way. */
const renewBeforeMs = 60_000

async function freshToken(): Promise<string | null> {
  const session = currentSession()
  if (session === null) return null
  if (session.expiresAtMs - Date.now() > renewBeforeMs) return session.token
  try {
    const renewed = await signInAs(session.person.user)
    renewSession(renewed)
    return renewed.token
  } catch {
    return session.token // Offline, or no longer welcome: the server's own answer tells which.
  }
}
