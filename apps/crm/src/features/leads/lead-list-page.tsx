import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useDeferredValue } from 'react'
import { useLiveQuery, useSyncStatus } from '../../hooks.ts'
import { useMe } from '../../session/session.ts'
import { Icon } from '../../ui/icon.tsx'
import { FirstSync } from './first-sync.tsx'
import { LeadFilters } from './lead-filters.tsx'
import styles from './lead-list-page.module.css'
import { leadCount } from './lead-queries.ts'
import { filterCount, type LeadSearch } from './lead-search.ts'
import { LeadTable } from './lead-table.tsx'
import { countText } from './lead-words.ts'

export function LeadListPage(): ReactNode {
  const search = useSearch({ from: '/leads' })
  const navigate = useNavigate({ from: '/leads' })
  const me = useMe().user
  // The field answers to each key; the list follows when there is time.
  const shown = useDeferredValue(search)
  const { rows, status } = useLiveQuery(leadCount(shown, me))
  const count = rows[0]?.count
  const change = (next: LeadSearch): void => void navigate({ search: next, replace: true })

  return (
    <div className={styles.page}>
      <h1 className="visually-hidden">Leads</h1>
      <div className={styles.bar}>
        <LeadFilters search={search} onChange={change} />
        <Link to="/leads/new" className={`button primary ${styles.add}`}>
          <Icon name="plus" />
          New lead
        </Link>
      </div>
      <p role="status" className={styles.count}>
        {count === undefined ? 'Counting leads' : countText(count, 'lead')}
        {status === 'partial' && ' so far'}
      </p>
      <FirstSync />
      {count === 0 && status !== 'loading' ? (
        <Nothing search={search} onReset={() => change({})} />
      ) : (
        <LeadTable key={JSON.stringify(shown)} search={shown} count={count ?? 0} me={me} />
      )}
    </div>
  )
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
