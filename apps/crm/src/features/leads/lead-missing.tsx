import type { LiveStatus } from '@holdfast/react'
import { RecordHistory } from '@holdfast/react/history'
import { RefusalNotice } from '@holdfast/react/inbox'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useHistory, useInbox } from '../../hooks.ts'
import { Page } from '../../ui/page.tsx'
import { InboxLink } from '../inbox/inbox-link.tsx'
import { crmWords } from './crm-words.ts'

/** Not here is said only once the database has said so; during the first download it may still come. */
export function LeadMissing({ id, status }: { readonly id: string; readonly status: LiveStatus }): ReactNode {
  const wasRefused = useInbox().some(({ items }) =>
    items.some(({ kind, record }) => kind === 'create' && record === id),
  )
  const hasDecisions = useHistory('leads', id).length > 0
  if (wasRefused) return <Refused />
  return (
    <Page title={status === 'loading' ? 'Lead' : 'Not on this device'} back={{ link: { to: '/leads' }, text: 'Leads' }}>
      <p className="dim">
        {status === 'loading'
          ? 'Opening the lead.'
          : status === 'partial'
            ? 'This lead is not on this device yet: the first download still runs.'
            : 'This lead was deleted, or now belongs to somebody else.'}
      </p>
      <RefusalNotice collection="leads" record={id} words={crmWords} InboxLink={InboxLink} />
      {hasDecisions && (
        <section className="panel" aria-labelledby="history-title">
          <h2 id="history-title">History</h2>
          <RecordHistory collection="leads" record={id} words={crmWords} />
        </section>
      )}
    </Page>
  )
}

/** A lead that was typed here a moment ago is not "deleted": it is in the inbox. */
function Refused(): ReactNode {
  return (
    <Page title="Refused" back={{ link: { to: '/leads' }, text: 'Leads' }} narrow>
      <p>The server did not take this lead. What you typed is kept on this device, with the reason.</p>
      <div className="actions">
        <Link to="/inbox" className="button primary">
          See what can be done
        </Link>
      </div>
    </Page>
  )
}
