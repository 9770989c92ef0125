import type { Json } from '@holdfast/core'
import type { RecordNameProps } from '@holdfast/react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useRow } from '../../hooks.ts'

/** A record in the lists of the sync sheet: the lead's name, or the lead that a call belongs to. */
export function RecordName({ collection, record, fields }: RecordNameProps): ReactNode {
  if (collection === 'leads') return <LeadName id={record} typed={fields?.name} />
  return <CallName id={record} />
}

/** `typed`: the name that it was to have. */
function LeadName({ id, typed }: { readonly id: string; readonly typed?: Json | undefined }): ReactNode {
  const { row } = useRow('leads', id)
  if (row === null) return typeof typed === 'string' ? <bdi>{typed}</bdi> : 'A lead that is not here'
  return (
    <Link to="/leads/$id" params={{ id }}>
      <bdi>{row.name}</bdi>
    </Link>
  )
}

function CallName({ id }: { readonly id: string }): ReactNode {
  const { row } = useRow('calls', id)
  if (row === null) return 'A call'
  return (
    <>
      Call with <LeadName id={row.lead} />
    </>
  )
}
