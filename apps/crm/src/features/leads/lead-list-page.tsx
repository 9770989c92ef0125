import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useDeferredValue, useState } from 'react'
import { useLiveQuery, useSyncStatus } from '../../hooks.ts'
import { useMe } from '../../session/session.ts'
import { Icon } from '../../ui/icon.tsx'
import { useHeadingFocus } from '../../ui/use-heading-focus.ts'
import { FirstSync } from './first-sync.tsx'
import { LeadFilters } from './lead-filters.tsx'
import styles from './lead-list-page.module.css'
import { leadCount, leadWindow } from './lead-queries.ts'
import { filterCount, type LeadSearch } from './lead-search.ts'
import { LeadTable } from './lead-table.tsx'
import { windowRows } from './lead-window.tsx'
import { countText } from './lead-words.ts'

export function LeadListPage(): ReactNode {
  const search = useSearch({ from: '/leads' })
  const navigate = useNavigate({ from: '/leads' })
  const me = useMe().user
  const heading = useHeadingFocus('nowhere')
  // The field answers to each key; the list follows when there is time.
  const wanted = useDeferredValue(search)
  const list = useReadyList(wanted, me)
  const change = (next: LeadSearch): void => void navigate({ search: next, replace: true })

  return (
    <div className={styles.page}>
      <h1 ref={heading} tabIndex={-1} className="visually-hidden">
        Leads
      </h1>
      <div className={styles.bar}>
        <LeadFilters search={search} onChange={change} />
        <Link to="/leads/new" className={`button primary ${styles.add}`}>
          <Icon name="plus" />
          New lead
        </Link>
      </div>
      <p role="status" className={styles.count}>
        {list === null ? 'Counting leads' : countText(list.count, 'lead')}
        {list?.partial === true && ' so far'}
      </p>
      <FirstSync />
      {list?.count === 0 && <Nothing search={list.search} onReset={() => change({})} />}
      {list !== null && list.count > 0 && (
        <LeadTable key={JSON.stringify(list.search)} search={list.search} count={list.count} me={me} />
      )}
    </div>
  )
}

interface ReadyList {
  readonly search: LeadSearch
  readonly count: number
  readonly partial: boolean
}

/** The list that is wanted once its count and its first rows are there; until then the one before, so that nothing blinks. */
function useReadyList(wanted: LeadSearch, me: string): ReadyList | null {
  const counted = useLiveQuery(leadCount(wanted, me))
  const top = useLiveQuery(leadWindow(wanted, { me, offset: 0, limit: windowRows }))
  const count = counted.rows[0]?.count
  const partial = counted.status === 'partial'
  const [ready, setReady] = useState<ReadyList | null>(null)
  const hasRows = count === 0 || top.rows.length > 0
  if (count === undefined || !hasRows) return ready
  if (ready?.search === wanted && ready.count === count && ready.partial === partial) return ready
  const next = { search: wanted, count, partial }
  setReady(next)
  return next
}

function Nothing({ search, onReset }: { readonly search: LeadSearch; readonly onReset: () => void }): ReactNode {
  const running = useSyncStatus()?.completeness !== 'complete'
  const filtered = filterCount(search) > 0 || search.q !== undefined
  return (
    <div className={styles.nothing}>
      <Icon name={filtered ? 'search' : 'list'} />
      <h2>{filtered ? 'No lead matches' : running ? 'Leads are on their way' : 'No leads yet'}</h2>
      <p className="dim">
        {running
          ? 'The first download still runs; more may come.'
          : filtered
            ? 'Search finds beginnings of words in names and notes, and the first or last digits of a phone number.'
            : 'A lead that you add is saved on this device at once, with or without a network.'}
      </p>
      {filtered && (
        <button type="button" className="button" onClick={onReset}>
          Show all leads
        </button>
      )}
    </div>
  )
}
