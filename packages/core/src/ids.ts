import { EngineError } from './errors.ts'
import { isStorableText } from './json.ts'

declare const brand: unique symbol
/** A string that only its parser makes. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** UUIDv7 of an operation: its idempotency key together with the user. */
export type OperationId = Brand<string, 'OperationId'>
/** One app transaction; its operations take effect as a unit. */
export type TransactionId = Brand<string, 'TransactionId'>
/** One installation of one app for one user. */
export type DeviceId = Brand<string, 'DeviceId'>
export type UserId = Brand<string, 'UserId'>
/** One life of the server's database; a restore starts another. */
export type Generation = Brand<string, 'Generation'>

/** A record's id is the app's own: any storable text of 1 to 64 characters, made by the client as UUIDv7. */
export type RecordId = string

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export const recordIdLengthMax = 64
export const userIdLengthMax = 128

export const parseOperationId = (input: unknown): OperationId => parseUuid(input, 'operation id') as OperationId
export const parseTransactionId = (input: unknown): TransactionId => parseUuid(input, 'transaction id') as TransactionId
export const parseDeviceId = (input: unknown): DeviceId => parseUuid(input, 'device id') as DeviceId

export function parseUserId(input: unknown): UserId {
  if (typeof input === 'string' && input.length > 0 && input.length <= userIdLengthMax && isStorableText(input)) {
    return input as UserId
  }
  throw new EngineError('MALFORMED', `A user id must be text of 1 to ${userIdLengthMax} characters.`)
}

export function parseGeneration(input: unknown): Generation {
  if (typeof input === 'string' && /^[0-9a-z]{4,32}$/.test(input)) return input as Generation
  throw new EngineError('MALFORMED', 'A generation must be 4 to 32 lower-case letters or digits.')
}

export function isRecordId(input: unknown): input is RecordId {
  return typeof input === 'string' && input.length > 0 && input.length <= recordIdLengthMax && isStorableText(input)
}

export function parseRecordId(input: unknown): RecordId {
  if (isRecordId(input)) return input
  throw new EngineError('MALFORMED', `A record id must be text of 1 to ${recordIdLengthMax} characters.`)
}

function parseUuid(input: unknown, what: string): string {
  if (typeof input === 'string' && uuidPattern.test(input)) return input
  throw new EngineError('MALFORMED', `A ${what} must be a lower-case UUID.`)
}
