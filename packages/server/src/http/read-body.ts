/**
 * The JSON of a request's body, whatever was sent.
 *
 * RB1  Never more than the limit (`batchBytesMax` if none is given) is held of the body, and never more of what it inflates to: TOO_LARGE.
 * RB2  Bytes that are not gzip, not UTF-8 or not JSON are MALFORMED.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { batchBytesMax, EngineError, parseJson } from '@holdfast/core'

export async function readBody(request: Request, bytesMax: number = batchBytesMax): Promise<unknown> {
  const bytes = await readBytes(request, bytesMax)
  const inflated = await inflate(bytes, request.headers.get('content-encoding') ?? 'identity', bytesMax)
  return parseJson(decode(inflated), 'The body')
}

const gunzipAsync = promisify(gunzip)
const utf8 = new TextDecoder('utf-8', { fatal: true })

async function readBytes(request: Request, bytesMax: number): Promise<Buffer> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > bytesMax) throw tooLarge(bytesMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function inflate(bytes: Buffer, encoding: string, bytesMax: number): Promise<Buffer> {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return bytes
    case 'gzip':
      return gunzipAsync(bytes, { maxOutputLength: bytesMax }).catch((cause: unknown) => {
        throw isTooLarge(cause)
          ? tooLarge(bytesMax)
          : new EngineError('MALFORMED', 'The body is not gzip, though it says so.', { cause })
      })
    default:
      throw new EngineError('MALFORMED', 'The body must be sent as it is or as gzip.')
  }
}

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
