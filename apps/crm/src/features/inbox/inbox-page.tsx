import type { InboxItem } from '@holdfast/client'
import { InboxScreen } from '@holdfast/react/inbox'
import { useNavigate } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { Page } from '../../ui/page.tsx'
import { crmWords } from '../leads/crm-words.ts'
import { RecordName } from '../leads/record-name.tsx'

export function InboxPage(): ReactNode {
  const navigate = useNavigate()
  return (
    <Page title="Refused" back={{ link: { to: '/leads' }, text: 'Leads' }} narrow>
      <InboxScreen
        words={crmWords}
        RecordName={RecordName}
        canFix={isLeadForm}
        onFix={({ id }) => void navigate({ to: '/inbox/$id', params: { id } })}
      />
    </Page>
  )
}

/** Of a lead that was deleted there is nothing to put into a form; the card brings it back. */
function isLeadForm({ collection, kind, code }: InboxItem): boolean {
  return collection === 'leads' && (kind === 'create' || (kind === 'update' && code !== 'RECORD_DELETED'))
}
