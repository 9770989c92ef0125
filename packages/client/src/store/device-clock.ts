/**
 * The device's clock as operations carry it and as rows are dated by: the shell around core's clock epochs, which finds the jumps
 * of the wall clock by the monotonic one.
 */
import {
  type ClockEpochs,
  type ClockReading,
  clockSetBy,
  type DeviceClock,
  deviceClock,
  measured,
  nextEpoch,
  type Operation,
  offsetOfEpoch,
  pulledBack,
  skewMsMin,
  tick,
} from '@holdfast/core'
import type { Clock } from '../ports/ambient.ts'
import type { ClockState, Meta } from './meta.ts'

type WriteTime = Pick<Operation['time'], 'at' | 'epoch'>

export interface DeviceTime {
  /** The wall clock, and whether it has jumped since the last look that was accepted. */
  look(): { readonly nowMs: number; readonly hasJumped: boolean }
  /** Called when a jump, if there was one, is in the database: an epoch that could not be saved is noticed again. */
  accept(): void
  /**
   * Starts an epoch after the jump that the last look saw. `isKept`: there are operations, see `hasOperations`. Answers
   * whether dates that are shown change by it.
   */
  startEpoch(isKept: boolean): boolean
  /** Takes up the clock of an earlier process, which nobody has watched since: an epoch starts when there are such operations. */
  resume(isKept: boolean): boolean
  /** Gives the next sequence number and stamp. */
  next(nowMs: number): ClockState
  /** What a request says of the clock. */
  sentAt(nowMs: number, carries: 'operations' | 'nothing'): DeviceClock
  /** Takes the server's time of a reply into account; answers whether dates that are shown change by it. */
  hear(serverTimeMs: number, exchange: { readonly sentMs: number; readonly receivedMs: number }): boolean
  /** A look at the clock in this epoch's terms; -Infinity when its own epoch is forgotten. */
  inThisEpoch(reading: ClockReading): number
  /** Called when no operation is left. */
  forgetEarlier(): void
  /** The time by which the device dates an operation until the server does. */
  dateOf(time: WriteTime): number
}

export function createDeviceTime(clock: Clock, meta: Meta): DeviceTime {
  let accepted = read()
  let latest = accepted

  /** A clock before 1970 counts as one that stands still there. */
  function read() {
    return { wallMs: Math.max(0, Math.trunc(clock.now())), monotonicMs: clock.monotonic() }
  }

  function jumpMs(): number {
    return Math.round(latest.wallMs - accepted.wallMs - (latest.monotonicMs - accepted.monotonicMs))
  }

  function begin(setMs: number, isKept: boolean): boolean {
    const { clock: known } = meta.state
    const epochs = nextEpoch(known, { setMs, isKept })
    const { ms, counter } = known.hlc
    // The stamps go on where they were, by the clock as it is now: a day at 2099 ends with the clock that showed it.
    meta.set({ clock: { ...known, ...epochs, hlc: { ms: Math.max(0, ms + setMs), counter } } })
    return isDatedAnew(known, epochs)
  }

  return {
    look: () => {
      latest = read()
      return { nowMs: latest.wallMs, hasJumped: Math.abs(jumpMs()) > skewMsMin }
    },
    accept: () => {
      accepted = latest
    },
    startEpoch: (isKept) => begin(clockSetBy(jumpMs()), isKept),
    resume: (isKept) => {
      const { clock: known } = meta.state
      // How much time has passed since the last write is unknown: none at the least.
      if (isKept) return begin(clockSetBy(latest.wallMs - known.hlc.ms), isKept)
      meta.set({ clock: { ...known, isMeasured: false, earlier: [] } })
      return false
    },
    next: (nowMs) => {
      const { clock: last } = meta.state
      const given = { ...last, seq: last.seq + 1, hlc: tick(last.hlc, nowMs) }
      meta.set({ clock: given })
      return given
    },
    sentAt: (nowMs, carries) => {
      // Without operations there is nothing to date, and an idle round stays small.
      const nothing = { nowMs, epoch: meta.state.clock.epoch, offsetMs: 0, guessedFrom: null, earlier: [] }
      return carries === 'nothing' ? nothing : deviceClock(meta.state.clock, nowMs)
    },
    hear: (serverTimeMs, { sentMs, receivedMs }) => {
      const { clock: known } = meta.state
      const epochs = measured(known, { sentMs, receivedMs, serverTimeMs })
      meta.set({ clock: { ...known, ...epochs, hlc: pulledBack(known.hlc, receivedMs) } })
      return isDatedAnew(known, epochs)
    },
    inThisEpoch: ({ nowMs, epoch }) => {
      const { clock: known } = meta.state
      return nowMs + (offsetOfEpoch(known, epoch) ?? Number.NEGATIVE_INFINITY) - known.offsetMs
    },
    forgetEarlier: () => meta.set({ clock: { ...meta.state.clock, earlier: [] } }),
    dateOf: ({ at, epoch }) => at + (offsetOfEpoch(meta.state.clock, epoch) ?? 0),
  }
}

/** Whether operations of epochs that both know have another date now. */
function isDatedAnew(before: ClockEpochs, after: ClockEpochs): boolean {
  return [...before.earlier, before].some(({ epoch, offsetMs }) => {
    const now = offsetOfEpoch(after, epoch)
    return now !== null && now !== offsetMs
  })
}
