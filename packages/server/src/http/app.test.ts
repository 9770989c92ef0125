import { createServer as createHttpServer } from 'node:http'
import { brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from 'node:zlib'
import { batchBytesMax, batchOperationsMax, EngineError, type ErrorCode, parseProblem } from '@holdfast/core'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { scopesMax } from '../scope/scopes.ts'
import {
  createDevice,
  type Device,
  lead,
  requestText,
  secret,
  startTestServer,
  type TestServer,
  unit,
} from '../server.test.kit.ts'
import { jwt } from './authenticate.ts'

let server: TestServer
let ali: Device
beforeEach(async () => {
  server = await startTestServer()
  ali = createDevice('ali', 1)
})
afterEach(() => server.dispose())

async function problemOf(response: Response): Promise<string> {
  const problem = parseProblem(await response.json())
  return `${response.status} ${problem?.code ?? 'not ours'}`
}

const empty = requestText([])
const json = (change: object) => JSON.stringify({ ...JSON.parse(empty), ...change })

describe('the statuses of POST /sync', () => {
  interface Case {
    readonly name: string
    readonly body: () => BodyInit
    readonly headers?: { readonly [name: string]: string }
    readonly answer: string
  }
  const gzip = { 'content-encoding': 'gzip' }
  const operation = () => JSON.parse(requestText([ali.create('l1', lead)])).operations[0]

  test.each<Case>([
    { name: 'nothing', body: () => '', answer: '400 MALFORMED' },
    { name: 'half a JSON', body: () => empty.slice(0, -5), answer: '400 MALFORMED' },
    { name: 'HTML', body: () => '<html>', answer: '400 MALFORMED' },
    { name: 'an array', body: () => '[]', answer: '400 MALFORMED' },
    { name: 'null', body: () => 'null', answer: '400 MALFORMED' },
    { name: 'bytes that are not UTF-8', body: () => new Uint8Array([0x22, 0xff, 0x22]), answer: '400 MALFORMED' },
    { name: 'a device that is none', body: () => json({ device: 'x' }), answer: '400 MALFORMED' },
    { name: 'a cursor of nobody', body: () => json({ cursor: 'zzz' }), answer: '410 CURSOR_TOO_OLD' },
    {
      name: 'a cursor of another generation',
      body: () => json({ cursor: `000000000000.AAAAAAAA1-1.${'A'.repeat(16)}` }),
      answer: '409 GENERATION_CHANGED',
    },
    { name: 'another protocol', body: () => json({ protocol: 2 }), answer: '426 UPGRADE_REQUIRED' },
    {
      name: 'a negative seq',
      body: () => json({ operations: [{ ...operation(), seq: -1 }] }),
      answer: '400 MALFORMED',
    },
    {
      name: 'a NUL',
      body: () => json({ operations: [{ ...operation(), fields: { name: '\u0000' } }] }),
      answer: '400 MALFORMED',
    },
    {
      name: '__proto__ as a field',
      body: () => requestText([ali.create('l1', lead)]).replace('"name":', '"__proto__":'),
      answer: '400 MALFORMED',
    },
    {
      name: '100,000 levels in a member that nobody knows',
      body: () =>
        requestText([ali.create('l1', lead)]).replace('"seq":', `"x":${'['.repeat(1e5)}${']'.repeat(1e5)},"seq":`),
      answer: '400 MALFORMED',
    },
    {
      name: 'a million levels as the body',
      body: () => `${'['.repeat(1e6)}${']'.repeat(1e6)}`,
      answer: '400 MALFORMED',
    },
    { name: 'gzip that is none', body: () => empty, headers: gzip, answer: '400 MALFORMED' },
    {
      name: 'gzip that is cut',
      body: () => new Uint8Array(gzipSync(empty).subarray(0, -9)),
      headers: gzip,
      answer: '400 MALFORMED',
    },
    {
      name: 'an encoding that we do not take',
      body: () => empty,
      headers: { 'content-encoding': 'br' },
      answer: '400 MALFORMED',
    },
    {
      name: 'a bomb: a gigabyte in a megabyte',
      body: () => new Uint8Array(bomb()),
      headers: gzip,
      answer: '413 TOO_LARGE',
    },
    { name: 'a body that is too large', body: () => ' '.repeat(batchBytesMax + 1), answer: '413 TOO_LARGE' },
    {
      name: 'too many operations',
      body: () => json({ operations: Array.from({ length: batchOperationsMax + 1 }, () => ({})) }),
      answer: '413 TOO_LARGE',
    },
    {
      name: 'the operations of another user',
      body: () => requestText([createDevice('sara', 2).create('l1', lead)]),
      answer: '403 USER_MISMATCH',
    },
    {
      name: 'a part of an app transaction',
      body: () => requestText(unit(ali.create('l1', lead), ali.create('l2', lead)).slice(0, 1)),
      answer: '400 TRANSACTION_INCOMPLETE',
    },
    {
      name: 'an app transaction out of order',
      body: () => requestText([...unit(ali.create('l1', lead), ali.create('l2', lead))].reverse()),
      answer: '400 TRANSACTION_INCOMPLETE',
    },
    {
      name: 'an operation twice',
      body: () => {
        const one = ali.create('l1', lead)
        return requestText([one, { ...one, tx: ali.create('l2', lead).tx }])
      },
      answer: '400 MALFORMED',
    },
  ])('$name: $answer, and nothing changes', async ({ body, headers, answer }) => {
    const before = await server.server.store.horizon()
    expect(await problemOf(await server.post('ali', body(), headers))).toBe(answer)
    expect(await server.server.store.horizon()).toBe(before)
    expect(await server.round('ali', [])).toMatchObject({ reply: { changes: [] } })
  })

  test.each<{ readonly name: string; readonly authorization: () => Promise<string | null> }>([
    { name: 'no token', authorization: async () => null },
    { name: 'not a bearer', authorization: async () => 'Basic YWxpOmFsaQ==' },
    { name: 'not a token', authorization: async () => 'Bearer abc' },
    { name: 'a token of yesterday', authorization: async () => `Bearer ${await server.token('ali', {}, -86_400)}` },
    { name: 'a token without a signature', authorization: async () => `Bearer ${unsigned('ali')}` },
    {
      name: 'a token of another key',
      authorization: async () => `Bearer ${await signed('ali', 'another key, 32 bytes or longer…')}`,
    },
    { name: 'a token without an end', authorization: async () => `Bearer ${await signed('ali', secret, false)}` },
  ])('$name: 401', async ({ authorization }) => {
    const header = await authorization()
    const headers = header === null ? undefined : { authorization: header }
    const request = new Request('http://test/sync', { method: 'POST', body: empty, ...(headers ? { headers } : {}) })
    expect(await problemOf(await server.server.fetch(request))).toBe('401 UNAUTHENTICATED')
  })

  test.each<{ readonly thrown: ErrorCode; readonly answer: string }>([
    { thrown: 'ACCOUNT_FORBIDDEN', answer: '403 ACCOUNT_FORBIDDEN' },
    { thrown: 'OVERLOADED', answer: '503 OVERLOADED' },
    { thrown: 'CURSOR_TOO_OLD', answer: '410 CURSOR_TOO_OLD' },
    { thrown: 'KEY_REUSED', answer: '422 KEY_REUSED' },
  ])('$answer', async ({ thrown, answer }) => {
    await server.dispose()
    server = await startTestServer({
      authenticate: async () => {
        throw new EngineError(thrown, 'A test.')
      },
    })
    const response = await server.post('ali', empty)
    const retryAfter = response.headers.get('retry-after')
    if (thrown === 'OVERLOADED') expect(retryAfter).toMatch(/^([1-9]|10)$/)
    else expect(retryAfter).toBeNull()
    expect(await problemOf(response)).toBe(answer)
  })

  test('a defect is 500 and tells nothing of itself', async () => {
    await server.dispose()
    server = await startTestServer({
      scopes: () => {
        throw new Error('the password is 1234')
      },
    })
    const response = await server.post('ali', empty)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('1234')
  })

  test('before the start and after the end: 503', async () => {
    await server.server.close()
    expect(await problemOf(await server.post('ali', empty))).toBe('503 OVERLOADED')
  })
})

describe('many scopes', () => {
  const holding = async (count: number) => {
    await server.dispose()
    const agents = ['ali', ...Array.from({ length: count - 1 }, (_, index) => `somebody-with-a-long-name-${index}`)]
    server = await startTestServer({ scopes: () => ({ agent: agents }) })
    return agents
  }

  test('1,000 of them: what is sent takes effect, every page comes, and the cursor is taken again', async () => {
    const agents = await holding(1_000)
    const { reply } = await server.round(
      'ali',
      agents.map((owner, index) => ali.create(`l${index}`, { ...lead, owner })),
    )
    expect(reply.outcomes.map(({ kind }) => kind)).toEqual(agents.map(() => 'applied'))
    expect(reply.changes.flatMap(({ rows }) => rows)).toHaveLength(1_000)
    const next = await server.round('ali', [ali.update('l999', { stage: 'won' })], reply.cursor)
    expect(next.reply.changes.flatMap(({ rows }) => rows.map(([id]) => id))).toEqual(['l999'])
  })

  test('more than fit into a cursor: refused before anything is applied', async () => {
    await holding(scopesMax + 1)
    expect(await problemOf(await server.post('ali', requestText([ali.create('l1', lead)])))).toBe(
      '403 ACCOUNT_FORBIDDEN',
    )
    expect(await server.server.store.horizon()).toBe(0)
  })
})

describe('bodies', () => {
  test('gzip up, every encoding down', async () => {
    const many = Array.from({ length: 200 }, (_, index) => ali.create(`l${index}`, lead))
    const body = new Uint8Array(gzipSync(requestText(many)))
    await server.post('ali', body, { 'content-encoding': 'gzip' })
    const plain = await (await server.post('ali', empty)).text()
    const inflate = { zstd: zstdDecompressSync, br: brotliDecompressSync, gzip: gunzipSync }
    for (const [encoding, inflated] of Object.entries(inflate)) {
      const response = await server.post('ali', empty, { 'accept-encoding': `deflate, ${encoding};q=0.5` })
      expect(response.headers.get('content-encoding')).toBe(encoding)
      const text = inflated(new Uint8Array(await response.arrayBuffer())).toString()
      expect(JSON.parse(text).changes).toEqual(JSON.parse(plain).changes)
    }
    const refused = await server.post('ali', empty, { 'accept-encoding': 'gzip;q=0, identity' })
    expect(refused.headers.get('content-encoding')).toBeNull()
  })

  test('an idle round is small, and its cursor stands', async () => {
    await server.round('ali', [ali.create('l1', lead)])
    const { reply } = await server.round('ali', [])
    const body = requestText([], reply.cursor)
    const answer = await (await server.post('ali', body)).text()
    expect(JSON.parse(answer).cursor).toBeUndefined()
    expect(body.length + answer.length).toBeLessThanOrEqual(300)
  })
})

describe('other requests', () => {
  const get = (path: string, headers: { readonly [name: string]: string } = {}) =>
    server.server.fetch(new Request(`http://test${path}`, { headers }))

  test('/health answers without a token and is kept nowhere', async () => {
    const response = await get('/health')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual({ ok: true, generation: server.server.store.generation() })
  })

  test('an address that is none: 404; there is no demo without its option', async () => {
    expect(await problemOf(await get('/nothing'))).toBe('404 NOT_FOUND')
    expect(await problemOf(await get('/demo/people'))).toBe('404 NOT_FOUND')
    expect(await problemOf(await get('/sync'))).toBe('404 NOT_FOUND')
  })

  test('other sites: none by default, those of the list by their exact name', async () => {
    const origin = 'https://app.example.com'
    expect((await get('/health', { origin })).headers.get('access-control-allow-origin')).toBeNull()
    await server.dispose()
    server = await startTestServer({ allowOrigins: [origin] })
    expect((await get('/health', { origin })).headers.get('access-control-allow-origin')).toBe(origin)
    for (const other of ['null', 'https://app.example.com.evil.com', 'http://app.example.com']) {
      expect((await get('/health', { origin: other })).headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  test('/poke tells the devices of a touched scope, and nothing but that', async () => {
    expect(await problemOf(await get('/poke'))).toBe('401 UNAUTHENTICATED')
    const open = async (user: string) => {
      const response = await get('/poke', { authorization: `Bearer ${await server.token(user)}` })
      expect(response.headers.get('content-type')).toBe('text/event-stream')
      return response.body?.pipeThrough(new TextDecoderStream()).getReader()
    }
    const [manager, sara] = [await open('manager'), await open('sara')]
    expect(await manager?.read()).toMatchObject({ value: ': alive\n\n' })
    expect(await sara?.read()).toMatchObject({ value: ': alive\n\n' })
    await server.round('ali', [ali.create('l1', lead)])
    expect(await manager?.read()).toMatchObject({ value: 'event: poke\ndata: 1\n\n' })
    await server.server.close()
    expect(await sara?.read()).toEqual({ done: true, value: undefined })
  })
})

describe('tokens of an identity provider', () => {
  test('its keys are fetched; a key server that is down signs nobody out', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] })
    const provider = createHttpServer((_, response) => response.end(keys))
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    const address = provider.address()
    const port = typeof address === 'object' ? address?.port : 0
    const jwksUrl = `http://127.0.0.1:${port}/jwks`
    const sign = (key: Parameters<SignJWT['sign']>[0], alg: string) =>
      new SignJWT({ role: 'x' })
        .setProtectedHeader({ alg, kid: 'k1' })
        .setSubject('ali')
        .setExpirationTime('1h')
        .sign(key)
    const requestOf = (token: string) => new Request('http://test/', { headers: { authorization: `Bearer ${token}` } })

    const token = await sign(privateKey, 'RS256')
    const authenticate = jwt({ jwksUrl })
    expect(await authenticate(requestOf(token))).toMatchObject({ userId: 'ali', claims: { role: 'x' } })
    // The public key is no secret: a token signed with it as one is refused.
    const confused = await sign(new TextEncoder().encode(keys), 'HS256')
    await expect(authenticate(requestOf(confused))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })

    await new Promise((resolve) => provider.close(resolve))
    await expect(jwt({ jwksUrl })(requestOf(token))).rejects.toMatchObject({ code: 'OVERLOADED' })
  })
})

function bomb(): Buffer {
  const megabyte = Buffer.alloc(1 << 20)
  // Members of a gzip file follow each other: a thousand of them inflate to a gigabyte.
  return Buffer.concat(Array.from({ length: 1_000 }, () => gzipped(megabyte)))
}

let gzippedMegabyte: Buffer | null = null
function gzipped(bytes: Buffer): Buffer {
  gzippedMegabyte ??= gzipSync(bytes)
  return gzippedMegabyte
}

function unsigned(user: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: user, exp: 9_999_999_999 })}.`
}

function signed(user: string, key: string | Uint8Array, ends = true): Promise<string> {
  const token = new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject(user)
  if (ends) token.setExpirationTime('1h')
  return token.sign(typeof key === 'string' ? new TextEncoder().encode(key) : key)
}
