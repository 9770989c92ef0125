import type { Client } from '@holdfast/client'
import type { Crm } from '../schema.ts'
import { openSession } from './open-session.ts'
import { currentSession, type Session, subscribe } from './session.ts'

interface Opened {
  readonly user: string
  readonly client: Promise<Client<Crm>>
}

let opened: Opened | null = null

/** The client of a session: opened once, however often React renders, and closed when somebody else comes or nobody is left. */
export function clientOf({ person }: Session): Promise<Client<Crm>> {
  if (opened?.user === person.user) return opened.client
  leave()
  opened = { user: person.user, client: openSession(person) }
  return opened.client
}

subscribe(() => {
  if (currentSession()?.person.user !== opened?.user) leave()
})

function leave(): void {
  opened?.client.then((client) => client.close()).catch(() => {}) // Failed to open, or closed by signing out: closed anyway.
  opened = null
}
