/**
 * The port to exclusive locks between the contexts of one device (tabs, workers).
 *
 * LE1  At any moment at most one holder of a name.
 * LE2  The lock of a context that ended, however it ended, passes on without anybody's help.
 * LE3  Waiters are served in the order of their requests.
 */
export interface Leases {
  /** Resolves with the release when the lock is held. Rejects when `signal` aborts while it waits. */
  acquire(name: string, signal: AbortSignal): Promise<() => void>
}
