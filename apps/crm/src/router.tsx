import { createRootRoute, createRoute, createRouter, Navigate, redirect } from '@tanstack/react-router'
import { AppShell } from './app/app-shell.tsx'
import { BoardPage } from './features/board/board-page.tsx'
import { ConflictsPage } from './features/conflicts/conflicts-page.tsx'
import { MergeLeadPage } from './features/conflicts/merge-lead-page.tsx'
import { FixLeadPage } from './features/inbox/fix-lead-page.tsx'
import { InboxPage } from './features/inbox/inbox-page.tsx'
import { EditLeadPage } from './features/leads/edit-lead-page.tsx'
import { LeadListPage } from './features/leads/lead-list-page.tsx'
import { LeadPage } from './features/leads/lead-page.tsx'
import { parseLeadSearch } from './features/leads/lead-search.ts'
import { NewLeadPage } from './features/leads/new-lead-page.tsx'

const root = createRootRoute({ component: AppShell, notFoundComponent: () => <Navigate to="/leads" replace /> })

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/leads', replace: true })
  },
})

const leads = createRoute({
  getParentRoute: () => root,
  path: '/leads',
  component: LeadListPage,
  validateSearch: parseLeadSearch,
})

const newLead = createRoute({ getParentRoute: () => root, path: '/leads/new', component: NewLeadPage })
const lead = createRoute({ getParentRoute: () => root, path: '/leads/$id', component: LeadPage })
const editLead = createRoute({ getParentRoute: () => root, path: '/leads/$id/edit', component: EditLeadPage })
const mergeLead = createRoute({ getParentRoute: () => root, path: '/leads/$id/merge', component: MergeLeadPage })

const conflicts = createRoute({ getParentRoute: () => root, path: '/conflicts', component: ConflictsPage })
const inbox = createRoute({ getParentRoute: () => root, path: '/inbox', component: InboxPage })
const fixLead = createRoute({ getParentRoute: () => root, path: '/inbox/$id', component: FixLeadPage })

const board = createRoute({
  getParentRoute: () => root,
  path: '/board',
  component: BoardPage,
  validateSearch: (input: { readonly [key: string]: unknown }): { readonly owner?: 'mine' } =>
    input.owner === 'mine' ? { owner: 'mine' } : {},
})

export const router = createRouter({
  routeTree: root.addChildren([home, leads, newLead, lead, editLead, mergeLead, conflicts, inbox, fixLead, board]),
  defaultPreload: false, // Screens are code that is here already; data comes from the device.
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
