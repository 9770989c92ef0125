import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { useLiveQuery, useWrite } from '../../hooks.ts'
import { stages } from '../../schema.ts'
import { useMe } from '../../session/session.ts'
import { SelectField } from '../../ui/select-field.tsx'
import { useToast } from '../../ui/toast.tsx'
import { FirstSync } from '../leads/first-sync.tsx'
import { type Stage, stageNames } from '../leads/lead-words.ts'
import { BoardColumn } from './board-column.tsx'
import styles from './board-page.module.css'
import { type BoardLead, stageCounts } from './board-queries.ts'
import { DragLayer } from './drag-layer.tsx'
import { useDrag } from './use-drag.ts'

/** Moves a card, by whichever means. */
export type MoveLead = (lead: BoardLead, to: Stage) => void

export function BoardPage(): ReactNode {
  const me = useMe()
  const search = useSearch({ from: '/board' })
  const navigate = useNavigate({ from: '/board' })
  const owner = search.owner === 'mine' ? me.user : null
  const { rows } = useLiveQuery(stageCounts(owner), { deps: [owner] })
  const counts = useMemo(() => new Map(rows.map(({ stage, count }) => [stage, count])), [rows])
  const { move, announcement } = useMove()
  const drag = useDrag(move)

  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <h1>Board</h1>
        <p className={styles.hint}>
          Drag a card, or focus it and press <kbd>M</kbd> to move it on, <kbd>Shift</kbd> <kbd>M</kbd> to move it back.
        </p>
        {me.role === 'manager' && (
          <SelectField
            label="Leads of"
            value={search.owner ?? ''}
            onChange={(value) => void navigate({ search: value === 'mine' ? { owner: 'mine' } : {}, replace: true })}
          >
            <option value="">Everyone</option>
            <option value="mine">Me</option>
          </SelectField>
        )}
      </div>
      <FirstSync />
      <div className={styles.columns} data-dragging={drag.dragged !== null}>
        {stages.map((stage) => (
          <BoardColumn
            key={stage}
            stage={stage}
            owner={owner}
            count={counts.get(stage) ?? 0}
            isTarget={drag.over === stage && drag.dragged?.stage !== stage}
            draggedId={drag.dragged?.id ?? null}
            onMove={move}
            onGrab={drag.grab}
          />
        ))}
      </div>
      <DragLayer drag={drag} />
      <p className="visually-hidden" aria-live="polite">
        {announcement}
      </p>
    </div>
  )
}

function useMove(): { readonly move: MoveLead; readonly announcement: string } {
  const write = useWrite()
  const showToast = useToast()
  const [announcement, setAnnouncement] = useState('')
  function move(lead: BoardLead, to: Stage): void {
    if (to === lead.stage) return
    const change = write((db) => db.leads.update(lead.id, { stage: to }))
    void change.then(() => {
      setAnnouncement(`${lead.name} moved to ${stageNames[to]}`)
      showToast({
        text: (
          <>
            <bdi>{lead.name}</bdi> is now in {stageNames[to]}
          </>
        ),
        undo: () => void change.undo(),
      })
    })
  }
  return { move, announcement }
}
