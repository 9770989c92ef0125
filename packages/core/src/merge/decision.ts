/**
 * A decision: two devices wrote the same thing without knowing of each other, and one value did not stand. Every one is recorded
 * with what was dropped, so that it can be seen, explained and undone.
 */
import { type Json, sameJson } from '../json.ts'
import type { ClashRule, DeleteStrategy } from '../schema/merge-strategy.ts'
import type { Author } from './author.ts'

export interface Decision {
  /** '' when it is about the record as a whole; then the values are objects of fields, or null for a deletion. */
  readonly field: string
  readonly strategy: ClashRule | DeleteStrategy | 'custom'
  /** 'local': what came in; 'remote': what the server had; 'merged': a third value. */
  readonly winner: 'local' | 'remote' | 'merged'
  /** What the writer of `local` had seen. */
  readonly base: Json
  readonly local: Json
  readonly remote: Json
  readonly result: Json
  readonly localBy: Author
  readonly remoteBy: Author
  /** The person who settled it; null: the strategy did. */
  readonly settledBy: Author | null
}

export function winnerOf({ local, remote, result }: Pick<Decision, 'local' | 'remote' | 'result'>): Decision['winner'] {
  if (sameJson(result, remote)) return 'remote'
  return sameJson(result, local) ? 'local' : 'merged'
}
