/**
 * Dragging a card with a mouse or pen. Fingers scroll the board; on touch screens each card has a "Move to" select instead.
 * The copy under the pointer is moved by hand, without a render at each step.
 */
import { type PointerEvent, type RefObject, useEffect, useRef, useState } from 'react'
import { stages } from '../../schema.ts'
import type { Stage } from '../leads/lead-words.ts'
import type { MoveLead } from './board-page.tsx'
import type { BoardLead } from './board-queries.ts'

export interface Drag {
  readonly dragged: BoardLead | null
  readonly over: Stage | null
  /** The layer that follows the pointer. */
  readonly layer: RefObject<HTMLDivElement | null>
  readonly grab: (event: PointerEvent<HTMLElement>, lead: BoardLead) => void
}

/** Less than this is a click with an unsteady hand. */
const thresholdPx = 6
/** So near to the edge of the board, it scrolls. */
const edgePx = 56

interface Grip {
  readonly lead: BoardLead
  readonly startX: number
  readonly startY: number
  /** Of the pointer within the card. */
  readonly offsetX: number
  readonly offsetY: number
  readonly width: number
}

export function useDrag(move: MoveLead): Drag {
  const grip = useRef<Grip | null>(null)
  const layer = useRef<HTMLDivElement>(null)
  const [dragged, setDragged] = useState<BoardLead | null>(null)
  const [over, setOver] = useState<Stage | null>(null)
  const latest = useRef({ move, dragged })
  latest.current = { move, dragged }

  useEffect(() => {
    function follow(event: globalThis.PointerEvent): void {
      const held = grip.current
      if (held === null) return
      if (latest.current.dragged === null) {
        if (Math.hypot(event.clientX - held.startX, event.clientY - held.startY) < thresholdPx) return
        getSelection()?.removeAllRanges()
        setDragged(held.lead)
      }
      placeLayer(layer.current, held, event)
      setOver(stageAt(event.clientX, event.clientY))
      scrollAtEdge(event.clientX)
    }
    function end(event: globalThis.PointerEvent): void {
      const held = grip.current
      grip.current = null
      if (held === null || latest.current.dragged === null) return
      const stage = event.type === 'pointerup' ? stageAt(event.clientX, event.clientY) : null
      setDragged(null)
      setOver(null)
      // The click that follows a drag would open the card.
      addEventListener('click', swallow, { capture: true, once: true })
      setTimeout(() => removeEventListener('click', swallow, { capture: true }), 0)
      if (stage !== null) latest.current.move(held.lead, stage)
    }
    function giveUp(event: KeyboardEvent): void {
      if (event.key !== 'Escape' || grip.current === null) return
      grip.current = null
      setDragged(null)
      setOver(null)
    }
    addEventListener('pointermove', follow)
    addEventListener('pointerup', end)
    addEventListener('pointercancel', end)
    addEventListener('keydown', giveUp)
    return () => {
      removeEventListener('pointermove', follow)
      removeEventListener('pointerup', end)
      removeEventListener('pointercancel', end)
      removeEventListener('keydown', giveUp)
    }
  }, [])

  return {
    dragged,
    over,
    layer,
    grab: (event, lead) => {
      if (event.pointerType === 'touch' || event.button !== 0) return
      if (event.target instanceof Element && event.target.closest('select') !== null) return
      const box = event.currentTarget.getBoundingClientRect()
      grip.current = {
        lead,
        startX: event.clientX,
        startY: event.clientY,
        offsetX: event.clientX - box.left,
        offsetY: event.clientY - box.top,
        width: box.width,
      }
    },
  }
}

function swallow(event: Event): void {
  event.preventDefault()
  event.stopPropagation()
}

function placeLayer(
  layer: HTMLElement | null,
  grip: Grip,
  event: { readonly clientX: number; readonly clientY: number },
): void {
  if (layer === null) return
  layer.style.inlineSize = `${grip.width}px`
  layer.style.translate = `${event.clientX - grip.offsetX}px ${event.clientY - grip.offsetY}px`
}

function stageAt(x: number, y: number): Stage | null {
  const column = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-stage-column]')
  return stages.find((stage) => stage === column?.dataset.stageColumn) ?? null
}

function scrollAtEdge(x: number): void {
  const board = document.querySelector('[data-dragging="true"]')
  if (board === null) return
  const box = board.getBoundingClientRect()
  if (x < box.left + edgePx) board.scrollBy({ left: -16 })
  else if (x > box.right - edgePx) board.scrollBy({ left: 16 })
}
