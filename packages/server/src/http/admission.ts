/**
 * In front of everything that costs: who may come in now. What is refused is refused early, before it has taken a connection of the
 * database, and is told when to come again.
 *
 * AD1  Of each kind of work so many are under way at a time; the others wait, bounded in number and in time: OVERLOADED (503).
 * AD2  Pages are read for rounds with operations first: what people wrote comes in while others pull.
 * AD3  One user, and one device of a user, has so many requests under way and so many over time: TOO_MANY_REQUESTS (429). Others
 *      do not notice.
 * AD4  Bodies that are read and replies that are not have their bytes counted: by process, and bodies by user too.
 */
import { EngineError, type UserId } from '@holdfast/core'
import type { System } from '../ports/system.ts'
import { createRates, createShares } from './allowance.ts'
import { createGate, type Gate } from './gate.ts'
import type { Limits } from './limits.ts'

/** push: a round with operations; pull: one without; first: one of a device that has nothing yet. */
export type Kind = 'push' | 'pull' | 'first' | 'snapshot' | 'rescue'

export interface Admission {
  /** Counts a request of this user from now until its pass ends. Throws TOO_MANY_REQUESTS. */
  begin(user: UserId): Pass
  /** Reads a page in the turn of its kind. */
  readonly readPage: PageTurn
  /** Counts a stream of pokes until the answered function is called. Throws TOO_MANY_REQUESTS or OVERLOADED. */
  stream(user: UserId): () => void
  /** When who was refused may come again, in seconds: 1 to 10, by chance, so that they do not come together. */
  retryAfterSeconds(): number
}

export type PageTurn = <T>(kind: Kind, read: () => Promise<T>) => Promise<T>

/** One request of a user. */
export interface Pass {
  /** Counts the request for this device as well. Throws TOO_MANY_REQUESTS. */
  ofDevice(device: string): void
  /** Counts bytes of the body, until the work is done. Throws OVERLOADED. */
  takeBody(bytes: number): void
  /** Runs the work in its turn. Throws OVERLOADED. */
  run<T>(kind: Kind, work: () => Promise<T>): Promise<T>
  /** The body of the reply. A large one goes in pieces, each when the one before was taken, and ends the pass with the last. */
  reply(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
  /** Ends it, unless a reply does. Any number of times. */
  end(): void
}

export function createAdmission(limits: Limits, system: System): Admission {
  const gateOf = (runningMax: number): Gate => createGate({ ...limits, runningMax }, system)
  const gates: { readonly [K in Kind]: Gate } = {
    push: gateOf(limits.pushesMax),
    pull: gateOf(limits.pullsMax),
    first: gateOf(limits.firstPullsMax),
    snapshot: gateOf(limits.snapshotsMax),
    rescue: gateOf(limits.rescuesMax),
  }
  const pages = gateOf(limits.pagesMax)
  const underWay = { user: createShares(limits.userRequestsMax), device: createShares(limits.deviceRequestsMax) }
  const rates = {
    user: createRates(limits.userRequestsPerSecond),
    device: createRates(limits.deviceRequestsPerSecond),
  }
  const streams = { user: createShares(limits.userStreamsMax), process: createShares(limits.streamsMax) }
  const bodies = { user: createShares(limits.userBodyBytesMax), process: createShares(limits.bodyBytesMax) }
  let replyBytes = 0

  const begin = (user: UserId): Pass => {
    if (!rates.user.take(user, system.nowMs())) throw tooMany('This account asks too often.')
    if (!underWay.user.take(user, 1)) throw tooMany('This account has too many requests under way.')
    let device: string | null = null
    let bodyBytes = 0
    let isReplying = false
    let isOver = false

    const giveBody = (): void => {
      bodies.user.give(user, bodyBytes)
      bodies.process.give(everybody, bodyBytes)
      bodyBytes = 0
    }
    const close = (): void => {
      if (isOver) return
      isOver = true
      giveBody()
      underWay.user.give(user, 1)
      if (device !== null) underWay.device.give(device, 1)
    }

    return {
      ofDevice: (id) => {
        // Two users may have devices of one name: the second would only be in the way of the first.
        const key = `${user} ${id}`
        if (!rates.device.take(key, system.nowMs())) throw tooMany('This device asks too often.')
        if (!underWay.device.take(key, 1)) throw tooMany('This device has too many requests under way.')
        device = key
      },
      takeBody: (bytes) => {
        if (!bodies.user.take(user, bytes)) throw tooMany('This account has too much under way.')
        if (!bodies.process.take(everybody, bytes)) {
          bodies.user.give(user, bytes)
          throw new EngineError('OVERLOADED', 'The server has as many bytes under way as it takes on.')
        }
        bodyBytes += bytes
      },
      run: async (kind, work) => {
        if (kind !== 'push' && kind !== 'rescue' && replyBytes > limits.replyBytesMax) {
          throw new EngineError('OVERLOADED', 'Too many replies wait for their readers.')
        }
        try {
          return await gates[kind].pass(work)
        } finally {
          giveBody()
        }
      },
      reply: (bytes) => {
        if (bytes.length <= pieceBytes) return bytes
        isReplying = true
        replyBytes += bytes.length
        return inPieces(bytes, () => {
          replyBytes -= bytes.length
          close()
        })
      },
      end: () => {
        if (!isReplying) close()
      },
    }
  }

  return {
    begin,
    readPage: (kind, read) => pages.pass(read, { rank: ranks[kind], isPatient: kind === 'push' }),
    stream: (user) => {
      if (!streams.user.take(user, 1)) throw tooMany('This account has too many streams open.')
      if (!streams.process.take(everybody, 1)) {
        streams.user.give(user, 1)
        throw new EngineError('OVERLOADED', 'The server has as many streams open as it takes on.')
      }
      return () => {
        streams.user.give(user, 1)
        streams.process.give(everybody, 1)
      }
    },
    retryAfterSeconds: () => 1 + ((system.randomBytes(1)[0] ?? 0) % 10),
  }
}

/** The key of what is shared by all. */
const everybody = ''

/** AD2 */
const ranks: { readonly [K in Kind]: number } = { push: 0, rescue: 0, pull: 1, snapshot: 2, first: 2 }

/** What a connection holds of a reply besides: so small a one is not counted. */
const pieceBytes = 65_536

function tooMany(problem: string): EngineError {
  return new EngineError('TOO_MANY_REQUESTS', problem)
}

/** @param onOver called once, when the last piece was taken or nobody wants any more. */
function inPieces(bytes: Uint8Array<ArrayBuffer>, onOver: () => void): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        controller.enqueue(bytes.subarray(at, at + pieceBytes))
        at += pieceBytes
        if (at < bytes.length) return
        controller.close()
        onOver()
      },
      cancel: onOver,
    },
    { highWaterMark: 0 },
  )
}
