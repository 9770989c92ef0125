/**
 * The lives of a database. A restore starts another one: what was committed after the backup is gone, and its numbers are given again.
 * Each life knows its parent and its fork, the last commit that both have.
 */
import type { Generation } from '@holdfast/core'

/** A row of `_generations`. */
export interface Life {
  readonly id: string
  /** Null: the first one. */
  readonly parent: string | null
  /** Up to which commit (inclusive) it has what its parent had; 0: that is not known, or nothing. */
  readonly fork: number
}

/** By ancestor of `current`, the last commit that `current` has of it. A life on the way that forked earlier sets the bound. */
export function ancestorsOf(lives: readonly Life[], current: Generation): ReadonlyMap<string, number> {
  const byId = new Map(lives.map((life) => [life.id, life]))
  const ancestors = new Map<string, number>()
  let common = Number.POSITIVE_INFINITY
  let life = byId.get(current)
  while (life !== undefined && life.parent !== null && !ancestors.has(life.parent)) {
    common = Math.min(common, life.fork)
    ancestors.set(life.parent, common)
    life = byId.get(life.parent)
  }
  return ancestors
}
