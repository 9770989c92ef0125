// biome-ignore-all lint/a11y/useSemanticElements: a table whose rows are placed by hand; roles tell what it is.
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names its active row.

import type { RecordSync } from '@holdfast/core'
import { Link } from '@tanstack/react-router'
import { memo, type ReactNode, useEffect, useState } from 'react'
import { useLiveQuery } from '../../hooks.ts'
import { markOf, useAskedLeads } from '../conflicts/use-asked-leads.ts'
import { type LeadRow, leadWindow } from './lead-queries.ts'
import type { LeadSearch } from './lead-search.ts'
import styles from './lead-table.module.css'
import { shortBudgetText, shortTimeText } from './lead-words.ts'
import { StagePill } from './stage-pill.tsx'
import { SyncDot } from './sync-mark.tsx'

export interface LeadWindowProps {
  readonly search: LeadSearch
  readonly me: string
  readonly offset: number
  readonly rows: number
  readonly active: number
  /** Whether the list is being scrolled just now. */
  readonly fast: boolean
}

/** Two or three windows fill a screen; a smaller one would ask more often, a larger one paint later. */
export const windowRows = 40

/** While the scrollbar is dragged, a window that is gone sooner than this is not asked for: the last one counts. */
const passingMs = 50

export function LeadWindow({ fast, ...props }: LeadWindowProps): ReactNode {
  const [stays, setStays] = useState(!fast)
  useEffect(() => {
    const timer = setTimeout(() => setStays(true), passingMs)
    return () => clearTimeout(timer)
  }, [])
  if (!stays) return <Rows rows={[]} count={props.rows} offset={props.offset} active={props.active} />
  return <AskedWindow {...props} />
}

function AskedWindow({ search, me, offset, rows: count, active }: Omit<LeadWindowProps, 'fast'>): ReactNode {
  const { rows } = useLiveQuery(leadWindow(search, { me, offset, limit: windowRows }), {
    deps: [search, me, offset],
    remember: offset === 0, // The top of the list is what a cold start shows.
  })
  return <Rows rows={rows} count={count} offset={offset} active={active} />
}

interface RowsProps {
  readonly rows: readonly LeadRow[]
  readonly count: number
  readonly offset: number
  readonly active: number
}

function Rows({ rows, count, offset, active }: RowsProps): ReactNode {
  const asked = useAskedLeads()
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const index = offset + i
    const lead = rows[i]
    const mark = lead === undefined ? 'synced' : markOf(lead, asked)
    return <Row key={index} lead={lead} mark={mark} index={index} isActive={index === active} />
  })
}

interface RowProps {
  readonly lead: LeadRow | undefined
  readonly mark: RecordSync
  readonly index: number
  readonly isActive: boolean
}

export function rowDomId(index: number): string {
  return `lead-row-${index}`
}

const Row = memo(function Row({ lead, mark, index, isActive }: RowProps): ReactNode {
  const place = { id: rowDomId(index), 'aria-rowindex': index + 2, 'aria-selected': isActive, 'data-active': isActive }
  if (lead === undefined) {
    return (
      <div role="row" className={styles.row} {...place} aria-busy="true">
        <span role="gridcell" className={styles.skeleton}>
          <span className="visually-hidden">Loading</span>
        </span>
      </div>
    )
  }
  return (
    <div role="row" className={styles.row} {...place}>
      <span role="gridcell" className={styles.name}>
        <SyncDot sync={mark} />
        {/* The link's ::after covers the whole row. */}
        <Link to="/leads/$id" params={{ id: lead.id }} tabIndex={-1}>
          <bdi>{lead.name}</bdi>
        </Link>
      </span>
      <span role="gridcell" className={styles.phone}>
        <bdi dir="ltr">{lead.phone}</bdi>
      </span>
      <span role="gridcell" className={styles.stage}>
        <StagePill stage={lead.stage} />
      </span>
      <span role="gridcell" className={styles.district}>
        <bdi>{lead.district}</bdi>
      </span>
      <span role="gridcell" className={styles.budget}>
        {shortBudgetText(lead.budget)}
      </span>
      <span role="gridcell" className={styles.changed}>
        {shortTimeText(lead.updatedAt)}
      </span>
    </div>
  )
})
