import type { ReactNode } from 'react'
import { useNow } from './ticker.ts'

/** "2 min ago", kept fresh; the exact time is in the tooltip. */
export function RelativeTime({ atMs }: { readonly atMs: number }): ReactNode {
  const now = useNow()
  const at = new Date(atMs)
  return (
    <time dateTime={at.toISOString()} title={exact.format(at)}>
      {relativeText(atMs, now === 0 ? Date.now() : now)}
    </time>
  )
}

export function relativeText(atMs: number, nowMs: number): string {
  const seconds = Math.round((atMs - nowMs) / 1_000)
  if (seconds > -45) return 'just now' // A clock that was set back gives times to come: the same words serve.
  for (const [unit, unitSeconds] of units) {
    if (-seconds >= unitSeconds * 0.95) return relative.format(Math.round(seconds / unitSeconds), unit)
  }
  return relative.format(-1, 'minute')
}

const units = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const
const relative = new Intl.RelativeTimeFormat('en', { style: 'short', numeric: 'always' })
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })
