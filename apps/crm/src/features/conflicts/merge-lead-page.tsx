import { MergeScreen } from '@holdfast/react/conflicts'
import { useNavigate, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useRow } from '../../hooks.ts'
import { Page } from '../../ui/page.tsx'
import { useToast } from '../../ui/toast.tsx'
import { crmWords } from '../leads/crm-words.ts'

export function MergeLeadPage(): ReactNode {
  const { id } = useParams({ from: '/leads/$id/merge' })
  const { row } = useRow('leads', id)
  const navigate = useNavigate()
  const showToast = useToast()
  const toLead = () => navigate({ to: '/leads/$id', params: { id } })
  return (
    <Page
      title={row === null ? 'To decide' : `To decide: ${row.name}`}
      back={{ link: { to: '/leads/$id', params: { id } }, text: 'Lead' }}
    >
      <MergeScreen
        collection="leads"
        record={id}
        words={crmWords}
        onSaved={() => {
          showToast({ text: 'Decision saved' })
          void toLead()
        }}
        onLater={() => void toLead()}
      />
    </Page>
  )
}
