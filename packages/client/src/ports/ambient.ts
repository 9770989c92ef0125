/** What the engine may not take from its surroundings: time, randomness, timers. Fakes of these make a simulation deterministic. */

/** The wall clock, in milliseconds since 1970; it may jump. */
export interface Clock {
  now(): number
  /** Milliseconds since some start; it never jumps. */
  monotonic(): number
}

export interface Random {
  /** A float in [0, 1). */
  next(): number
  /** A new UUIDv7, lower case. */
  uuid(): string
}

export interface Timers {
  /** Runs the callback once after `delayMs`; answers its cancellation. */
  after(delayMs: number, callback: () => void): () => void
}

export interface Ambient {
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
}
