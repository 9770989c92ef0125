import { createRootRoute, createRoute, createRouter, Navigate, redirect } from '@tanstack/react-router'
import { AppShell } from './app/app-shell.tsx'
import { BoardPage } from './features/board/board-page.tsx'
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

const board = createRoute({
  getParentRoute: () => root,
  path: '/board',
  component: BoardPage,
  validateSearch: (input: { readonly [key: string]: unknown }): { readonly owner?: 'mine' } =>
    input.owner === 'mine' ? { owner: 'mine' } : {},
})

export const router = createRouter({
  routeTree: root.addChildren([home, leads, newLead, lead, editLead, board]),
  defaultPreload: false, // Screens are code that is here already; data comes from the device.
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
