/**
 * What a device knows of its own clock. An *epoch* is a stretch of time in which the device could watch its wall clock without a gap
 * and saw no jump: in it the offset to the server's time is one number. A jump starts an epoch, and so does a process that finds
 * unsettled operations of the one before, for nobody knows what became of the clock in between.
 *
 * CE1  An offset is measured by exchanges with the server: the server looked at its clock between sending and receipt. Of the offsets
 *      that this allows, the one nearest to what was believed is taken, so that a slow exchange moves nothing without need.
 * CE2  An epoch that was measured keeps its offset when the next one begins; the next one's is guessed from it and from the jump.
 * CE3  One that was never measured moves with the epoch that follows it, by the jump between them.
 */
import { clockOffset, type DeviceClock, type EarlierOffsets, skewMsMin } from './corrected-time.ts'

export interface ClockEpochs {
  readonly epoch: number
  /** What to add to the wall clock of this epoch to get the server's time. */
  readonly offsetMs: number
  /** Whether it was measured in this epoch, or is a guess. */
  readonly isMeasured: boolean
  /** Epochs of which operations may be unsettled, oldest first. An entry stands for those that follow it as well, up to the next. */
  readonly earlier: readonly EarlierEpoch[]
}

export type EarlierEpoch = Omit<ClockEpochs, 'earlier'>

/** Entries that are remembered: a clock that stands still makes one with each write. What is older counts as right. */
export const earlierEpochsMax = 1_000
/** An exchange that took longer bounds the offset and does not measure it. */
const exchangeMsMax = 5_000
/** A clock that went on by more than this was set: no device sleeps that long. */
const absentMsMax = 365 * 24 * 60 * 60 * 1_000

export const noEpochs: ClockEpochs = { epoch: 0, offsetMs: 0, isMeasured: false, earlier: [] }

/**
 * By how much a wall clock was set that jumped by `jumpMs` against the time that is known to have passed. A step forward is most
 * often sleep, in which monotonic clocks of browsers and of Node stand still; a step back, or one of years, was a hand or a network.
 */
export function clockSetBy(jumpMs: number): number {
  return jumpMs < -skewMsMin || jumpMs > absentMsMax ? jumpMs : 0
}

/**
 * Begins an epoch.
 *
 * @param setMs by how much the wall clock was set in between, see `clockSetBy`.
 * @param isKept whether operations of the epoch that ends are unsettled.
 */
export function nextEpoch(known: ClockEpochs, { setMs, isKept }: { setMs: number; isKept: boolean }): ClockEpochs {
  const carriedMs = known.offsetMs - setMs
  // Of two clocks that nobody has measured, the one that was set is believed.
  const offsetMs = clockOffset(known.isMeasured || setMs === 0 ? carriedMs : 0)
  const { epoch, isMeasured } = known
  const ended = isKept ? [...known.earlier, { epoch, offsetMs: known.offsetMs, isMeasured }] : known.earlier
  // Those before a measured one are known through it, as well as they ever will be.
  const earlier = isMeasured
    ? ended.map((before) => ({ ...before, isMeasured }))
    : moveUnmeasured(ended, offsetMs - carriedMs)
  const entries = earlier.filter((entry, index) => !isSame(earlier[index - 1], entry))
  return { epoch: epoch + 1, offsetMs, isMeasured: false, earlier: entries.slice(-earlierEpochsMax) }
}

/**
 * What is known after an exchange with the server.
 *
 * @param exchange when the request left and its reply came, by the clock of this epoch (`sentMs` is -Infinity where that cannot be
 *   said), and the server's time in between.
 */
export function measured(
  known: ClockEpochs,
  { sentMs, receivedMs, serverTimeMs }: { sentMs: number; receivedMs: number; serverTimeMs: number },
): ClockEpochs {
  const nearestMs = clockOffset(Math.min(Math.max(known.offsetMs, serverTimeMs - receivedMs), serverTimeMs - sentMs))
  // What differs less is noise of the network, and dates that are shown do not move for it.
  const byMs = Math.abs(nearestMs - known.offsetMs) < skewMsMin ? 0 : nearestMs - known.offsetMs
  return {
    ...known,
    offsetMs: known.offsetMs + byMs,
    isMeasured: known.isMeasured || receivedMs - sentMs <= exchangeMsMax,
    earlier: moveUnmeasured(known.earlier, byMs),
  }
}

/** The offset of an epoch; null of one that is not remembered. */
export function offsetOfEpoch(known: ClockEpochs, epoch: number): number | null {
  if (epoch === known.epoch) return known.offsetMs
  return epoch > known.epoch ? null : (known.earlier.findLast((entry) => entry.epoch <= epoch)?.offsetMs ?? null)
}

/** What a request with operations says of a device's clock. */
export function deviceClock({ epoch, offsetMs, isMeasured, earlier }: ClockEpochs, nowMs: number): DeviceClock {
  const guessedFrom = isMeasured ? null : (earlier.find((entry) => !entry.isMeasured)?.epoch ?? epoch)
  return { nowMs, epoch, offsetMs, guessedFrom, earlier: earlierOffsets(earlier) }
}

function earlierOffsets(earlier: readonly EarlierEpoch[]): EarlierOffsets {
  const pairs = earlier.map(({ epoch, offsetMs }) => [epoch, offsetMs] as const)
  return pairs.filter(([, offsetMs], index) => offsetMs !== (pairs[index - 1]?.[1] ?? 0))
}

function isSame(one: EarlierEpoch | undefined, other: EarlierEpoch): boolean {
  return one?.offsetMs === other.offsetMs && one.isMeasured === other.isMeasured
}

function moveUnmeasured(epochs: readonly EarlierEpoch[], byMs: number): readonly EarlierEpoch[] {
  if (byMs === 0) return epochs
  return epochs.map((before) => (before.isMeasured ? before : { ...before, offsetMs: before.offsetMs + byMs }))
}
