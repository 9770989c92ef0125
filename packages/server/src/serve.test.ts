import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Serving, serve } from './serve.ts'
import { startTestServer, type TestServer } from './server.test.kit.ts'

let subject: TestServer
let assets: string
let serving: Serving
beforeEach(async () => {
  subject = await startTestServer()
  assets = mkdtempSync(path.join(tmpdir(), 'holdfast-assets-'))
  mkdirSync(path.join(assets, 'assets'))
  writeFileSync(path.join(assets, 'index.html'), `<!doctype html>${' '.repeat(2_000)}`)
  writeFileSync(path.join(assets, 'sw.js'), 'self')
  writeFileSync(path.join(assets, 'manifest.webmanifest'), '{}')
  writeFileSync(path.join(assets, 'assets/index-B3kX9_qL.js'), `export {}${'//'.repeat(2_000)}`)
  writeFileSync(path.join(assets, 'assets/sqlite3-AbCdEf12.wasm'), new Uint8Array([0, 97, 115, 109]))
  writeFileSync(`${assets}-secret.txt`, 'secret')
  serving = await serve(subject.server, { port: 0, host: '127.0.0.1', assets })
})
afterEach(async () => {
  await serving.close()
  await subject.dispose()
  rmSync(assets, { recursive: true })
  rmSync(`${assets}-secret.txt`)
})

test.each([
  { path: '/', type: 'text/html; charset=utf-8', cache: 'no-cache' },
  { path: '/index.html', type: 'text/html; charset=utf-8', cache: 'no-cache' },
  { path: '/leads/0190-some-id', type: 'text/html; charset=utf-8', cache: 'no-cache' },
  { path: '/sw.js', type: 'text/javascript; charset=utf-8', cache: 'no-cache' },
  { path: '/manifest.webmanifest', type: 'application/manifest+json', cache: 'no-cache' },
  {
    path: '/assets/index-B3kX9_qL.js',
    type: 'text/javascript; charset=utf-8',
    cache: 'public, max-age=31536000, immutable',
  },
  {
    path: '/assets/sqlite3-AbCdEf12.wasm',
    type: 'application/wasm',
    cache: 'public, max-age=31536000, immutable',
  },
])('$path is served as $type, $cache', async ({ path: pathname, type, cache }) => {
  const response = await fetch(serving.url + pathname)
  expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
    200,
    type,
    cache,
  ])
  const again = await fetch(serving.url + pathname, {
    headers: { 'if-none-match': response.headers.get('etag') ?? '' },
    cache: 'no-store',
  })
  expect(again.status).toBe(304)
})

test('the requests of the protocol go to the server, beside the files', async () => {
  expect(await (await fetch(`${serving.url}/health`)).json()).toMatchObject({ ok: true })
  expect((await fetch(`${serving.url}/assets/missing.js`)).status).toBe(404)
  expect((await fetch(`${serving.url}/leads`, { method: 'POST' })).status).toBe(404)
})

test('[AS1] nothing outside of the directory is served, however it is named', async () => {
  const name = path.basename(assets)
  for (const pathname of [
    `/../${name}-secret.txt`,
    `/%2e%2e/${name}-secret.txt`,
    `/..%2f${name}-secret.txt`,
    '/%00',
    '/%zz',
  ]) {
    const response = await rawGet(pathname)
    expect(response.body).not.toContain('secret')
    expect([400, 404, 200]).toContain(response.status)
  }
})

test('files are compressed as the browser takes them', async () => {
  for (const encoding of ['br', 'gzip']) {
    const { headers } = await rawGet('/assets/index-B3kX9_qL.js', encoding)
    expect(headers['content-encoding']).toBe(encoding)
    expect(Number(headers['content-length'])).toBeLessThan(200)
  }
  expect((await rawGet('/assets/index-B3kX9_qL.js')).headers['content-encoding']).toBeUndefined()
})

test('a port that is taken is said, and the store is free again', async () => {
  const other = await startTestServer()
  await expect(serve(other.server, { port: serving.port, host: '127.0.0.1' })).rejects.toThrow(
    `Port ${serving.port} is taken by another program.`,
  )
  await other.dispose()
})

test('closing ends the streams of pokes and lets the store go', async () => {
  const headers = { authorization: `Bearer ${await subject.token('ali')}` }
  const stream = await fetch(`${serving.url}/poke`, { headers })
  const closed = serving.close()
  expect(await stream.text()).toBe(': alive\n\n')
  await closed
  await expect(fetch(`${serving.url}/health`)).rejects.toThrow()
})

test('connections, headers and requests have their limits', async () => {
  const narrow = await startTestServer({ limits: { connectionsMax: 3, headersMsMax: 200, requestMsMax: 400 } })
  const served = await serve(narrow.server, { port: 0, host: '127.0.0.1' })
  const open = (text: string) => {
    const socket = connect(served.port, '127.0.0.1')
    let said = ''
    socket.on('data', (bytes) => {
      said += bytes
    })
    socket.on('error', () => undefined)
    socket.on('connect', () => socket.write(text))
    return new Promise<string>((resolve) => socket.on('close', () => resolve(said.split('\r\n')[0] ?? '')))
  }
  const slow = [open('GET /hea'), open('POST /sync HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{')]
  const fast = open('GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  expect(await open('GET /health HTTP/1.1\r\nhost: x\r\n\r\n')).toBe('')
  expect(await fast).toBe('HTTP/1.1 200 OK')
  expect(await Promise.all(slow)).toEqual(['HTTP/1.1 408 Request Timeout', 'HTTP/1.1 401 Unauthorized'])
  await served.close()
  await narrow.dispose()
})

/** `fetch` would tidy the path up, and inflate the answer. */
function rawGet(
  pathname: string,
  encoding = 'identity',
): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: serving.port, path: pathname, headers: { 'accept-encoding': encoding } }
    httpGet(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString('latin1')
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      })
    }).on('error', reject)
  })
}
