/** `POST /sync`, upwards: a batch of operations and the place up to which the device has pulled. */

import type { DeviceClock } from '../clock/corrected-time.ts'
import { EngineError } from '../errors.ts'
import { type DeviceId, parseDeviceId, parseUserId, type UserId } from '../ids.ts'
import { batchOperationsMax, cursorLengthMax, protocolVersion } from './limits.ts'
import { type Operation, parseOperation } from './operation.ts'
import { parseArray, parseObject, parseText, parseWhole } from './parser.ts'

export interface SyncRequest {
  readonly schema: number
  /** Whose database asks: a token of somebody else must not fill it. */
  readonly user: UserId
  readonly device: DeviceId
  readonly clock: DeviceClock
  /** Opaque; null asks for everything. */
  readonly cursor: string | null
  readonly operations: readonly SentOperation[]
}

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
  const clock = parseObject(o.clock, 'request.clock')
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
    clock: {
      nowMs: parseWhole(clock.now, 'request.clock.now'),
      epoch: parseWhole(clock.epoch, 'request.clock.epoch'),
    },
    cursor: o.cursor === undefined ? null : parseText(o.cursor, 'request.cursor', cursorLengthMax),
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
    clock: { now: request.clock.nowMs, epoch: request.clock.epoch },
    ...(request.cursor === null ? {} : { cursor: request.cursor }),
  })
  return request.operations.length === 0 ? head : `${head.slice(0, -1)},"operations":[${request.operations.join(',')}]}`
}
