/**
 * The server's time of what a device wrote by its own clock.
 *
 * CT1  Within an epoch the order and the distances of times stay; a right clock is not touched.
 * CT2  The time that a request was under way is not skew: an offset that the device has measured counts for more than what the
 *      server sees, as long as the way of the request explains the difference.
 * CT3  [I-21] Nothing is dated beyond server time + 60 s, nor what was written before the device's clock jumped last beyond server time.
 */
import { driftMsMax } from './hlc.ts'

/** A look at a device's clock. */
export interface ClockReading {
  readonly nowMs: number
  /** Which of the device's clock epochs it was in; see `ClockEpochs`. */
  readonly epoch: number
}

/** What a request says about its device's clock, read when it was sent. */
export interface DeviceClock extends ClockReading {
  /** What to add to the clock of this epoch to get the server's time, as far as the device knows. */
  readonly offsetMs: number
  /** The epoch from which on the offsets are guesses that hang together: when one is found wrong, all are by as much. */
  readonly guessedFrom: number | null
  readonly earlier: EarlierOffsets
}

/** The offsets of earlier epochs, in order: each pair holds from its epoch on until the next pair, and before the first it is 0. */
export type EarlierOffsets = readonly (readonly [fromEpoch: number, offsetMs: number])[]

/** The offsets by which the server dates the operations of one request. */
export interface AgreedClock extends Omit<DeviceClock, 'nowMs'> {
  /** By how much the guesses were wrong. */
  readonly missedMs: number
}

/** Latency is not skew: a difference this small is read as a correct clock, so that times do not jump at the acknowledgement. */
export const skewMsMin = 2_000
/** The longest time that a request is believed to have been under way. */
export const uploadMsMax = 600_000
/** The same for a request without weight whose device has not measured its offset: the device gives up about then. */
const waitMsMax = 30_000
/** The slowest link that a large request is meant to get through. */
const uploadBytesPerMs = 8

/** An offset that is too small to be told from latency is none. */
export function clockOffset(offsetMs: number): number {
  return Math.abs(offsetMs) < skewMsMin ? 0 : offsetMs
}

/**
 * Chooses between what the device says of its offset and what the server sees. A request cannot have been sent after it arrived,
 * nor was it under way for longer than an upload takes: a device that says so is mistaken, and what the server sees counts.
 *
 * @param arrival the server's clock when the request had arrived, and how many bytes of operations came with it.
 */
export function agreedClock(
  { nowMs, ...said }: DeviceClock,
  arrival: { readonly serverNowMs: number; readonly bytes: number },
): AgreedClock {
  const seenMs = arrival.serverNowMs - nowMs
  const slowMs = waitMsMax + Math.ceil(arrival.bytes / uploadBytesPerMs)
  const wayMsMax = said.guessedFrom === null ? uploadMsMax : Math.min(uploadMsMax, slowMs)
  const isPossible = said.offsetMs <= seenMs + skewMsMin && said.offsetMs >= seenMs - wayMsMax
  const offsetMs = isPossible ? said.offsetMs : clockOffset(seenMs)
  return { ...said, offsetMs, missedMs: offsetMs - said.offsetMs }
}

/** The server's time, in milliseconds, of a write made at `deviceMs` in clock epoch `epoch`. */
export function correctedTime(deviceMs: number, epoch: number, clock: AgreedClock, serverNowMs: number): number {
  const isCurrent = epoch === clock.epoch
  const correctedMs = deviceMs + (isCurrent ? clock.offsetMs : earlierOffset(epoch, clock))
  return Math.min(Math.max(correctedMs, 0), isCurrent ? serverNowMs + driftMsMax : serverNowMs)
}

function earlierOffset(epoch: number, { earlier, guessedFrom, missedMs }: AgreedClock): number {
  const saidMs = earlier.findLast(([from]) => from <= epoch)?.[1] ?? 0
  return guessedFrom !== null && epoch >= guessedFrom ? saidMs + missedMs : saidMs
}
