import { createServer, type Server } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

let server: Server
let proxy: TcpProxy
const ask = (signal?: AbortSignal) => fetch(`http://127.0.0.1:${proxy.port}/`, signal ? { signal } : {})

beforeEach(async () => {
  server = createServer((request, response) => {
    if (request.url === '/stream') response.write('first')
    else response.end('answer')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  proxy = await startTcpProxy({ target: address.port })
})

afterEach(async () => {
  await proxy.close()
  server.closeAllConnections()
  server.close()
})

test('passes requests on', async () => {
  expect(await (await ask()).text()).toBe('answer')
})

test('a cut resets open streams and refuses new connections, until it is restored', async () => {
  const reader = (await fetch(`http://127.0.0.1:${proxy.port}/stream`)).body?.getReader()
  await reader?.read()
  proxy.cut()
  await expect(reader?.read()).rejects.toThrow()
  await expect(ask()).rejects.toThrow()
  proxy.restore()
  expect(await (await ask()).text()).toBe('answer')
})

test('a swallowing network accepts and never answers', async () => {
  proxy.swallow()
  await expect(ask(AbortSignal.timeout(200))).rejects.toThrow('timeout')
  proxy.restore()
  expect(await (await ask()).text()).toBe('answer')
})

test('a slow network delivers everything, in its time', async () => {
  proxy.slow(2_000)
  const startMs = performance.now()
  expect(await (await ask()).text()).toBe('answer')
  expect(performance.now() - startMs).toBeGreaterThan(100) // Some 300 bytes of headers.
  proxy.restore()
  expect(await (await ask()).text()).toBe('answer')
})
