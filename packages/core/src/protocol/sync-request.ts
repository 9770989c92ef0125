/** `POST /sync`, upwards: a batch of operations and the place up to which the device has pulled. */

import { earlierEpochsMax } from '../clock/clock-epochs.ts'
import type { DeviceClock, EarlierOffsets } from '../clock/corrected-time.ts'
import { EngineError } from '../errors.ts'
import { type DeviceId, parseDeviceId, parseUserId, type UserId } from '../ids.ts'
import { batchOperationsMax, cursorLengthMax, protocolVersion } from './limits.ts'
import { type Operation, parseOperation } from './operation.ts'
import { malformed, parseArray, parseObject, parseOneOf, parseText, parseWhole } from './parser.ts'

export interface SyncRequest {
  readonly schema: number
  /** Whose database asks: a token of somebody else must not fill it. */
  readonly user: UserId
  readonly device: DeviceId
  readonly clock: DeviceClock
  /** Opaque; null asks for everything. */
  readonly cursor: string | null
  readonly pull: PullKind
  /** What the device still keeps, after this batch, that the server has not taken: not sent, or refused. */
  readonly pending: number
  /** The device whose storage the browser has removed, as this one was told; asked until it is answered. Null for nearly all. */
  readonly previousDevice: DeviceId | null
  readonly operations: readonly SentOperation[]
}

/**
 * What the device wants besides outcomes. 'page': what changed since its cursor. 'snapshot': the same, or a snapshot where there is one
 * ready: its database is empty. 'nothing': it is loading a snapshot.
 */
export type PullKind = (typeof pullKinds)[number]

const pullKinds = ['page', 'snapshot', 'nothing'] as const

/** An operation with the bytes over which its hash is taken. */
export interface SentOperation {
  readonly operation: Operation
  readonly text: string
}

/** Parses a request's body. UPGRADE_REQUIRED when it speaks another protocol, TOO_LARGE when it holds too many operations. */
export function parseSyncRequest(input: unknown): SyncRequest {
  const o = parseObject(input, 'request')
  if (parseWhole(o.protocol, 'request.protocol') !== protocolVersion) {
    throw new EngineError('UPGRADE_REQUIRED', `The server speaks protocol ${protocolVersion}, the app ${o.protocol}.`)
  }
  const operations = o.operations === undefined ? [] : parseArray(o.operations, 'request.operations')
  if (operations.length > batchOperationsMax) {
    throw new EngineError(
      'TOO_LARGE',
      `A batch holds at most ${batchOperationsMax} operations, this one ${operations.length}.`,
    )
  }
  return {
    schema: parseWhole(o.schema, 'request.schema', 1),
    user: parseUserId(o.user),
    device: parseDeviceId(o.device),
    clock: parseClock(o.clock),
    cursor: o.cursor === undefined ? null : parseText(o.cursor, 'request.cursor', cursorLengthMax),
    pull: o.pull === undefined ? 'page' : parseOneOf(o.pull, pullKinds, 'request.pull'),
    pending: o.pending === undefined ? 0 : parseWhole(o.pending, 'request.pending'),
    previousDevice: o.previousDevice === undefined ? null : parseDeviceId(o.previousDevice),
    // JSON.stringify undoes JSON.parse for what our devices write (member order is kept): these are the original bytes.
    operations: operations.map((raw) => ({ operation: parseOperation(raw), text: JSON.stringify(raw) })),
  }
}

/** The body of a request; operations are passed as the texts that the outbox holds. Empty members are left out: an idle round is small. */
export function syncRequestText(
  request: Omit<SyncRequest, 'operations'> & { readonly operations: readonly string[] },
): string {
  const head = JSON.stringify({
    protocol: protocolVersion,
    schema: request.schema,
    user: request.user,
    device: request.device,
    clock: clockMembers(request.clock),
    ...(request.cursor === null ? {} : { cursor: request.cursor }),
    ...(request.pull === 'page' ? {} : { pull: request.pull }),
    ...(request.pending === 0 ? {} : { pending: request.pending }),
    ...(request.previousDevice === null ? {} : { previousDevice: request.previousDevice }),
  })
  return request.operations.length === 0 ? head : `${head.slice(0, -1)},"operations":[${request.operations.join(',')}]}`
}

export function parseClock(input: unknown): DeviceClock {
  const o = parseObject(input, 'request.clock')
  return {
    nowMs: parseWhole(o.now, 'request.clock.now'),
    epoch: parseWhole(o.epoch, 'request.clock.epoch'),
    offsetMs: o.offset === undefined ? 0 : parseWhole(o.offset, 'request.clock.offset', Number.MIN_SAFE_INTEGER),
    guessedFrom: o.guessed === undefined ? null : parseWhole(o.guessed, 'request.clock.guessed'),
    earlier: o.earlier === undefined ? [] : parseEarlier(parseArray(o.earlier, 'request.clock.earlier')),
  }
}

function parseEarlier(pairs: readonly unknown[]): EarlierOffsets {
  const where = 'request.clock.earlier'
  if (pairs.length > earlierEpochsMax) malformed(where, `at most ${earlierEpochsMax} pairs`)
  return pairs.map((pair) => {
    const [epoch, offset] = parseArray(pair, where)
    return [parseWhole(epoch, where), parseWhole(offset, where, Number.MIN_SAFE_INTEGER)]
  })
}

/** What says nothing is left out: a request without operations, or of a right clock, does not grow. */
export function clockMembers({ nowMs, epoch, offsetMs, guessedFrom, earlier }: DeviceClock) {
  return {
    now: nowMs,
    epoch,
    ...(offsetMs === 0 ? {} : { offset: offsetMs }),
    ...(guessedFrom === null ? {} : { guessed: guessedFrom }),
    ...(earlier.length === 0 ? {} : { earlier }),
  }
}
