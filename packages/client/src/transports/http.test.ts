/** The transport against real sockets: what networks and the things in them do to requests. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { parseDeviceId } from '@holdfast/core'
import { afterEach, expect, test } from 'vitest'
import type { SyncAnswer } from '../ports/transport.ts'
import { createHttpTransport } from './http.ts'
import { retryAfterMs } from './retry-after.ts'

const device = parseDeviceId('00000000-0000-7000-8000-000000000001')
const nowMs = Date.UTC(2026, 10, 20, 12)
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

async function serve(handler: Handler) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => handler(request, response, Buffer.concat(chunks)))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return createHttpTransport({ url: `http://127.0.0.1:${address.port}/`, fetch, clock: { now: () => nowMs } })
}

async function post(handler: Handler, body = '{}', signal = new AbortController().signal): Promise<SyncAnswer> {
  const transport = await serve(handler)
  return transport.sync({ body, token: 'secret', signal, onProgress: () => {} })
}

const json = (status: number, body: string, headers: { [name: string]: string } = {}): Handler => {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(body)
  }
}

test.each<{ name: string; handler: Handler; answer: object }>([
  { name: '200 with JSON', handler: json(200, '{"a":1}'), answer: { kind: 'reply', body: { a: 1 } } },
  { name: 'half a JSON', handler: json(200, '{"a":'), answer: { kind: 'unreachable' } },
  {
    name: 'a connection that is cut in the body',
    handler: (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"a"')
      setTimeout(() => response.destroy(), 20)
    },
    answer: { kind: 'unreachable' },
  },
  {
    name: 'a connection that is cut at once',
    handler: (request) => request.socket.destroy(),
    answer: { kind: 'unreachable' },
  },
  {
    name: "HTML with 200 (a captive portal's)",
    handler: json(200, '<html>', { 'content-type': 'text/html' }),
    answer: { kind: 'notHoldfast' },
  },
  { name: '204', handler: json(204, ''), answer: { kind: 'notHoldfast' } },
  {
    name: 'a problem of ours',
    handler: json(413, '{"error":{"code":"TOO_LARGE","problem":"Too large."}}'),
    answer: {
      kind: 'problem',
      status: 413,
      code: 'TOO_LARGE',
      problem: 'Too large.',
      retryAfterMs: null,
      restart: null,
    },
  },
  {
    name: 'another generation, with where the device may go on',
    handler: json(
      409,
      '{"error":{"code":"GENERATION_CHANGED","problem":"Restored.","generation":"abcd","fork":7,"retentionMs":9,"serverTime":12,"cursor":"abcd.x"}}',
    ),
    answer: {
      kind: 'problem',
      status: 409,
      restart: { kind: 'generation', generation: 'abcd', fork: 7, retentionMs: 9, serverTimeMs: 12, cursor: 'abcd.x' },
    },
  },
  {
    name: 'a cursor that is too old',
    handler: json(410, '{"error":{"code":"CURSOR_TOO_OLD","problem":"Old.","retentionMs":86400000,"serverTime":12}}'),
    answer: { kind: 'problem', status: 410, restart: { kind: 'tooOld', retentionMs: 86_400_000, serverTimeMs: 12 } },
  },
  {
    name: 'another generation that is not said',
    handler: json(409, '{"error":{"code":"GENERATION_CHANGED","problem":"Restored.","generation":"NO!"}}'),
    answer: { kind: 'problem', status: 409, code: 'GENERATION_CHANGED', restart: null },
  },
  {
    name: 'a status with a body of somebody else',
    handler: json(502, '<html>', { 'content-type': 'text/html' }),
    answer: { kind: 'problem', status: 502, code: null },
  },
  {
    name: 'Retry-After in seconds',
    handler: json(503, '{"error":{"code":"OVERLOADED","problem":"Busy."}}', { 'retry-after': '7' }),
    answer: { kind: 'problem', status: 503, code: 'OVERLOADED', retryAfterMs: 7_000 },
  },
  {
    name: 'Retry-After as a date, by the clock of the server',
    handler: json(429, '{}', {
      'retry-after': 'Fri, 20 Nov 2020 12:00:30 GMT',
      date: 'Fri, 20 Nov 2020 12:00:00 GMT',
    }),
    answer: { kind: 'problem', status: 429, retryAfterMs: 30_000 },
  },
])('[TR1] [TR2] $name', async ({ handler, answer }) => {
  expect(await post(handler)).toMatchObject(answer)
})

test('[TR1] nobody listens: surely nothing was sent', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('It has no port.')
  await new Promise((resolve) => server.close(resolve))
  const transport = createHttpTransport({
    url: `http://127.0.0.1:${address.port}`,
    fetch,
    clock: { now: () => nowMs },
  })
  const request = { body: '{}', token: 'secret', signal: new AbortController().signal, onProgress: () => {} }
  expect(await transport.sync(request)).toMatchObject({ kind: 'unsent' })
  expect(await transport.health(request.signal)).toBe(false)
})

test.each([
  { before: true, after: true, kind: 'unsent' },
  { before: true, after: false, kind: 'unreachable' },
  { before: false, after: true, kind: 'unreachable' },
])(
  '[TR1] a request that failed was $kind where the platform was offline before ($before) and after ($after) it',
  async ({ before, after, kind }) => {
    const said = [before, after]
    const transport = createHttpTransport({
      url: 'http://nowhere',
      fetch: () => Promise.reject(new TypeError('Failed to fetch')),
      clock: { now: () => nowMs },
      isOffline: () => said.shift() ?? after,
    })
    const request = { body: '{}', token: 'secret', signal: new AbortController().signal, onProgress: () => {} }
    expect(await transport.sync(request)).toMatchObject({ kind })
  },
)

test('an abort ends a request that would hang', async () => {
  const aborter = new AbortController()
  setTimeout(() => aborter.abort(), 20)
  expect(await post(() => {}, '{}', aborter.signal)).toMatchObject({ kind: 'unreachable' })
})

test('the token is in a header and in no address; a body above 1 kB is compressed, a small one is not', async () => {
  const seen: { url: string | undefined; token: string | undefined; encoding: string | undefined; body: string }[] = []
  const handler: Handler = ({ url, headers }, response, body) => {
    const encoding = headers['content-encoding']
    const text = encoding === 'gzip' ? gunzipSync(body) : body
    seen.push({ url, token: headers.authorization, encoding, body: String(text) })
    json(200, '{}')(Object.create(null), response, body)
  }
  const large = JSON.stringify({ text: 'منى '.repeat(1_000) })
  await post(handler)
  await post(handler, large)
  expect(seen).toEqual([
    { url: '/sync', token: 'Bearer secret', encoding: undefined, body: '{}' },
    { url: '/sync', token: 'Bearer secret', encoding: 'gzip', body: large },
  ])
})

test('every piece of an answer is progress', async () => {
  let count = 0
  const transport = await serve((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const pieces = ['{"a"', ':"م', 'نى', '"}']
    const next = () => {
      const piece = pieces.shift()
      if (piece === undefined) return response.end()
      response.write(piece)
      return setTimeout(next, 10)
    }
    next()
  })
  const onProgress = () => {
    count += 1
  }
  const answer = await transport.sync({ body: '{}', token: '', signal: new AbortController().signal, onProgress })
  expect(answer).toEqual({ kind: 'reply', body: { a: 'منى' } })
  expect(count).toBeGreaterThanOrEqual(4)
})

test.each([
  { name: 'ours', handler: json(200, '{"ok":true}'), ok: true },
  { name: 'a portal', handler: json(200, '<html>', { 'content-type': 'text/html' }), ok: false },
  { name: 'another JSON', handler: json(200, '{}'), ok: false },
  { name: '503', handler: json(503, '{"ok":true}'), ok: false },
])('/health of $name: $ok', async ({ handler, ok }) => {
  const transport = await serve(handler)
  expect(await transport.health(new AbortController().signal)).toBe(ok)
})

test('pokes: events poke, comments only show life, the end is told once', async () => {
  const told: string[] = []
  const transport = await serve(({ url }, response) => {
    told.push(String(url))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': alive\n\n')
    setTimeout(() => response.write('event: poke\nda'), 20)
    setTimeout(() => response.write('ta: 1\n\n'), 40)
    setTimeout(() => response.end(), 60)
  })
  await new Promise<void>((resolve) => {
    transport.openPokes(
      { token: 'secret', device },
      {
        onAlive: () => told.push('alive'),
        onPoke: () => told.push('poke'),
        onEnd(ending) {
          told.push(ending)
          resolve()
        },
      },
    )
  })
  expect(told[0]).toBe(`/poke?device=${device}`)
  expect(told.filter((word) => word === 'poke')).toHaveLength(1)
  expect(told.slice(1).filter((word) => word !== 'alive')).toEqual(['poke', 'lost'])
  expect(told.indexOf('poke')).toBeGreaterThan(told.indexOf('alive'))
})

test.each([
  { status: 401, ending: 'refused' },
  { status: 403, ending: 'refused' },
  { status: 503, ending: 'lost' },
])('a poke stream that is answered $status has $ending', async ({ status, ending }) => {
  const transport = await serve(json(status, '{}'))
  const told: string[] = []
  await new Promise<void>((resolve) => {
    const listener = { onAlive: () => {}, onPoke: () => {}, onEnd: (how: string) => resolve(void told.push(how)) }
    transport.openPokes({ token: '', device }, listener)
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(told).toEqual([ending])
})

test('[TR3] a closed poke stream is silent', async () => {
  const told: string[] = []
  const transport = await serve((_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }))
  const listener = { onAlive: () => told.push('a'), onPoke: () => told.push('p'), onEnd: () => told.push('e') }
  transport.openPokes({ token: '', device }, listener)()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(told).toEqual([])
})

test.each([
  { header: null, ms: null },
  { header: 'soon', ms: null },
  { header: '0', ms: 0 },
  { header: '120', ms: 120_000 },
  { header: 'Fri, 20 Nov 2026 12:01:00 GMT', ms: 60_000 },
  { header: 'Fri, 20 Nov 2026 11:00:00 GMT', ms: 0 },
])('Retry-After: $header is $ms ms', ({ header, ms }) => {
  expect(retryAfterMs(header, null, nowMs)).toBe(ms)
})
