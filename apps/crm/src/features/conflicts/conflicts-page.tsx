import { ConflictList } from '@holdfast/react/conflicts'
import type { ReactNode } from 'react'
import { Page } from '../../ui/page.tsx'
import { crmWords } from '../leads/crm-words.ts'
import { RecordName } from '../leads/record-name.tsx'
import { MergeLink } from './merge-link.tsx'

export function ConflictsPage(): ReactNode {
  return (
    <Page title="To decide" back={{ link: { to: '/leads' }, text: 'Leads' }} narrow>
      <ConflictList words={crmWords} RecordName={RecordName} MergeLink={MergeLink} />
    </Page>
  )
}
