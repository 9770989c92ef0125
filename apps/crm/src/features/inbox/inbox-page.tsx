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
        ItemName={ItemName}
        canFix={isLeadForm}
        onFix={({ id }) => void navigate({ to: '/inbox/$id', params: { id } })}
      />
    </Page>
  )
}

/** A lead that the server did not take is on no list: it is called by what was typed. */
function ItemName({ item }: { readonly item: InboxItem }): ReactNode {
  const { collection, record, fields, kind } = item
  if (kind === 'create' && typeof fields.name === 'string') return <bdi>{fields.name}</bdi>
  return <RecordName collection={collection} record={record} />
}

export function isLeadForm({ collection, kind }: InboxItem): boolean {
  return collection === 'leads' && (kind === 'create' || kind === 'update')
}
