/** How long to wait before the next attempt. */
import type { Random } from '../ports/ambient.ts'

const baseMs = 1_000
export const backoffMsMax = 60_000
export const retryAfterMsMin = 1_000
export const retryAfterMsMax = 3_600_000

/**
 * Full jitter under an exponential ceiling, in milliseconds: devices that failed together do not come back together.
 *
 * @param attempt failed attempts so far, at least 1.
 * @example
 * backoffMs(1, { next: () => 0.5 }) // 500
 * backoffMs(20, { next: () => 0.5 }) // 30_000: the ceiling holds
 */
export function backoffMs(attempt: number, random: Pick<Random, 'next'>): number {
  // 2^16 s is beyond the ceiling; a larger exponent would only risk Infinity.
  return Math.floor(random.next() * Math.min(backoffMsMax, baseMs * 2 ** Math.min(attempt - 1, 16)))
}

/**
 * What a server asked for, within reason: neither a hot loop nor a device that is silent for a day. Up to a tenth is added, for all
 * its devices were told the same.
 */
export function retryAfterMs(askedMs: number, random: Pick<Random, 'next'>): number {
  const delayMs = Math.min(Math.max(askedMs, retryAfterMsMin), retryAfterMsMax)
  return Math.round(delayMs * (1 + random.next() / 10))
}
