import { driftMsMax } from './hlc.ts'

/** What a request says about its device's clock. */
export interface DeviceClock {
  /** The device's wall clock when the request was sent. */
  readonly nowMs: number
  /** Counts the jumps of the device's clock that the device noticed. */
  readonly epoch: number
}

/** Latency is not skew: a difference this small is read as a correct clock, so that times do not jump at the acknowledgement. */
export const skewMsMin = 2_000

/** What to add to a time of the device to get the server's, both in milliseconds. */
export function clockOffset(serverNowMs: number, deviceNowMs: number): number {
  const offset = serverNowMs - deviceNowMs
  return Math.abs(offset) < skewMsMin ? 0 : offset
}

/**
 * The server's time of a write made at `deviceMs` in clock epoch `epoch`. The offset measured at sending holds only for writes
 * of the same epoch; nothing is stored beyond server time + 60 s.
 */
export function correctedTime(deviceMs: number, epoch: number, clock: DeviceClock, serverNowMs: number): number {
  const corrected = epoch === clock.epoch ? deviceMs + clockOffset(serverNowMs, clock.nowMs) : deviceMs
  return Math.min(Math.max(corrected, 0), epoch === clock.epoch ? serverNowMs + driftMsMax : serverNowMs)
}
