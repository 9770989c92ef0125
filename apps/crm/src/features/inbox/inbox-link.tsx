import type { SheetLinkProps } from '@holdfast/react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'

export function InboxLink(props: SheetLinkProps): ReactNode {
  return <Link to="/inbox" {...props} />
}
