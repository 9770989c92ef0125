/**
 * Tokens that were verified lately: a signature is checked once a minute and not once a request.
 *
 * VT1  A token is believed without a check for 60 s, and never when it has expired. What was refused is not remembered.
 * VT2  Kept are hashes, not tokens, and of the last ones only.
 */
import { hash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { System } from '../ports/system.ts'

export type Verify = (token: string) => Promise<JWTPayload>

interface Verified {
  readonly payload: JWTPayload
  readonly untilMs: number
}

const ageMsMax = 60_000

/** @param toleranceSeconds for so long after its `exp` a token is not taken for expired */
export function createVerifiedTokens(
  verify: Verify,
  { nowMs }: Pick<System, 'nowMs'>,
  { toleranceSeconds, tokensMax = 10_000 }: { readonly toleranceSeconds: number; readonly tokensMax?: number },
): Verify {
  const known = new Map<string, Verified>()
  return async (token) => {
    const key = hash('sha256', token, 'base64url')
    const now = nowMs()
    const before = known.get(key)
    // A clock that was set back proves nothing.
    if (before !== undefined && now < before.untilMs && now >= before.untilMs - ageMsMax) return before.payload
    known.delete(key)
    const payload = await verify(token)
    const expiresMs = ((payload.exp ?? 0) + toleranceSeconds) * 1_000
    known.set(key, { payload, untilMs: Math.min(now + ageMsMax, expiresMs) })
    for (const oldest of known.keys()) {
      if (known.size <= tokensMax) break
      known.delete(oldest)
    }
    return payload
  }
}
