/**
 * Version vectors (Parker et al. 1983): what has been written to a record, or what somebody had seen of it, as a number per device.
 * The number is the record's version with that device's last write: the server gives them in order, so a device that has seen version
 * n has seen every write up to n, and no vector has to travel with an operation.
 *
 * VV1  `join` is commutative, associative and idempotent; `a` is never after `join(a, b)`.
 * VV2  `compare` is a partial order: 'before' and 'after' are each other's opposite, and transitive.
 */
export type VersionVector = { readonly [device: string]: number }

export type Causality = 'equal' | 'before' | 'after' | 'concurrent'

export function compareVectors(a: VersionVector, b: VersionVector): Causality {
  const devices = new Set([...Object.keys(a), ...Object.keys(b)])
  const isAhead = [...devices].some((device) => at(a, device) > at(b, device))
  const isBehind = [...devices].some((device) => at(a, device) < at(b, device))
  if (isAhead) return isBehind ? 'concurrent' : 'after'
  return isBehind ? 'before' : 'equal'
}

export function joinVectors(a: VersionVector, b: VersionVector): VersionVector {
  const devices = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries([...devices].map((device) => [device, Math.max(at(a, device), at(b, device))]))
}

/** What the writer of an operation had seen of these writes: those up to its base, and its own. */
export function seenOf(
  written: VersionVector,
  writer: { readonly device: string; readonly baseVersion: number | null },
): VersionVector {
  return Object.fromEntries(
    Object.entries(written).filter(
      ([device, version]) => device === writer.device || (writer.baseVersion !== null && version <= writer.baseVersion),
    ),
  )
}

function at(vector: VersionVector, device: string): number {
  return Object.hasOwn(vector, device) ? (vector[device] ?? 0) : 0
}
