/**
 * The transport over HTTP: `POST /sync`, `GET /snapshot/…`, `GET /health` and the poke stream of `GET /poke`, below one base address. The token travels in
 * a header only, never in an address. Keeps the laws of ports/transport.ts.
 */
import { isObject, parseProblem } from '@holdfast/core'
import { createParser } from 'eventsource-parser'
import type { Clock } from '../ports/ambient.ts'
import type { PartRequest, PokeListener, SyncAnswer, Transport, TransportRequest } from '../ports/transport.ts'
import { retryAfterMs } from './retry-after.ts'

export interface HttpTransportOptions {
  /** Where the server is mounted, with or without a slash at its end. */
  readonly url: string
  readonly fetch: typeof fetch
  readonly clock: Pick<Clock, 'now'>
  /** Whether the platform is sure that there is no network; left out: it never says so. */
  readonly isOffline?: () => boolean
}

/** Below this a compressed body is hardly smaller, and an idle round would pay for nothing. */
const gzipBytesMin = 1_024
/** A reply larger than this is no page of ours. */
const replyCharactersMax = 256 * 1_048_576

export function createHttpTransport({ url, fetch, clock, isOffline = () => false }: HttpTransportOptions): Transport {
  const base = url.replace(/\/+$/, '')
  return {
    async sync(request) {
      const wasOffline = isOffline()
      try {
        return await post(fetch, `${base}/sync`, request, clock)
      } catch (error) {
        const isUnsent = wasOffline ? isOffline() : neverConnected(error)
        return { kind: isUnsent ? 'unsent' : 'unreachable', problem: describe(error) }
      }
    },
    async part(request) {
      try {
        return await getPart(fetch, `${base}/snapshot/${request.id}/${request.part}`, request, clock)
      } catch (error) {
        return { kind: 'unreachable', problem: describe(error) }
      }
    },
    async health(signal) {
      try {
        const response = await fetch(`${base}/health`, { signal, cache: 'no-store' })
        const body: unknown = response.ok && isJson(response) ? await response.json() : null
        return isObject(body) && body.ok === true
      } catch {
        return false
      }
    },
    openPokes({ token, device }, listener) {
      const aborter = new AbortController()
      const open: PokeListener = {
        onAlive: () => aborter.signal.aborted || listener.onAlive(),
        onPoke: () => aborter.signal.aborted || listener.onPoke(),
        onEnd: (ending) => aborter.signal.aborted || listener.onEnd(ending),
      }
      void readPokes(fetch, `${base}/poke?device=${encodeURIComponent(device)}`, {
        token,
        signal: aborter.signal,
        listener: open,
      })
      return () => aborter.abort()
    },
  }
}

type Fetch = typeof fetch

async function post(fetch: Fetch, address: string, request: TransportRequest, clock: Pick<Clock, 'now'>) {
  const isLarge = request.body.length >= gzipBytesMin
  const response = await fetch(address, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${request.token}`,
      'content-type': 'application/json',
      ...(isLarge ? { 'content-encoding': 'gzip' } : {}),
    },
    body: isLarge ? await gzip(request.body) : request.body,
    signal: request.signal,
    cache: 'no-store',
  })
  return readAnswer(response, request, clock)
}

async function getPart(fetch: Fetch, address: string, request: PartRequest, clock: Pick<Clock, 'now'>) {
  const { token, signal } = request
  const response = await fetch(address, { headers: { authorization: `Bearer ${token}` }, signal, cache: 'no-store' })
  return readAnswer(response, request, clock)
}

async function readAnswer(
  response: Response,
  { onProgress }: Pick<TransportRequest, 'onProgress'>,
  clock: Pick<Clock, 'now'>,
): Promise<SyncAnswer> {
  onProgress()
  const text = await readText(response, onProgress)
  return response.status === 200 ? readReply(response, text) : readProblem(response, text, clock)
}

function readReply(response: Response, text: string): SyncAnswer {
  if (!isJson(response))
    return { kind: 'notHoldfast', problem: 'something else than the server answered, not in JSON.' }
  const body = parsed(text)
  return body === undefined
    ? { kind: 'unreachable', problem: 'the reply was cut, or is not JSON.' }
    : { kind: 'reply', body }
}

function readProblem(response: Response, text: string, clock: Pick<Clock, 'now'>): SyncAnswer {
  const { status, headers } = response
  if (status < 400) return { kind: 'notHoldfast', problem: `something answered with status ${status}.` }
  const problem = isJson(response) ? parseProblem(parsed(text)) : null
  return {
    kind: 'problem',
    status,
    code: problem?.code ?? null,
    problem: problem?.problem ?? `something answered with status ${status}.`,
    retryAfterMs: retryAfterMs(headers.get('retry-after'), headers.get('date'), clock.now()),
    restart: problem?.restart ?? null,
  }
}

async function readText(response: Response, onProgress: () => void): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    onProgress()
    text += decoder.decode(value, { stream: true })
    if (text.length > replyCharactersMax) throw new Error('the reply is too long.')
  }
}

interface OpenStream {
  readonly token: string
  readonly signal: AbortSignal
  readonly listener: PokeListener
}

async function readPokes(fetch: Fetch, address: string, { token, signal, listener }: OpenStream): Promise<void> {
  try {
    const response = await fetch(address, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      signal,
      cache: 'no-store',
    })
    if (response.status === 401 || response.status === 403) return listener.onEnd('refused')
    if (!response.ok || response.body === null || !isEventStream(response)) return listener.onEnd('lost')
    listener.onAlive()
    await readEvents(response.body, listener)
  } catch {
    // A cut connection ends like one that was closed.
  }
  listener.onEnd('lost')
}

async function readEvents(body: ReadableStream<Uint8Array>, listener: PokeListener): Promise<void> {
  const parser = createParser({ onEvent: () => listener.onPoke() })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    listener.onAlive() // Heartbeats are comments, which the parser passes over.
    parser.feed(decoder.decode(value, { stream: true }))
  }
}

async function gzip(text: string): Promise<ArrayBuffer> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))
  return new Response(stream).arrayBuffer()
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isJson(response: Response): boolean {
  return /^application\/([\w.-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')
}

function isEventStream(response: Response): boolean {
  return /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')
}

/** By the codes of Node; browsers do not tell why a request failed. */
function neverConnected(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return isObject(cause) && typeof cause.code === 'string' && connectCodes.has(cause.code)
}

const connectCodes: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
])

function describe(error: unknown): string {
  return error instanceof Error && error.name === 'AbortError'
    ? 'the request was ended.'
    : 'the request did not get through.'
}
