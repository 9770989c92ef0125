/** Where somebody else signs in, in this tab or in another one: the pages and half-filled forms of the one before are not shown. */
import { router } from '../router.tsx'
import { currentSession, subscribe } from './session.ts'

const lastKey = 'crm:last-user'

export function leavePagesOfOthers(): void {
  const remember = () => {
    const user = currentSession()?.person.user
    if (user === undefined) return
    const last = sessionStorage.getItem(lastKey) ?? user
    if (last !== user) {
      sessionStorage.clear()
      void router.navigate({ to: '/leads', search: {}, replace: true })
    }
    sessionStorage.setItem(lastKey, user)
  }
  remember()
  subscribe(remember)
}
