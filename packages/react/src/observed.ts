/** A value that changes, in the form that React's `useSyncExternalStore` takes. */
export interface Observed<T> {
  readonly subscribe: (listener: () => void) => () => void
  /** The same object while nothing has changed. */
  readonly snapshot: () => T
}

/** Starts its source with the first subscriber and stops it with the last; the value stays. */
export function observe<T>(initial: T, start: (set: (value: T) => void) => () => void): Observed<T> {
  let value = initial
  let stop: (() => void) | null = null
  const listeners = new Set<() => void>()
  const set = (next: T): void => {
    if (Object.is(next, value)) return
    value = next
    for (const listener of listeners) listener()
  }
  return {
    snapshot: () => value,
    subscribe: (listener) => {
      listeners.add(listener)
      stop ??= start(set)
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0 || stop === null) return
        stop()
        stop = null
      }
    },
  }
}
