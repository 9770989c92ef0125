import type { InboxItem } from '@holdfast/client'
import { useRefusalReason } from '@holdfast/react/inbox'
import { Navigate, useNavigate, useParams } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { useClient, useInbox, useRow, useSyncStatus } from '../../hooks.ts'
import { Page } from '../../ui/page.tsx'
import { crmWords } from '../leads/crm-words.ts'
import { draftOf, draftWith, emptyDraft, isDraftField, patchOf, seenOf } from '../leads/lead-draft.ts'
import { LeadForm } from '../leads/lead-form.tsx'
import type { Lead } from '../leads/lead-words.ts'

const back = { link: { to: '/inbox' }, text: 'Refused' } as const

/** The form of a lead with what the server refused, open at the field that it refused. */
export function FixLeadPage(): ReactNode {
  const { id } = useParams({ from: '/inbox/$id' })
  const item = useInbox()
    .flatMap(({ items }) => items)
    .find((one) => one.id === id)
  const isOpening = useSyncStatus() === null
  const [shown, setShown] = useState(item)
  // What is sent again leaves the inbox before this page is left.
  if (item !== undefined && shown === undefined) setShown(item)
  // Of a lead that was deleted there is nothing to fill in: its card brings it back.
  if (shown?.code === 'RECORD_DELETED' && shown.kind !== 'create') return <Navigate to="/inbox" replace />
  if (shown !== undefined) return <WithLead item={shown} />
  return (
    <Page title="Refused change" back={back} narrow>
      <p className="dim">{isOpening ? 'Opening what was refused.' : 'This change is not in the inbox any more.'}</p>
    </Page>
  )
}

function WithLead({ item }: { readonly item: InboxItem }): ReactNode {
  const { row, status } = useRow('leads', item.record)
  if (status === 'loading' && item.kind !== 'create') return null
  return <FixLead item={item} lead={row} />
}

function FixLead({ item, lead }: { readonly item: InboxItem; readonly lead: Lead | null }): ReactNode {
  const client = useClient()
  const navigate = useNavigate()
  const reasonOf = useRefusalReason(crmWords)
  const [initial] = useState(() => draftWith(lead === null ? emptyDraft : draftOf(lead), item.fields))
  const [refused] = useState(() => (isDraftField(item.field) ? { [item.field]: reasonOf(item) } : {}))
  const isNew = item.kind === 'create'
  return (
    <Page title={initial.name === '' ? 'Refused change' : initial.name} back={back} narrow>
      {!isDraftField(item.field) && <p className="problem">{reasonOf(item)}</p>}
      <LeadForm
        name={`fix:${item.id}`}
        initial={initial}
        refused={refused}
        onSave={async (draft, from) => {
          // Of what was refused, the form shows what was written; of the rest, what the lead was.
          const shown = Object.entries(seenOf(from)).filter(([field]) => !Object.hasOwn(item.fields, field))
          await client.inbox.fix(item.id, patchOf(from, draft), { seen: Object.fromEntries(shown) })
          await navigate(
            isNew || lead !== null
              ? { to: '/leads/$id', params: { id: item.record }, replace: true }
              : { to: '/inbox', replace: true },
          )
        }}
        onCancel={() => void navigate({ to: '/inbox', replace: true })}
      />
    </Page>
  )
}
