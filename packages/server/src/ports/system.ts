/**
 * The port to the machine: time, randomness and timers. Everything else in this package is a function of what it is given.
 *
 * SY1  `nowMs` is wall time; it may jump, so nothing but dates and clock corrections is derived from it.
 * SY2  `after` calls its work once, unless it was cancelled before.
 */
export interface System {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Milliseconds since some moment; never set back. */
  monotonicMs(): number
  randomBytes(count: number): Uint8Array
  /** Runs `work` after at least `delayMs`; answers a function that cancels it. A timer keeps no process alive. */
  after(delayMs: number, work: () => void): () => void
  /** Resolves when what else waits on the event loop has had its turn. */
  breathe(): Promise<void>
}
