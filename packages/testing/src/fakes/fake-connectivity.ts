/** Connectivity events on a test's word. */
import type { Connectivity, ConnectivityEvent } from '@holdfast/client'

export interface FakeConnectivity extends Connectivity {
  tell(event: ConnectivityEvent): void
}

export function createFakeConnectivity(): FakeConnectivity {
  const listeners = new Set<(event: ConnectivityEvent) => void>()
  return {
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    tell(event) {
      for (const listener of listeners) listener(event)
    },
  }
}
