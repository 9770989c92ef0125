/**
 * The device's clock as operations carry it and as rows are dated by. The wall clock may jump; a jump starts a new epoch, and
 * the offset to the server's time holds only for the epoch in which it was measured.
 */
import { clockOffset, pulledBack, tick } from '@holdfast/core'
import type { Clock } from '../ports/ambient.ts'
import type { ClockState, Meta } from './meta.ts'

/** Wall clock and monotonic clock may drift apart this much between two looks before it counts as a jump. */
const jumpMsMin = 2_000
/** An offset measured anew is noise of the network unless it differs this much. */
const offsetChangeMsMin = 2_000

export interface DeviceTime {
  /** The wall clock, and whether it has jumped since the last look that was accepted. */
  look(): { readonly nowMs: number; readonly hasJumped: boolean }
  /** Called when a jump, if there was one, is in the database: an epoch that could not be saved is noticed again. */
  accept(): void
  startEpoch(): void
  /** Whether the wall clock was set back since this write of the same epoch, while nobody looked. */
  isBefore(time: { readonly at: number; readonly epoch: number } | null): boolean
  /** Gives the next sequence number and stamp. */
  next(nowMs: number): ClockState
  /** Takes the server's time of a reply into account; answers whether dates that are shown change by it. */
  hear(serverTimeMs: number, exchange: { readonly sentMs: number; readonly receivedMs: number }): boolean
  /** The time by which the device dates an operation until the server does. */
  dateOf(time: { readonly at: number; readonly epoch: number }): number
}

export function createDeviceTime(clock: Clock, meta: Meta): DeviceTime {
  let accepted = { wallMs: clock.now(), monotonicMs: clock.monotonic() }
  let latest = accepted

  return {
    look: () => {
      latest = { wallMs: Math.trunc(clock.now()), monotonicMs: clock.monotonic() }
      const wallMs = latest.wallMs - accepted.wallMs
      const monotonicMs = latest.monotonicMs - accepted.monotonicMs
      return { nowMs: latest.wallMs, hasJumped: Math.abs(wallMs - monotonicMs) > jumpMsMin }
    },
    accept: () => {
      accepted = latest
    },
    startEpoch: () => {
      const { clock: last } = meta.state
      meta.set({ clock: { ...last, epoch: last.epoch + 1, offsetMs: 0 } })
    },
    isBefore: (time) => time !== null && time.epoch === meta.state.clock.epoch && latest.wallMs < time.at - jumpMsMin,
    next: (nowMs) => {
      const { clock: last } = meta.state
      const given = { ...last, seq: last.seq + 1, hlc: tick(last.hlc, Math.max(0, nowMs)) }
      meta.set({ clock: given })
      return given
    },
    hear: (serverTimeMs, { sentMs, receivedMs }) => {
      const { clock: last } = meta.state
      // The server looked at its clock some time between: any offset of that span may be the true one.
      const nearestMs = Math.min(Math.max(last.offsetMs, serverTimeMs - receivedMs), serverTimeMs - sentMs)
      const measuredMs = clockOffset(nearestMs, 0)
      const offsetMs = Math.abs(measuredMs - last.offsetMs) < offsetChangeMsMin ? last.offsetMs : measuredMs
      meta.set({ clock: { ...last, offsetMs, hlc: pulledBack(last.hlc, Math.max(0, receivedMs)) } })
      return offsetMs !== last.offsetMs
    },
    dateOf: (time) => {
      const { clock: last } = meta.state
      return time.at + (time.epoch === last.epoch ? last.offsetMs : 0)
    },
  }
}
