import type { ReactNode } from 'react'
import { knownPeople } from '../../session/people.ts'

/** A user by name where this device knows it, else by id. */
export function PersonName({ user }: { readonly user: string }): ReactNode {
  return <bdi>{personName(user)}</bdi>
}

export function personName(user: string): string {
  return namesByUser().get(user) ?? user
}

let names: ReadonlyMap<string, string> | null = null

/** Read once: the list is the demo's and does not change. */
function namesByUser(): ReadonlyMap<string, string> {
  names ??= new Map(knownPeople().map(({ user, name }) => [user, name]))
  return names
}
