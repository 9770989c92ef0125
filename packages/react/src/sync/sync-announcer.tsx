import { type ReactNode, useEffect, useRef, useState } from 'react'
import { announcementOf } from './sync-words.ts'
import { useSyncStatus } from './use-sync.ts'

/** Something that flaps says nothing until it has come to rest. */
const restMs = 2_500

/** A polite live region: one sentence when sync has come to rest, and only when it differs from the last one. */
export function SyncAnnouncer(): ReactNode {
  const text = announcementOf(useSyncStatus())
  const [said, setSaid] = useState('')
  const last = useRef<string | null>(null)
  useEffect(() => {
    if (text === null) return
    const timer = setTimeout(() => {
      // The first state of a page is no news.
      if (last.current !== null && last.current !== text) setSaid(text)
      last.current = text
    }, restMs)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <span className="hf-visually-hidden" aria-live="polite">
      {said}
    </span>
  )
}
