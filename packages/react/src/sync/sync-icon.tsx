import type { ReactNode } from 'react'
import type { SyncTone } from './sync-words.ts'

/** A shape for each state, since colour alone tells nothing to many. */
export function SyncIcon({ tone }: { readonly tone: SyncTone }): ReactNode {
  return (
    <svg className={`hf-icon hf-icon-${tone}`} viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      {shapes[tone]}
    </svg>
  )
}

const cloud = 'M6 15.5a3.8 3.8 0 0 1-.5-7.57 4.8 4.8 0 0 1 9.26.9A3.35 3.35 0 0 1 14.5 15.5Z'
const device =
  'M6.5 2.75h7a1.5 1.5 0 0 1 1.5 1.5v11.5a1.5 1.5 0 0 1-1.5 1.5h-7a1.5 1.5 0 0 1-1.5-1.5V4.25a1.5 1.5 0 0 1 1.5-1.5Z'

const shapes: { readonly [tone in SyncTone]: ReactNode } = {
  opening: <circle cx="10" cy="10" r="6.5" strokeDasharray="2 3.1" />,
  synced: (
    <>
      <path d={cloud} />
      <path d="m7.9 11.4 1.6 1.6 2.9-3.1" />
    </>
  ),
  saved: (
    <>
      <path d={device} />
      <path d="m7.7 10 1.6 1.6 3-3.2" />
    </>
  ),
  syncing: (
    <>
      <path d="M16.2 9A6.4 6.4 0 0 0 4.9 6.2L3.6 7.6M3.6 3.9v3.7h3.7" />
      <path d="M3.8 11a6.4 6.4 0 0 0 11.3 2.8l1.3-1.4m0 3.7v-3.7h-3.7" />
    </>
  ),
  offline: (
    <>
      <path d={cloud} />
      <path d="m3.5 3.5 13 13" />
    </>
  ),
  waiting: (
    <>
      <circle cx="10" cy="10" r="6.75" />
      <path d="M10 6.4V10l2.5 1.7" />
    </>
  ),
  attention: (
    <>
      <path d="M10 3.2 17.3 16H2.7Z" />
      <path d="M10 8v3.6M10 13.6v.1" />
    </>
  ),
}
