/**
 * The hybrid logical clock (Kulkarni et al. 2014): wall milliseconds that never run backwards on a device, with a counter for
 * writes of the same millisecond. It orders writes for last-write-wins and for nothing else.
 *
 * H1  In an epoch of its clock a device's stamps only grow; when the next one begins, the clock goes on from where the wall clock
 *     was set to, so that the stamps grow once they are corrected.
 */
export interface Hlc {
  readonly ms: number
  readonly counter: number
}

export const hlcZero: Hlc = { ms: 0, counter: 0 }

/** How far a stored stamp may be beyond the server's time. */
export const driftMsMax = 60_000

/** The stamp of a write at `nowMs`, after `last`. */
export function tick(last: Hlc, nowMs: number): Hlc {
  return nowMs > last.ms ? { ms: nowMs, counter: 0 } : { ms: last.ms, counter: last.counter + 1 }
}

/**
 * The maximum that a device goes on from once it knows the server's time (in its own clock's terms): one day at 2099 must
 * not stamp 2099 for ever.
 */
export function pulledBack(last: Hlc, serverNowOnDeviceMs: number): Hlc {
  return last.ms > serverNowOnDeviceMs + driftMsMax ? { ms: serverNowOnDeviceMs, counter: 0 } : last
}

/** A text that orders as (corrected time, counter, device) does. */
export function stampOf(correctedMs: number, counter: number, device: string): string {
  return `${String(Math.max(0, correctedMs)).padStart(15, '0')}.${String(counter).padStart(6, '0')}.${device}`
}
