/**
 * The JSON of a request's body, whatever was sent.
 *
 * RB1  Never more than the limit (`batchBytesMax` if none is given) is held of the body, and never more of what it inflates to: TOO_LARGE.
 * RB2  Bytes that are not gzip, not UTF-8 or not JSON are MALFORMED.
 * RB3  Beyond a mebibyte, what inflates to more than 100 times its bytes is TOO_LARGE.
 * RB4  JSON that is nested too deep is MALFORMED, and JSON of too many values is TOO_LARGE, before any of it is made: an empty
 *      object is two bytes that take thirty times as many in memory.
 */
import { promisify } from 'node:util'
import { gunzip, gunzipSync } from 'node:zlib'
import { batchBytesMax, EngineError, jsonDepthMax, parseJson } from '@holdfast/core'

export interface BodyOptions {
  /** The body has at most so many bytes, inflated. */
  readonly bytesMax?: number
  /** It has at most so many values; names of members count as well. */
  readonly valuesMax?: number
  /** Told of bytes before they are kept; what it throws ends the reading. */
  readonly take?: (bytes: number) => void
}

export async function readBody(
  request: Request,
  { bytesMax = batchBytesMax, valuesMax = batchValuesMax, take = () => undefined }: BodyOptions = {},
): Promise<unknown> {
  const bytes = await readBytes(request, bytesMax, take)
  const inflated = await inflate(bytes, request.headers.get('content-encoding') ?? 'identity', bytesMax)
  if (inflated !== bytes) take(inflated.length)
  checkShape(inflated, valuesMax)
  return parseJson(decode(inflated), 'The body')
}

const gunzipAsync = promisify(gunzip)
const utf8 = new TextDecoder('utf-8', { fatal: true })

async function readBytes(request: Request, bytesMax: number, take: (bytes: number) => void): Promise<Buffer> {
  const length = lengthOf(request)
  if (length !== Number.POSITIVE_INFINITY && length > bytesMax) throw tooLarge(bytesMax)
  if (length <= smallBytesMax) {
    take(length)
    // Whole: a stream of the web around a few bytes costs more than all else that is done with them.
    return Buffer.from(await request.arrayBuffer())
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > bytesMax) throw tooLarge(bytesMax)
    take(chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What the HTTP server holds the sender to; Infinity when the sender does not say. */
function lengthOf({ headers }: Request): number {
  const length = headers.get('content-length')
  const isSaid = length !== null && /^\d+$/.test(length) && !headers.has('transfer-encoding')
  return isSaid ? Number(length) : Number.POSITIVE_INFINITY
}

/** RB3. One operation has at most a mebibyte, so that no device writes what it cannot send. */
const ratioMax = 100
const ratioFreeBytes = 1_310_720

async function inflate(bytes: Buffer, encoding: string, bytesMax: number): Promise<Buffer> {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return bytes
    case 'gzip': {
      const inflatedMax = Math.min(bytesMax, Math.max(ratioFreeBytes, bytes.length * ratioMax))
      try {
        return inflateSmall(bytes) ?? (await gunzipAsync(bytes, { maxOutputLength: inflatedMax }))
      } catch (cause) {
        throw isTooLarge(cause)
          ? tooLarge(inflatedMax)
          : new EngineError('MALFORMED', 'The body is not gzip, though it says so.', { cause })
      }
    }
    default:
      throw new EngineError('MALFORMED', 'The body must be sent as it is or as gzip.')
  }
}

/**
 * What is small is inflated here and now: the way to another thread and back takes five times as long. Null: it is not small, which is
 * known when at most `smallBytesMax` have been made of it.
 */
function inflateSmall(bytes: Buffer): Buffer | null {
  if (bytes.length > smallBytesMax) return null
  try {
    return gunzipSync(bytes, { maxOutputLength: smallBytesMax })
  } catch (error) {
    if (isTooLarge(error)) return null
    throw error
  }
}

const smallBytesMax = 65_536

/** RB4, by a walk over the bytes; a member of an object counts twice, for its name is kept as well. What is no JSON passes, for `JSON.parse` to say so. */
function checkShape(bytes: Buffer, valuesMax: number): void {
  let depth = 0
  let values = 0
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case quote:
        at = endOfString(bytes, at)
        break
      case comma:
      case colon:
        values += 1
        break
      case openBrace:
      case openBracket:
        values += 1
        depth += 1
        if (depth > depthMax) throw new EngineError('MALFORMED', 'The body is nested too deep.')
        break
      case closeBrace:
      case closeBracket:
        depth -= 1
    }
  }
  if (values > valuesMax) throw new EngineError('TOO_LARGE', `A body holds at most ${valuesMax} values.`)
}

/** Where the string that begins here ends. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === quote) return at
    if (byte === backslash) at += 1
  }
  return bytes.length
}

const [quote, comma, colon, backslash] = [0x22, 0x2c, 0x3a, 0x5c]
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d]

/** A value of a field may be as deep as core says; around it stand operation, fields, list and request. */
const depthMax = jsonDepthMax + 8
/** More than an operation of a mebibyte can have, so that no device writes what it cannot send. */
const batchValuesMax = 800_000

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new EngineError('MALFORMED', 'The body is not UTF-8.', { cause })
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
}

function tooLarge(bytesMax: number): EngineError {
  return new EngineError('TOO_LARGE', `A body holds at most ${bytesMax} bytes, inflated.`)
}
