/** Cold start of ours, as an app does it: React, the hooks, a remembered answer painted until the database has opened. */
import { createHooks } from '@holdfast/react'
import { useLayoutEffect } from 'react'
import { createRoot } from 'react-dom/client'
import { crm } from '../../apps/crm/src/schema.ts'
import { type ColdTimes, coldQuery, identityKey } from './cold.ts'
import { type Identity, openOurs } from './open-ours.ts'
import { listOf } from './queries.ts'

const { Provider, useLiveQuery } = createHooks(crm)
const times: { listMs: number | null; resolve: (times: ColdTimes) => void } = { listMs: null, resolve: () => {} }

globalThis.holdfastCold = new Promise((resolve) => {
  times.resolve = resolve
})

const identity: Identity = JSON.parse(localStorage.getItem(identityKey) ?? '')
const list = document.getElementById('list')
if (list === null) throw new Error('The page has no list.')
createRoot(list).render(
  <Provider client={openOurs(identity)} user={identity.user}>
    <Leads />
  </Provider>,
)

function Leads() {
  const { rows, status } = useLiveQuery((q) => listOf(q, coldQuery.owner, coldQuery.stage), { deps: [] })
  useLayoutEffect(() => {
    if (rows.length === 0) return
    times.listMs ??= performance.now()
    if (status === 'complete') times.resolve({ listMs: times.listMs, databaseMs: performance.now() })
  }, [rows, status])
  return rows.map(({ id, name }) => <li key={id}>{name}</li>)
}
