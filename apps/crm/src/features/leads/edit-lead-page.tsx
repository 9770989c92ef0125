import { useNavigate, useParams } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { useRow, useWrite } from '../../hooks.ts'
import { Page } from '../../ui/page.tsx'
import { draftOf, patchOf, seenOf } from './lead-draft.ts'
import { LeadForm } from './lead-form.tsx'
import { LeadMissing } from './lead-missing.tsx'
import type { Lead } from './lead-words.ts'

export function EditLeadPage(): ReactNode {
  const { id } = useParams({ from: '/leads/$id/edit' })
  const { row, status } = useRow('leads', id)
  if (row === null) return <LeadMissing id={id} status={status} />
  return <EditLead key={id} lead={row} />
}

function EditLead({ lead }: { readonly lead: Lead }): ReactNode {
  const write = useWrite()
  const navigate = useNavigate()
  // The form starts from the lead as it was when it was opened: a change that syncs in meanwhile is told, and does not move under the hand.
  const [initial] = useState(() => draftOf(lead))
  const toLead = () => navigate({ to: '/leads/$id', params: { id: lead.id }, replace: true })
  return (
    <Page title={lead.name} back={{ link: { to: '/leads/$id', params: { id: lead.id } }, text: 'Lead' }} narrow>
      <LeadForm
        name={lead.id}
        initial={initial}
        now={draftOf(lead)}
        onSave={async (draft, from) => {
          const patch = patchOf(from, draft)
          if (Object.keys(patch).length > 0)
            await write((db) => db.leads.update(lead.id, patch, { seen: seenOf(from) }))
          await toLead()
        }}
        onCancel={() => void toLead()}
      />
    </Page>
  )
}
