import type { LiveStatus } from '@holdfast/react'
import type { ReactNode } from 'react'
import { Page } from '../../ui/page.tsx'

/** Not here is said only once the database has said so; during the first download it may still come. */
export function LeadMissing({ status }: { readonly status: LiveStatus }): ReactNode {
  return (
    <Page title={status === 'loading' ? 'Lead' : 'Not on this device'} back={{ link: { to: '/leads' }, text: 'Leads' }}>
      <p className="dim">
        {status === 'loading'
          ? 'Opening the lead.'
          : status === 'partial'
            ? 'This lead is not on this device yet: the first download still runs.'
            : 'This lead was deleted, or now belongs to somebody else.'}
      </p>
    </Page>
  )
}
