/** What the platform says of the network and of the person's attention. It is a hint: only a request proves anything. */

export type ConnectivityEvent = 'online' | 'offline' | 'foreground'

export interface Connectivity {
  /** Answers how to stop. */
  watch(listener: (event: ConnectivityEvent) => void): () => void
}

/** Where the platform says nothing (Node): timers and the poke stream do the work. */
export const noConnectivity: Connectivity = { watch: () => () => {} }
