/** Cold start of the peer: Dexie opens and answers the list, shown by React as in ours, so that only the data differs. */
import { createElement, useLayoutEffect } from 'react'
import { createRoot } from 'react-dom/client'
import type { Lead } from '../workload.ts'
import { type ColdTimes, coldQuery } from './cold.ts'
import { listDexie } from './dexie-leads.ts'

let resolve: (times: ColdTimes) => void = () => {}
globalThis.holdfastCold = new Promise((settle) => {
  resolve = settle
})

const list = document.getElementById('list')
if (list === null) throw new Error('The page has no list.')
const root = createRoot(list)
void listDexie(coldQuery).then((leads) => root.render(createElement(Leads, { leads })))

function Leads({ leads }: { readonly leads: readonly Lead[] }) {
  useLayoutEffect(() => {
    const atMs = performance.now()
    resolve({ listMs: atMs, databaseMs: atMs })
  }, [])
  return leads.map((lead) => createElement('li', { key: lead.id }, lead.name))
}
