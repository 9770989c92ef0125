import { useSyncExternalStore } from 'react'
import { observe } from '../observed.ts'

const everyMs = 15_000

/** One clock for all "2 min ago" on a page; it stands still while nothing shows a time. */
const ticker = observe<number>(0, (set) => {
  const tick = (): void => set(Date.now())
  // Not at once: a store may not change while React subscribes to it and renders.
  const first = setTimeout(tick, 0)
  const timer = setInterval(tick, everyMs)
  return () => {
    clearTimeout(first)
    clearInterval(timer)
  }
})

/** The time of the last tick, in milliseconds since 1970; 0 before the first and on a server. */
export function useNow(): number {
  return useSyncExternalStore(ticker.subscribe, ticker.snapshot, () => 0)
}
