import type { ReactNode } from 'react'
import { type Stage, stageNames } from './lead-words.ts'
import styles from './stage-pill.module.css'

export function StagePill({ stage }: { readonly stage: Stage }): ReactNode {
  return (
    <span className={styles.pill} data-stage={stage}>
      {stageNames[stage] ?? stage}
    </span>
  )
}
