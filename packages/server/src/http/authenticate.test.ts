import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { EngineError } from '@holdfast/core'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nodeSystem } from '../system/node-system.ts'
import { type Authenticate, type JwtOptions, jwt } from './authenticate.ts'

type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey']

let provider: HttpServer
let jwksUrl: string
let published: JWK[] = []
let fetches = 0

beforeEach(async () => {
  published = []
  fetches = 0
  provider = createHttpServer((_, response) => {
    fetches += 1
    response.end(JSON.stringify({ keys: published }))
  })
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const address = provider.address()
  jwksUrl = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/jwks`
})
afterEach(() => new Promise<void>((resolve) => void provider.close(() => resolve())))

async function newKey(kid: string): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  published.push({ ...(await exportJWK(publicKey)), kid, alg: 'ES256' })
  return privateKey
}

interface Made {
  readonly key: Key | Uint8Array
  readonly kid?: string
  readonly alg?: string
  readonly claims?: { readonly [name: string]: unknown }
}

const nowSeconds = () => Math.floor(Date.now() / 1000)

function tokenOf({ key, kid = 'first', alg = 'ES256', claims = {} }: Made): Promise<string> {
  const all = { sub: 'ali', iss: 'https://id.example', aud: 'holdfast', exp: nowSeconds() + 600, ...claims }
  return new SignJWT(all).setProtectedHeader({ alg, kid }).sign(key)
}

async function answerOf(authenticate: Authenticate, token: string): Promise<string> {
  const request = new Request('http://server/sync', { headers: { authorization: `Bearer ${token}` } })
  try {
    return (await authenticate(request)).userId
  } catch (error) {
    return error instanceof EngineError ? error.code : String(error)
  }
}

const strict = (): JwtOptions => ({ jwksUrl, issuer: 'https://id.example', audience: 'holdfast' })

describe('tokens of an identity provider', () => {
  test('a key that comes into use while the server runs is fetched; the old one still counts while it is published', async () => {
    const authenticate = jwt(strict())
    const first = await newKey('first')
    expect(await answerOf(authenticate, await tokenOf({ key: first }))).toBe('ali')
    const second = await newKey('second')
    const token = await tokenOf({ key: second, kid: 'second' })
    await expect.poll(() => answerOf(authenticate, token), { timeout: 8_000, interval: 300 }).toBe('ali')
    expect(await answerOf(authenticate, await tokenOf({ key: first }))).toBe('ali')
    expect(fetches).toBeLessThan(10)
  }, 12_000)

  test('made-up keys do not make the server ask the provider again and again', async () => {
    const authenticate = jwt(strict())
    const key = await newKey('first')
    for (let n = 0; n < 50; n += 1) {
      expect(await answerOf(authenticate, await tokenOf({ key, kid: `made-up-${n}` }))).toBe('UNAUTHENTICATED')
    }
    expect(fetches).toBeLessThanOrEqual(2)
  })

  test.each([
    { what: 'its issuer', claims: { iss: 'https://id.example' }, answer: 'ali' },
    { what: 'another issuer', claims: { iss: 'https://id.example.evil' }, answer: 'UNAUTHENTICATED' },
    { what: 'several audiences, ours among them', claims: { aud: ['other', 'holdfast'] }, answer: 'ali' },
    { what: 'another audience', claims: { aud: 'other' }, answer: 'UNAUTHENTICATED' },
    { what: 'no audience', claims: { aud: undefined }, answer: 'UNAUTHENTICATED' },
    { what: 'an end 20 s ago, as clocks differ', claims: { exp: -20 }, answer: 'ali' },
    { what: 'an end 40 s ago', claims: { exp: -40 }, answer: 'UNAUTHENTICATED' },
    { what: 'a beginning in 20 s, as clocks differ', claims: { nbf: 20 }, answer: 'ali' },
    { what: 'a beginning in 40 s', claims: { nbf: 40 }, answer: 'UNAUTHENTICATED' },
    { what: 'no end', claims: { exp: undefined }, answer: 'UNAUTHENTICATED' },
    { what: 'no user', claims: { sub: undefined }, answer: 'UNAUTHENTICATED' },
  ])('a token with $what: $answer', async ({ claims, answer }) => {
    const key = await newKey('first')
    const dated = Object.fromEntries(
      Object.entries(claims).map(([name, value]) => [name, typeof value === 'number' ? nowSeconds() + value : value]),
    )
    expect(await answerOf(jwt(strict()), await tokenOf({ key, claims: dated }))).toBe(answer)
  })

  test('a token that is signed with the public key as if it were a secret is none', async () => {
    await newKey('first')
    const secret = new TextEncoder().encode(JSON.stringify(published[0]))
    expect(await answerOf(jwt(strict()), await tokenOf({ key: secret, alg: 'HS256' }))).toBe('UNAUTHENTICATED')
  })

  test('[I-27] a revoked token is refused from the moment on in which it is revoked, and others are not', async () => {
    const revoked = new Set<unknown>()
    const authenticate = jwt({ ...strict(), isRevoked: ({ jti }) => revoked.has(jti) })
    const key = await newKey('first')
    const lost = await tokenOf({ key, claims: { jti: 'lost-phone' } })
    const other = await tokenOf({ key, claims: { jti: 'tablet' } })
    expect(await answerOf(authenticate, lost)).toBe('ali')
    revoked.add('lost-phone')
    expect(await answerOf(authenticate, lost)).toBe('UNAUTHENTICATED')
    expect(await answerOf(authenticate, other)).toBe('ali')
  })

  test('while nobody can tell which tokens were revoked, nobody is let in and nobody is signed out', async () => {
    const key = await newKey('first')
    const isRevoked = () => Promise.reject(new Error('the list cannot be had'))
    expect(await answerOf(jwt({ ...strict(), isRevoked }, nodeSystem), await tokenOf({ key }))).toBe('OVERLOADED')
  })
})
