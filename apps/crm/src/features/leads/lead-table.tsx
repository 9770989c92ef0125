// biome-ignore-all lint/a11y/useSemanticElements: a table whose rows are placed by hand; roles tell what it is.
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names its active row.
/**
 * The list of leads. What is virtual are windows of `windowRows` rows, not rows: each window is one live query, so there are at
 * most a handful, and a list of 100,000 is 2,500 sizes to keep and not 100,000.
 *
 * The head stands outside of what scrolls, and the grid owns it: at five million pixels, a sticky one is off by two.
 *
 * The grid itself has the focus, and names the current row by `aria-activedescendant`: a row that is scrolled away cannot take
 * the focus with it.
 */
import { useVirtualizer } from '@tanstack/react-virtual'
import {
  type KeyboardEvent,
  type ReactNode,
  useId,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import type { LeadSearch } from './lead-search.ts'
import styles from './lead-table.module.css'
import { LeadWindow, rowDomId, windowRows } from './lead-window.tsx'

interface LeadTableProps {
  readonly search: LeadSearch
  readonly count: number
  readonly me: string
}

/** Where each list was left, so that Back returns to it, with the focus. Lives as long as the page. */
const places = new Map<string, { readonly scrollTop: number; readonly active: number }>()

export function LeadTable({ search, count, me }: LeadTableProps): ReactNode {
  const head = useId()
  const scroller = useRef<HTMLDivElement>(null)
  const rowHeight = useRowHeight()
  const place = JSON.stringify(search)
  const [left] = useState(() => places.get(place))
  const [active, setActive] = useState(left?.active ?? 0)

  const virtualizer = useVirtualizer({
    count: Math.ceil(count / windowRows),
    getScrollElement: () => scroller.current,
    estimateSize: (index) => Math.min(windowRows, count - index * windowRows) * rowHeight,
    overscan: 1,
    initialOffset: left?.scrollTop ?? 0,
  })

  const isBack = left !== undefined && document.activeElement === document.body
  useLayoutEffect(() => {
    if (isBack) scroller.current?.focus({ preventScroll: true })
  }, [isBack])

  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes are computed, so they change with these and nothing else.
  useLayoutEffect(() => virtualizer.measure(), [rowHeight, count])

  function rememberActive(next: number): void {
    setActive(next)
    places.set(place, { scrollTop: scroller.current?.scrollTop ?? 0, active: next })
  }

  function onKeyDown(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? rowHeight) / rowHeight) - 1)
    const next = nextActive(event.key, { active, page, last: count - 1 })
    if (event.key === 'Enter') {
      document.getElementById(rowDomId(active))?.querySelector('a')?.click()
    } else if (next !== null) {
      event.preventDefault()
      rememberActive(next)
      if (scroller.current !== null) scrollToRow(scroller.current, next, rowHeight)
    }
  }

  return (
    <div className={styles.table}>
      <Head id={head} />
      <div
        ref={scroller}
        className={styles.grid}
        role="grid"
        aria-label="Leads"
        aria-owns={head}
        aria-rowcount={count + 1}
        aria-colcount={6}
        aria-activedescendant={count > 0 ? rowDomId(active) : undefined}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onScroll={({ currentTarget }) => places.set(place, { scrollTop: currentTarget.scrollTop, active })}
        onClick={(event) => {
          const row = event.target instanceof Element ? event.target.closest('[role=row]') : null
          const index = Number(row?.ariaRowIndex) - 2
          if (index >= 0) rememberActive(index)
        }}
      >
        <div role="rowgroup" className={styles.rows} style={{ blockSize: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map(({ index, start }) => (
            <div key={index} role="presentation" className={styles.window} style={{ insetBlockStart: start }}>
              <LeadWindow
                search={search}
                me={me}
                offset={index * windowRows}
                rows={Math.min(windowRows, count - index * windowRows)}
                active={active}
                fast={virtualizer.isScrolling}
              />
            </div>
          ))}
        </div>
      </div>
    </div>
  )
}

function Head({ id }: { readonly id: string }): ReactNode {
  return (
    <div id={id} role="rowgroup" className={styles.head}>
      <div role="row" aria-rowindex={1} className={styles.headRow}>
        <span role="columnheader">Name</span>
        <span role="columnheader">Phone</span>
        <span role="columnheader">Stage</span>
        <span role="columnheader">District</span>
        <span role="columnheader" className={styles.number}>
          Budget
        </span>
        <span role="columnheader" className={styles.number}>
          Changed
        </span>
      </div>
    </div>
  )
}

function nextActive(
  key: string,
  { active, page, last }: { readonly active: number; readonly page: number; readonly last: number },
): number | null {
  const within = (index: number): number => Math.max(0, Math.min(last, index))
  switch (key) {
    case 'ArrowDown':
      return within(active + 1)
    case 'ArrowUp':
      return within(active - 1)
    case 'PageDown':
      return within(active + page)
    case 'PageUp':
      return within(active - page)
    case 'Home':
      return 0
    case 'End':
      return last
    default:
      return null
  }
}

function scrollToRow(scroller: HTMLElement, row: number, rowHeight: number): void {
  const top = row * rowHeight
  const roomBelow = scroller.clientHeight - rowHeight
  if (top < scroller.scrollTop) scroller.scrollTop = top
  else if (top > scroller.scrollTop + roomBelow) scroller.scrollTop = top - roomBelow
}

/** The same limit as in the style sheet: below it a row is two lines. */
const wide = '(min-width: 48rem)'

function useRowHeight(): number {
  const isWide = useSyncExternalStore(
    (listener) => {
      const media = matchMedia(wide)
      media.addEventListener('change', listener)
      return () => media.removeEventListener('change', listener)
    },
    () => matchMedia(wide).matches,
  )
  return isWide ? 48 : 72
}
