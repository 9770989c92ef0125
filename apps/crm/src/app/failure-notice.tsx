import { EngineError } from '@holdfast/core'
import { type ReactNode, useEffect, useState } from 'react'
import styles from './failure-notice.module.css'

/**
 * A write that failed must be seen, wherever it was made. Few callers can do more about a full disk than say so, so they let the
 * error go, and it is caught here.
 */
export function FailureNotice(): ReactNode {
  const [failure, setFailure] = useState<EngineError | null>(null)
  useEffect(() => {
    function show({ reason }: PromiseRejectionEvent): void {
      // Closed is what signing out does to whatever was still asked.
      if (reason instanceof EngineError && reason.code !== 'CLOSED') setFailure(reason)
    }
    addEventListener('unhandledrejection', show)
    return () => removeEventListener('unhandledrejection', show)
  }, [])
  if (failure === null) return null
  return (
    <div className={styles.notice} role="alert">
      <p>
        <strong>Not done.</strong> {failure.problem} {failure.fix}
      </p>
      <button type="button" className="button" onClick={() => setFailure(null)}>
        Dismiss
      </button>
    </div>
  )
}
