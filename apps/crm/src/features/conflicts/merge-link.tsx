import type { ConflictListProps } from '@holdfast/react/conflicts'
import { Link } from '@tanstack/react-router'
import type { ComponentProps, ReactNode } from 'react'

/** Of this app's collections only leads have fields that ask. */
export function MergeLink({ record, className, children }: ComponentProps<ConflictListProps['MergeLink']>): ReactNode {
  return (
    <Link to="/leads/$id/merge" params={{ id: record }} className={className}>
      {children}
    </Link>
  )
}
