/**
 * What the server takes upon itself at a time, so that a storm finds it answering: the rest is told to come later (429, 503, with a
 * Retry-After of 1 to 10 s). Sizes that belong to the protocol (a batch, a page, a rescue file) stand in core and are no options.
 */
import { batchBytesMax, UsageError } from '@holdfast/core'

export interface Limits {
  /** Rounds with operations under way. They share transactions, so many are welcome; the store says how many of those run. */
  readonly pushesMax: number
  /** Rounds without operations under way. */
  readonly pullsMax: number
  /** Of devices that begin with nothing, rounds under way: their pages are full. */
  readonly firstPullsMax: number
  /** Parts of snapshots under way. */
  readonly snapshotsMax: number
  /** Rescue files under way. */
  readonly rescuesMax: number
  /**
   * Pages that are read from the store at a time, by all of these; rounds with operations come first. Two or more below the store's
   * connections, so that none of them has to wait there.
   */
  readonly pagesMax: number
  /** Of each kind, requests that wait for their turn; the next one gets 503. */
  readonly waitingMax: number
  /** How long one waits for its turn before it gets 503, in milliseconds. */
  readonly waitMsMax: number

  /** Requests of one user under way, until the reply has been read; the next one gets 429. */
  readonly userRequestsMax: number
  /** Requests per second and user over time; ten seconds of them may come at once. */
  readonly userRequestsPerSecond: number
  /** The same of one device. */
  readonly deviceRequestsMax: number
  readonly deviceRequestsPerSecond: number
  /** Streams of pokes of one user; the next one gets 429. */
  readonly userStreamsMax: number
  /** Streams of pokes; the next one gets 503. */
  readonly streamsMax: number

  /**
   * Bytes of request bodies, as they came and inflated, from their reading to the end of the work on them. The largest rescue file
   * takes 64 MiB; with less here, smaller ones get through.
   */
  readonly bodyBytesMax: number
  /** The same of one user. */
  readonly userBodyBytesMax: number
  /** Bytes of replies that wait for their readers: beyond that no page is begun for a round without operations. */
  readonly replyBytesMax: number

  /** Of `serve`: connections, streams of pokes included; the next one is closed. */
  readonly connectionsMax: number
  /** Of `serve`: how long the headers of a request may take, in milliseconds. */
  readonly headersMsMax: number
  /** Of `serve`: how long a whole request may take to arrive, in milliseconds: a batch of 8 MiB on a slow line. */
  readonly requestMsMax: number
  /** Of `serve`: a connection whose reader takes fewer bytes per second than that, over 30 s, is closed. */
  readonly replyBytesPerSecondMin: number
}

const mebibyte = 1_048_576

export const defaultLimits: Limits = {
  pushesMax: 512,
  pullsMax: 8,
  firstPullsMax: 2,
  snapshotsMax: 8,
  rescuesMax: 2,
  pagesMax: 6,
  waitingMax: 1_000,
  waitMsMax: 5_000,
  userRequestsMax: 32,
  userRequestsPerSecond: 100,
  deviceRequestsMax: 8,
  deviceRequestsPerSecond: 50,
  userStreamsMax: 50,
  streamsMax: 10_000,
  bodyBytesMax: 96 * mebibyte,
  userBodyBytesMax: 64 * mebibyte,
  replyBytesMax: 64 * mebibyte,
  connectionsMax: 20_000,
  headersMsMax: 20_000,
  requestMsMax: 120_000,
  replyBytesPerSecondMin: 1_000,
}

/** A batch as it came and inflated. */
const bodyBytesMin = 2 * batchBytesMax

/** The defaults, and what is given instead of them. Throws UsageError for a name that is none and for what is no limit. */
export function limitsOf(given: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaultLimits, name)) {
      throw new UsageError(`There is no limit "${name}". There are: ${Object.keys(defaultLimits).join(', ')}.`)
    }
    if (value !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(value) && value >= 1)) {
      throw new UsageError(`The limit ${name} is ${value}. Give an integer of 1 or more, or Infinity for none.`)
    }
  }
  const limits = { ...defaultLimits, ...given }
  if (Math.min(limits.bodyBytesMax, limits.userBodyBytesMax) < bodyBytesMin) {
    throw new UsageError(
      `bodyBytesMax and userBodyBytesMax are at least ${bodyBytesMin}: a batch that is as large as the protocol allows must get through.`,
    )
  }
  return limits
}
