import { type ReactNode, useState } from 'react'
import { useClient, useSyncStatus } from '../hooks.ts'
import { SignInError, signInAs } from '../session/people.ts'
import { renewSession } from '../session/session.ts'
import styles from './signed-out-notice.module.css'

/** The server no longer takes the token. Work goes on; signing in again as the same person sends what waits. */
export function SignedOutNotice(): ReactNode {
  const status = useSyncStatus()
  return status?.kind === 'paused' && status.why === 'signedOut' ? <SignInAgain /> : null
}

function SignInAgain(): ReactNode {
  const client = useClient()
  const [problem, setProblem] = useState<string | null>(null)

  async function signIn(): Promise<void> {
    try {
      renewSession(await signInAs(client.user))
      await client.sync.resume()
    } catch (error) {
      if (!(error instanceof SignInError)) throw error
      setProblem(error.message)
    }
  }

  return (
    <div className={styles.notice} role="status">
      <span>{problem ?? 'Your session has ended. You can go on working; sign in again to sync.'}</span>
      <button type="button" className="button" onClick={() => void signIn()}>
        Sign in again
      </button>
    </div>
  )
}
