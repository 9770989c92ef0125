/**
 * What the store says of itself, asked anew for each round, and beside it what it said last: by that a page can be begun before the
 * answer is there, and is thrown away in the rare case that the answer makes another page of it.
 */
import type { ServerStore, Standing } from '../ports/server-store.ts'

export interface Standings {
  now(): Promise<Standing>
  /** Null: it has not been asked yet. */
  last(): Standing | null
}

/** @param startOver called when the database has another life than it had. */
export function createStandings(store: Pick<ServerStore, 'standing'>, startOver: () => void): Standings {
  let last: Standing | null = null
  return {
    now: async () => {
      const standing = await store.standing()
      const isOther = last !== null && last.generation !== standing.generation
      last = standing
      if (isOther) startOver()
      return standing
    },
    last: () => last,
  }
}
