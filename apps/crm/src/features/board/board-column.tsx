import { type PointerEvent, type ReactNode, useState } from 'react'
import { useLiveQuery } from '../../hooks.ts'
import { type Stage, stageNames } from '../leads/lead-words.ts'
import { StagePill } from '../leads/stage-pill.tsx'
import { BoardCard } from './board-card.tsx'
import styles from './board-column.module.css'
import type { MoveLead } from './board-page.tsx'
import { type BoardLead, type Owner, stageLeads } from './board-queries.ts'

interface BoardColumnProps {
  readonly stage: Stage
  readonly owner: Owner
  readonly count: number
  /** Whether a card is held above it. */
  readonly isTarget: boolean
  readonly draggedId: string | null
  readonly onMove: MoveLead
  readonly onGrab: (event: PointerEvent<HTMLElement>, lead: BoardLead) => void
}

const cardsAtOnce = 50

export function BoardColumn({ stage, owner, count, isTarget, draggedId, onMove, onGrab }: BoardColumnProps): ReactNode {
  const [limit, setLimit] = useState(cardsAtOnce)
  const { rows, status } = useLiveQuery(stageLeads(stage, { owner, limit }), {
    deps: [stage, owner, limit],
    remember: limit === cardsAtOnce,
  })
  return (
    <section className={styles.column} data-stage-column={stage} data-target={isTarget} aria-label={stageNames[stage]}>
      <h2 className={styles.head}>
        <StagePill stage={stage} />
        <span className={styles.count}>
          {new Intl.NumberFormat('en').format(count)}
          <span className="visually-hidden"> leads</span>
        </span>
      </h2>
      <div className={styles.cards} data-cards>
        {rows.map((lead) => (
          <BoardCard key={lead.id} lead={lead} isDragged={lead.id === draggedId} onMove={onMove} onGrab={onGrab} />
        ))}
        {rows.length === 0 && <p className={styles.empty}>{status === 'loading' ? 'Opening' : 'No leads'}</p>}
        {rows.length === limit && count > limit && (
          <button type="button" className={`button ${styles.more}`} onClick={() => setLimit(limit + cardsAtOnce)}>
            Show more
          </button>
        )}
      </div>
    </section>
  )
}
