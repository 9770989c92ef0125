import type { ReactNode } from 'react'
import { useLiveQuery } from '../../hooks.ts'
import { dateTimeText, durationText, outcomeNames } from '../leads/lead-words.ts'
import { PersonName } from '../leads/person-name.tsx'
import { SyncDot } from '../leads/sync-mark.tsx'
import styles from './call-list.module.css'

/** The most that one page shows; older calls of a lead that is called so often tell little. */
const shownMax = 200

export function CallList({ lead }: { readonly lead: string }): ReactNode {
  const { rows, status } = useLiveQuery(
    (q) => q.selectFrom('calls').selectAll().where('lead', '=', lead).orderBy('at', 'desc').limit(shownMax),
    { deps: [lead] },
  )
  if (rows.length === 0) {
    return <p className="dim">{status === 'complete' ? 'No calls yet.' : 'Looking for calls.'}</p>
  }
  return (
    <ul className={styles.list} aria-label="Calls">
      {rows.map((call) => (
        <li key={call.id}>
          <p className={styles.head}>
            <SyncDot sync={call.$sync} />
            <strong>{outcomeNames[call.outcome]}</strong>
            {call.seconds > 0 && <span>{durationText(call.seconds)}</span>}
          </p>
          {call.note !== '' && (
            <p dir="auto" className={styles.note}>
              {call.note}
            </p>
          )}
          <p className={styles.foot}>
            {dateTimeText(call.at)} · <PersonName user={call.owner} />
          </p>
        </li>
      ))}
    </ul>
  )
}
