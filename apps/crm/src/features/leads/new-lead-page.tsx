import { useNavigate, useRouter } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useWrite } from '../../hooks.ts'
import { useMe } from '../../session/session.ts'
import { Page } from '../../ui/page.tsx'
import { emptyDraft, valuesOf } from './lead-draft.ts'
import { LeadForm } from './lead-form.tsx'

export function NewLeadPage(): ReactNode {
  const write = useWrite()
  const me = useMe()
  const navigate = useNavigate()
  const { history } = useRouter()
  return (
    <Page title="New lead" back={{ link: { to: '/leads' }, text: 'Leads' }} narrow>
      <LeadForm
        name="new"
        initial={emptyDraft}
        onSave={async (draft) => {
          const id = await write((db) => db.leads.create({ owner: me.user, ...valuesOf(draft) }))
          await navigate({ to: '/leads/$id', params: { id }, replace: true })
        }}
        onCancel={() => (history.canGoBack() ? history.back() : void navigate({ to: '/leads' }))}
      />
    </Page>
  )
}
