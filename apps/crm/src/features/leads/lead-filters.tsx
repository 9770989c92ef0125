import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { sources, stages } from '../../schema.ts'
import { useMe } from '../../session/session.ts'
import { Icon } from '../../ui/icon.tsx'
import { SelectField } from '../../ui/select-field.tsx'
import styles from './lead-filters.module.css'
import { filterCount, type LeadSearch, parseLeadSearch, type Sort, sorts } from './lead-search.ts'
import { districts, sourceNames, stageNames } from './lead-words.ts'

interface LeadFiltersProps {
  readonly search: LeadSearch
  readonly onChange: (search: LeadSearch) => void
}

export function LeadFilters({ search, onChange }: LeadFiltersProps): ReactNode {
  const [open, setOpen] = useState(false)
  const id = useId()
  const isManager = useMe().role === 'manager'
  const count = filterCount(search)
  const set = (key: keyof LeadSearch, value: string): void => onChange(parseLeadSearch({ ...search, [key]: value }))

  return (
    <search>
      <form className={styles.form} onSubmit={(event) => event.preventDefault()}>
        <SearchField typed={search.q ?? ''} onType={(typed) => set('q', typed)} />
        <button
          type="button"
          className={`button ${styles.toggle}`}
          aria-label={count > 0 ? `Filters, ${count} set` : 'Filters'}
          aria-expanded={open}
          aria-controls={id}
          onClick={() => setOpen(!open)}
        >
          <Icon name="filter" />
          <span className={styles.toggleWord}>Filters</span>
          {count > 0 && <span className={styles.badge}>{count}</span>}
        </button>
        <div id={id} className={styles.selects} data-open={open}>
          <SelectField label="Stage" value={search.stage ?? ''} onChange={(value) => set('stage', value)}>
            <option value="">All stages</option>
            {stages.map((stage) => (
              <option key={stage} value={stage}>
                {stageNames[stage]}
              </option>
            ))}
          </SelectField>
          {isManager && (
            <SelectField label="Leads of" value={search.owner ?? ''} onChange={(value) => set('owner', value)}>
              <option value="">Everyone</option>
              <option value="mine">Me</option>
            </SelectField>
          )}
          <SelectField label="Source" value={search.source ?? ''} onChange={(value) => set('source', value)}>
            <option value="">All sources</option>
            {sources.map((source) => (
              <option key={source} value={source}>
                {sourceNames[source]}
              </option>
            ))}
          </SelectField>
          <SelectField label="District" value={search.district ?? ''} onChange={(value) => set('district', value)}>
            <option value="">All districts</option>
            {districts.map((district) => (
              <option key={district}>{district}</option>
            ))}
          </SelectField>
          <SelectField label="Sort by" value={search.sort ?? 'updated'} onChange={(value) => set('sort', value)}>
            {sorts.map((sort) => (
              <option key={sort} value={sort}>
                {sortNames[sort]}
              </option>
            ))}
          </SelectField>
        </div>
      </form>
    </search>
  )
}

const sortNames: { readonly [sort in Sort]: string } = {
  updated: 'Last changed',
  created: 'Newest',
  name: 'Name',
  budget: 'Budget',
}

interface SearchFieldProps {
  readonly typed: string
  readonly onType: (typed: string) => void
}

/** Keeps what is typed by itself: the URL comes back a moment later and would put the caret at the end. */
function SearchField({ typed, onType }: SearchFieldProps): ReactNode {
  const [text, setText] = useState(typed)
  const sent = useRef(typed)
  useEffect(() => {
    // The URL was changed by somebody else: by Back, or by "Show all leads".
    if (typed !== sent.current) setText(typed)
    sent.current = typed
  }, [typed])
  return (
    <div className={styles.search}>
      <Icon name="search" />
      <input
        type="search"
        className="input"
        dir="auto"
        aria-label="Search leads"
        placeholder="Name, phone or note"
        autoComplete="off"
        enterKeyHint="search"
        value={text}
        onChange={(event) => {
          const next = event.target.value
          setText(next)
          sent.current = next
          onType(next)
        }}
      />
    </div>
  )
}
