/** Who sends a request: bearer tokens (JWT) signed by somebody whom the server trusts. */
import { EngineError, parseUserId } from '@holdfast/core'
import {
  createRemoteJWKSet,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import type { System } from '../ports/system.ts'
import type { User } from '../scope/user.ts'
import { nodeSystem } from '../system/node-system.ts'
import { createVerifiedTokens } from './verified-tokens.ts'

/** Throws UNAUTHENTICATED (no token, or an old one) or ACCOUNT_FORBIDDEN (known, but may not sync here). */
export type Authenticate = (request: Request) => Promise<User>

export type JwtOptions = JwtKey & {
  /** Who must have issued the token, where that is to be checked. */
  readonly issuer?: string
  readonly audience?: string
  /**
   * Whether a token that is signed and current was taken back (a device that was lost, an account that was closed). It is asked at each
   * request, and for an open stream with each of its beats, so it answers from memory or within a few milliseconds. While it throws nobody
   * is let in: OVERLOADED, and nobody is signed out.
   */
  readonly isRevoked?: (claims: TokenClaims) => boolean | Promise<boolean>
}

/** What a token says: `sub` is the user; `jti`, `iat` and `exp` name and date the token. */
export type TokenClaims = Readonly<JWTPayload>

type JwtKey =
  /** Keys of an identity provider, fetched and cached. */
  | { readonly jwksUrl: string; readonly algorithms?: readonly string[] }
  /** One key for signing and verifying (HS256): at least 32 bytes; a text counts as UTF-8. */
  | { readonly secret: string | Uint8Array }

/** Bearer tokens: `sub` is the user, everything else the claims. */
export function jwt(options: JwtOptions, system: System = nodeSystem): Authenticate {
  const verify = createVerifiedTokens(verifier(options, system), system, { toleranceSeconds: clockToleranceSeconds })
  return async (request) => {
    const payload = await verify(bearerOf(request))
    if (payload.sub === undefined) throw new EngineError('UNAUTHENTICATED', 'The token names no user (sub).')
    if (await wasRevoked(options, payload)) throw new EngineError('UNAUTHENTICATED', 'The token was revoked.')
    return { userId: parseUserId(payload.sub), claims: payload }
  }
}

/** What clocks of two servers may differ by. */
const clockToleranceSeconds = 30

/**
 * A token with a key that is not known has the keys fetched again, at most this often: so long may a key that has just come into use be
 * refused, and so seldom do made-up tokens ask the provider.
 */
const keysCooldownMs = 2_000
/** So long a key that the provider has withdrawn is still believed, and a token of it that was seen before for a minute longer. */
const keysAgeMsMax = 300_000
const keysTimeoutMs = 5_000

/** Signatures of public keys only: a token cannot choose to be checked as HMAC with the public key as its secret. */
const publicAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']

function verifier(options: JwtOptions, system: System): (token: string) => Promise<JWTPayload> {
  const { issuer, audience } = options
  const checks = (algorithms: readonly string[]): JWTVerifyOptions => ({
    algorithms: [...algorithms],
    clockTolerance: clockToleranceSeconds,
    currentDate: new Date(system.nowMs()),
    requiredClaims: ['sub', 'exp'],
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  })
  if ('secret' in options) {
    const { secret } = options
    const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
    return (token) => verified(async () => (await jwtVerify(token, key, checks(['HS256']))).payload)
  }
  const keys: JWTVerifyGetKey = createRemoteJWKSet(new URL(options.jwksUrl), {
    cooldownDuration: keysCooldownMs,
    cacheMaxAge: keysAgeMsMax,
    timeoutDuration: keysTimeoutMs,
  })
  const algorithms = options.algorithms ?? publicAlgorithms
  return (token) => verified(async () => (await jwtVerify(token, keys, checks(algorithms))).payload)
}

async function wasRevoked({ isRevoked }: JwtOptions, claims: TokenClaims): Promise<boolean> {
  if (isRevoked === undefined) return false
  try {
    return await isRevoked(claims)
  } catch (cause) {
    throw new EngineError('OVERLOADED', 'Which tokens were revoked cannot be told now.', { cause })
  }
}

async function verified(verify: () => Promise<JWTPayload>): Promise<JWTPayload> {
  try {
    return await verify()
  } catch (cause) {
    if (isAboutToken(cause))
      throw new EngineError('UNAUTHENTICATED', 'The token is not valid, or not any more.', { cause })
    // The identity provider does not answer: nobody is signed out for that.
    throw new EngineError('OVERLOADED', 'The keys of the identity provider cannot be had now.', { cause })
  }
}

function isAboutToken(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return false
  // JOSEError itself stands for an answer of the key server that is not 200.
  return error.code !== 'ERR_JWKS_TIMEOUT' && error.code !== 'ERR_JOSE_GENERIC' && error.code !== 'ERR_JWKS_INVALID'
}

function bearerOf(request: Request): string {
  const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (token === undefined) throw new EngineError('UNAUTHENTICATED', 'The request carries no bearer token.')
  return token
}
