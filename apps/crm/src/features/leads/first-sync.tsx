import type { ReactNode } from 'react'
import { useSyncStatus } from '../../hooks.ts'
import styles from './first-sync.module.css'
import { countText } from './lead-words.ts'

/** While the first download runs, the app is used as ever; this line says how far it is. */
export function FirstSync(): ReactNode {
  const progress = useSyncStatus()?.progress ?? null
  if (progress === null) return null
  const { rows, total } = progress
  return (
    <div className={styles.line}>
      <span>
        {total === null
          ? `Downloading ${countText(rows, 'record')}`
          : `Downloading ${whole(rows)} of ${countText(total, 'record')}`}
      </span>
      <progress aria-label="First download" {...(total === null ? {} : { value: rows, max: total })} />
    </div>
  )
}

function whole(count: number): string {
  return new Intl.NumberFormat('en').format(count)
}
