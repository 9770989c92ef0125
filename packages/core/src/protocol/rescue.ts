/**
 * A rescue file: what a device keeps that the server has not taken, as one text that a person can carry to the server by any
 * way. Operations are in it as they were written, with their own ids, so that what has arrived meanwhile counts once.
 *
 * RF1  The file is taken whole or refused whole: one operation that does not parse, or is another user's, refuses it.
 * RF2  What is too much for one file is several, cut between app transactions. Each is taken by itself; they are brought in their
 *      order, for what is in a later one may hang on what is in an earlier one.
 * RF3  A file says what its device knew of its clock, so that its operations are dated as if the device had sent them.
 */
import type { DeviceClock } from '../clock/corrected-time.ts'
import { EngineError, type ErrorCode, isErrorCode } from '../errors.ts'
import { type DeviceId, parseDeviceId, parseUserId, type UserId } from '../ids.ts'
import { rescueOperationsMax } from './limits.ts'
import { parseOperation } from './operation.ts'
import { malformed, parseArray, parseObject, parseText, parseWhole } from './parser.ts'
import { clockMembers, parseClock, type SentOperation } from './sync-request.ts'

export interface RescueFile {
  readonly user: UserId
  /** The device that wrote the file; its operations may be older than it. */
  readonly device: DeviceId
  /** By the device's wall clock, in milliseconds. */
  readonly exportedAt: number
  /** The version of the app's schema. */
  readonly schema: number
  /** Null: the file is from the second copy, which knows nothing of the clock; times are taken as they are. */
  readonly clock: DeviceClock | null
  /** In local order. */
  readonly items: readonly RescueItem[]
}

export interface RescueItem {
  readonly operation: SentOperation
  /** Why the server refused it; null: it waits. */
  readonly refused: RefusalNote | null
}

export interface RefusalNote {
  readonly code: ErrorCode
  readonly field: string | null
  readonly problem: string
  readonly refusedAt: number
}

export const rescueVersion = 1

/** The text of a file, one operation a line; operations are passed as the texts that the device keeps. */
export function rescueText(
  file: Omit<RescueFile, 'items'> & {
    readonly items: readonly { readonly text: string; readonly refused: RefusalNote | null }[]
  },
): string {
  const { user, device, exportedAt, schema, clock } = file
  const said = { holdfast: 'rescue', version: rescueVersion, user, device, exportedAt, schema }
  const head = JSON.stringify(clock === null ? said : { ...said, clock: clockMembers(clock) })
  const items = file.items.map(({ text, refused }) =>
    refused === null ? `{"operation":${text}}` : `{"operation":${text},"refused":${JSON.stringify(refused)}}`,
  )
  return `${head.slice(0, -1)},"items":[${items.length === 0 ? '' : `\n${items.join(',\n')}\n`}]}\n`
}

/** MALFORMED for anything but a whole file of this version; USER_MISMATCH when it holds operations of somebody else. */
export function parseRescue(input: unknown): RescueFile {
  const o = parseObject(input, 'the rescue file')
  if (o.holdfast !== 'rescue' || o.version !== rescueVersion) {
    malformed('the rescue file', `one that says "holdfast": "rescue", "version": ${rescueVersion}`)
  }
  const user = parseUserId(o.user)
  const items = parseArray(o.items, 'items')
  if (items.length > rescueOperationsMax) {
    throw new EngineError('TOO_LARGE', `A rescue file holds at most ${rescueOperationsMax} operations.`)
  }
  const parsed = items.map(parseItem)
  if (parsed.some(({ operation }) => operation.operation.user !== user)) {
    throw new EngineError('USER_MISMATCH', 'The rescue file holds operations of another user than its own.')
  }
  const ids = new Set(parsed.map(({ operation }) => operation.operation.id))
  if (ids.size < parsed.length) malformed('items', 'operations that are there once')
  return {
    user,
    device: parseDeviceId(o.device),
    exportedAt: parseWhole(o.exportedAt, 'exportedAt', Number.MIN_SAFE_INTEGER),
    schema: parseWhole(o.schema, 'schema', 1),
    clock: o.clock === undefined ? null : parseClock(o.clock),
    items: parsed,
  }
}

function parseItem(input: unknown): RescueItem {
  const o = parseObject(input, 'items')
  return {
    operation: { operation: parseOperation(o.operation), text: JSON.stringify(o.operation) },
    refused: o.refused === undefined ? null : parseRefusal(o.refused),
  }
}

export function parseRefusal(input: unknown): RefusalNote {
  const o = parseObject(input, 'refused')
  return {
    // A later version of the app may know more reasons.
    code: isErrorCode(o.code) ? o.code : 'REFUSED',
    field: o.field === null ? null : parseText(o.field, 'refused.field', 63),
    problem: parseText(o.problem, 'refused.problem', 2_000),
    refusedAt: parseWhole(o.refusedAt, 'refused.refusedAt', Number.MIN_SAFE_INTEGER),
  }
}
