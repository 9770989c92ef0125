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

function isLeadForm({ collection, kind }: InboxItem): boolean {
  return collection === 'leads' && (kind === 'create' || kind === 'update')
}
