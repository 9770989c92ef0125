import { MemoryNotice, type SheetLinkProps, SyncBadge } from '@holdfast/react'
import { Link, Outlet } from '@tanstack/react-router'
import { type ReactNode, useRef } from 'react'
import { InboxLink } from '../features/inbox/inbox-link.tsx'
import { RecordName } from '../features/leads/record-name.tsx'
import { useSession } from '../session/session.ts'
import { SignOutDialog } from '../session/sign-out-dialog.tsx'
import { Icon } from '../ui/icon.tsx'
import styles from './app-shell.module.css'
import { FailureNotice } from './failure-notice.tsx'
import { SignedOutNotice } from './signed-out-notice.tsx'

export function AppShell(): ReactNode {
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to content
      </a>
      <header className={styles.header}>
        <Link to="/leads" className={styles.brand} aria-label="Holdfast CRM">
          <img src="/icon.svg" alt="" width="32" height="32" />
          <span>Holdfast CRM</span>
        </Link>
        <nav className={styles.nav} aria-label="Main">
          <Link to="/leads" activeOptions={{ exact: false, includeSearch: false }}>
            <Icon name="list" />
            List
          </Link>
          <Link to="/board">
            <Icon name="board" />
            Board
          </Link>
        </nav>
        <div className={styles.end}>
          <SyncBadge RecordName={RecordName} ConflictsLink={ConflictsLink} InboxLink={InboxLink} />
          <Account />
        </div>
      </header>
      <div className={styles.notices}>
        <MemoryNotice />
        <SignedOutNotice />
        <FailureNotice />
      </div>
      <main id="main" className={styles.main} tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  )
}

function ConflictsLink(props: SheetLinkProps): ReactNode {
  return <Link to="/conflicts" {...props} />
}

function Account(): ReactNode {
  const session = useSession()
  const signOut = useRef<HTMLDialogElement>(null)
  const menu = useRef<HTMLDivElement>(null)
  if (session === null) return null
  const { name, role, user } = session.person
  return (
    <>
      <button type="button" className={styles.account} popoverTarget="account" aria-label="Account">
        <Icon name="person" />
      </button>
      <div ref={menu} id="account" popover="auto" className={styles.menu}>
        <p>
          <bdi>{name}</bdi>
          <span className="dim">
            {role === 'manager' ? 'Manager' : 'Agent'} · <bdi>{user}</bdi>
          </span>
        </p>
        <button
          type="button"
          className="button"
          onClick={() => {
            menu.current?.hidePopover()
            signOut.current?.showModal()
          }}
        >
          Sign out
        </button>
      </div>
      <SignOutDialog dialog={signOut} />
    </>
  )
}
