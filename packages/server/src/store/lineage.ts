/**
 * The lives of a database. A restore starts another one: what was committed after the backup is gone, and its numbers are given again.
 * Each life knows its parent and its fork, the last commit that both have.
 */
import type { Generation } from '@holdfast/core'
import type { Standing } from '../ports/server-store.ts'

/** A row of `_generations`. */
export interface Life {
  readonly id: string
  /** Null: the first one. */
  readonly parent: string | null
  /** Up to which commit (inclusive) it has what its parent had; 0: that is not known, or nothing. */
  readonly fork: number
  /** When it began, in milliseconds. */
  readonly bornMs: number
}

export type CurrentLife = Pick<Standing, 'generation' | 'ancestors' | 'bornMs'>

export function lifeOf(lives: readonly Life[], generation: Generation): CurrentLife {
  const bornMs = lives.find(({ id }) => id === generation)?.bornMs ?? 0
  return { generation, ancestors: ancestorsOf(lives, generation), bornMs }
}

/** By ancestor of `current`, the last commit that `current` has of it. A life on the way that forked earlier sets the bound. */
export function ancestorsOf(
  lives: readonly Pick<Life, 'id' | 'parent' | 'fork'>[],
  current: Generation,
): ReadonlyMap<string, number> {
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
