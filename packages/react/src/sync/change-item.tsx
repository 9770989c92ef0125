import type { InboxItem, WaitingItem } from '@holdfast/client'
import { errors, type OperationKind } from '@holdfast/core'
import type { ReactNode } from 'react'
import { RelativeTime } from './relative-time.tsx'
import type { RecordNameProps } from './sync-sheet.tsx'

interface ChangeItemProps {
  readonly item: WaitingItem | InboxItem
  readonly isShort: boolean
  readonly RecordName: ((props: RecordNameProps) => ReactNode) | undefined
}

/** One change that waits or was refused: which record, what, since when, and what went wrong. */
export function ChangeItem({ item, isShort, RecordName }: ChangeItemProps): ReactNode {
  const fields = Array.isArray(item.fields) ? item.fields : Object.keys(item.fields)
  return (
    <li className="hf-change">
      <p className="hf-change-name">
        {RecordName === undefined ? (
          <bdi>{item.collection}</bdi>
        ) : (
          <RecordName
            collection={item.collection}
            record={item.record}
            {...('refusedAt' in item ? { fields: { ...item.fields, ...item.was } } : {})}
          />
        )}
      </p>
      <p className="hf-dim">
        {verbs[item.kind]}
        {item.kind !== 'create' && fields.length > 0 && `: ${fields.join(', ')}`}
        {' · '}
        <RelativeTime atMs={'refusedAt' in item ? item.refusedAt : item.writtenAt} />
        {'attempts' in item && item.attempts > 1 && ` · ${item.attempts} attempts`}
      </p>
      {'refusedAt' in item && (isShort ? <p className="hf-problem">{item.problem}</p> : <Refusal item={item} />)}
      {'lastError' in item && item.lastError !== null && !isOffline(item.lastError) && (
        <p className="hf-dim">Last attempt: {withoutCode(item.lastError)}</p>
      )}
    </li>
  )
}

/** What was typed is shown, since the record itself may be gone; then the reason, and what can be done. */
function Refusal({ item }: { readonly item: InboxItem }): ReactNode {
  return (
    <>
      {Object.entries(item.fields).map(([field, value]) => (
        <p key={field} className="hf-value">
          {field}: <bdi>{typeof value === 'string' ? value : JSON.stringify(value)}</bdi>
        </p>
      ))}
      <p className="hf-problem">
        {item.problem} {errors[item.code].fix}
      </p>
    </>
  )
}

/** The state above the list says it for all of them. */
function isOffline(error: string): boolean {
  return error.startsWith('UNREACHABLE')
}

/** The code is for logs; the sentence after it is for people. */
function withoutCode(error: string): string {
  return error.replace(/^[A-Z_]+: /, '')
}

const verbs: { readonly [kind in OperationKind]: string } = {
  create: 'Created',
  update: 'Changed',
  increment: 'Added to',
  add: 'Added to',
  remove: 'Removed from',
  edit: 'Edited',
  delete: 'Deleted',
  restore: 'Restored',
}
