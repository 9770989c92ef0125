/**
 * What one user or device may have at a time, and over time: a token bucket by key.
 *
 * AL1  Over any time t, at most `perSecond · t` plus ten seconds' worth are let through.
 * AL2  What is remembered is bounded by those who were there in the last ten seconds.
 */

/** A bucket: so many tokens at that moment. Full when it holds ten seconds' worth. */
interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

export interface Rates {
  /** Whether one more may come now. */
  take(key: string, nowMs: number): boolean
  /** How many keys are remembered. */
  size(): number
}

export function createRates(perSecond: number): Rates {
  const full = perSecond * burstSeconds
  const buckets = new Map<string, Bucket>()
  let sweepAt = sweepSizeMin

  const refilled = ({ tokens, atMs }: Bucket, nowMs: number): number =>
    // A clock that was set back takes nothing away.
    Math.min(full, tokens + (Math.max(0, nowMs - atMs) / 1_000) * perSecond)

  return {
    take: (key, nowMs) => {
      if (perSecond === Number.POSITIVE_INFINITY) return true
      const known = buckets.get(key)
      const tokens = known === undefined ? full : refilled(known, nowMs)
      const isLet = tokens >= 1
      buckets.set(key, { tokens: isLet ? tokens - 1 : tokens, atMs: nowMs })
      if (buckets.size > sweepAt) {
        for (const [held, bucket] of buckets) if (refilled(bucket, nowMs) >= full) buckets.delete(held)
        sweepAt = Math.max(sweepSizeMin, buckets.size * 2)
      }
      return isLet
    },
    size: () => buckets.size,
  }
}

const burstSeconds = 10
const sweepSizeMin = 1_000

/** How much of something each key has now, at most so much. */
export interface Shares {
  /** Whether there was room; then it counts until `give` is called. */
  take(key: string, amount: number): boolean
  give(key: string, amount: number): void
}

export function createShares(max: number): Shares {
  const held = new Map<string, number>()
  return {
    take: (key, amount) => {
      const next = (held.get(key) ?? 0) + amount
      if (next > max) return false
      held.set(key, next)
      return true
    },
    give: (key, amount) => {
      const left = (held.get(key) ?? 0) - amount
      if (left > 0) held.set(key, left)
      else held.delete(key)
    },
  }
}
