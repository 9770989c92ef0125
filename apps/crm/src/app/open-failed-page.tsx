import { EngineError } from '@holdfast/core'
import type { ReactNode } from 'react'
import styles from './plain-page.module.css'

export function OpenFailedPage({ failure }: { readonly failure: unknown }): ReactNode {
  const [problem, fix] =
    failure instanceof EngineError
      ? [failure.problem, failure.fix]
      : [failure instanceof Error ? failure.message : String(failure), 'Reload the page.']
  return (
    <main className={styles.page} role="alert">
      <h1>The data of this device did not open</h1>
      <p>{problem}</p>
      <p>{fix}</p>
      <p>
        <button type="button" className="button primary" onClick={() => location.reload()}>
          Reload
        </button>
      </p>
    </main>
  )
}
