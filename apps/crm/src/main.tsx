import './base.css' // First: it names the order of the layers.
import '@holdfast/react/sync.css'
import '@holdfast/react/records.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app/app.tsx'
import { clientOf } from './session/clients.ts'
import { leavePagesOfOthers } from './session/leave-pages.ts'
import { currentSession } from './session/session.ts'

// The database takes longest to open, so it starts before React does.
const session = currentSession()
if (session !== null && window.isSecureContext) clientOf(session).catch(() => {}) // The app shows the failure.

leavePagesOfOthers()

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no element "root".')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
