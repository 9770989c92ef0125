import { Link } from '@tanstack/react-router'
import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef } from 'react'
import { stages } from '../../schema.ts'
import { Icon } from '../../ui/icon.tsx'
import { markOf, useAskedLeads } from '../conflicts/use-asked-leads.ts'
import { shortBudgetText, stageNames } from '../leads/lead-words.ts'
import { SyncDot } from '../leads/sync-mark.tsx'
import styles from './board-card.module.css'
import type { MoveLead } from './board-page.tsx'
import type { BoardLead } from './board-queries.ts'

interface BoardCardProps {
  readonly lead: BoardLead
  readonly isDragged: boolean
  readonly onMove: MoveLead
  readonly onGrab: (event: PointerEvent<HTMLElement>, lead: BoardLead) => void
}

export function BoardCard({ lead, isDragged, onMove, onGrab }: BoardCardProps): ReactNode {
  const card = useRef<HTMLDivElement>(null)

  function onKeyDown(event: KeyboardEvent): void {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === 'Enter') {
      card.current?.querySelector('a')?.click()
    } else if (event.key.toLowerCase() === 'm') {
      const to = stages[stages.indexOf(lead.stage) + (event.shiftKey ? -1 : 1)]
      if (to === undefined || card.current === null) return
      focusNeighbour(card.current)
      onMove(lead, to)
    } else if (card.current !== null && moveFocus(card.current, event.key)) {
      event.preventDefault()
    }
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms; this groups one lead's name, facts and control.
    <div
      ref={card}
      role="group"
      aria-label={lead.name}
      aria-keyshortcuts="M Shift+M"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it takes the keys that move it.
      tabIndex={0}
      className={styles.card}
      data-card
      data-dragged={isDragged}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => onGrab(event, lead)}
      onDragStart={(event) => event.preventDefault()}
    >
      <CardFace lead={lead} />
      <span className={styles.move}>
        <Icon name="give" mirrored />
        <select
          aria-label="Move to"
          value={lead.stage}
          onChange={(event) => {
            const to = stages.find((stage) => stage === event.target.value)
            if (to !== undefined) onMove(lead, to)
          }}
        >
          {stages.map((stage) => (
            <option key={stage} value={stage}>
              {stageNames[stage]}
            </option>
          ))}
        </select>
      </span>
    </div>
  )
}

/** What a card shows, on the board and under the pointer. */
export function CardFace({ lead }: { readonly lead: BoardLead }): ReactNode {
  const asked = useAskedLeads()
  return (
    <div className={styles.face}>
      <p className={styles.name}>
        <SyncDot sync={markOf(lead, asked)} />
        <Link to="/leads/$id" params={{ id: lead.id }}>
          <bdi>{lead.name}</bdi>
        </Link>
      </p>
      <p className={styles.facts}>
        <bdi>{lead.district}</bdi>
        <span>{shortBudgetText(lead.budget)}</span>
      </p>
    </div>
  )
}

/** The card will leave its column: the focus goes to the one that takes its place, so that the next key has a card to act on. */
function focusNeighbour(card: HTMLElement): void {
  const next = card.nextElementSibling ?? card.previousElementSibling
  if (next instanceof HTMLElement && next.matches('[data-card]')) next.focus()
}

/** Arrow keys go to another card; answers whether there was one. */
function moveFocus(card: HTMLElement, key: string): boolean {
  const target = cardBy(card, key)
  if (!(target instanceof HTMLElement)) return false
  target.focus()
  target.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  return true
}

function cardBy(card: HTMLElement, key: string): Element | null | undefined {
  const column = card.closest('[data-stage-column]')
  const cards = [...(card.parentElement?.querySelectorAll('[data-card]') ?? [])]
  const at = cards.indexOf(card)
  // "On" is to the left where text runs from right to left.
  const forward = getComputedStyle(card).direction === 'rtl' ? 'ArrowLeft' : 'ArrowRight'
  switch (key) {
    case 'ArrowDown':
      return cards[at + 1]
    case 'ArrowUp':
      return cards[at - 1]
    case 'ArrowLeft':
    case 'ArrowRight': {
      let next = key === forward ? column?.nextElementSibling : column?.previousElementSibling
      while (next && next.querySelector('[data-card]') === null) {
        next = key === forward ? next.nextElementSibling : next.previousElementSibling
      }
      const others = [...(next?.querySelectorAll('[data-card]') ?? [])]
      return others[Math.min(at, others.length - 1)]
    }
    default:
      return null
  }
}
