import type { Write } from '@holdfast/client'
import type { Author, Json, OperationId, RecordId } from '@holdfast/core'

export interface ConflictItem {
  readonly id: string
  readonly collection: string
  readonly record: RecordId
  readonly field: string
  readonly revision: number
  readonly base: Json
  readonly local: Json
  readonly remote: Json
  readonly localBy: Author
  readonly remoteBy: Author
  readonly isOwn: boolean
  readonly openedAt: number
}

export interface DecisionItem {
  readonly id: string
  readonly collection: string
  readonly record: RecordId
  readonly field: string
  readonly version: number
  readonly operation: OperationId
  readonly strategy: string
  readonly winner: 'local' | 'remote' | 'merged'
  readonly base: Json
  readonly local: Json
  readonly remote: Json
  readonly result: Json
  readonly localBy: Author
  readonly remoteBy: Author
  readonly settledBy: Author | null
  readonly decidedAt: number
  readonly dropped: readonly ('local' | 'remote')[]
}

export interface Conflicts {
  list(): Promise<readonly ConflictItem[]>
  watch(listener: (items: readonly ConflictItem[]) => void): () => void
  settle(results: { readonly [conflict: string]: Json }): Write<void>
}

export interface History {
  list(collection: string, record: RecordId): Promise<readonly DecisionItem[]>
  watch(collection: string, record: RecordId, listener: (items: readonly DecisionItem[]) => void): () => void
  restore(decision: string, side: 'local' | 'remote'): Write<void>
}
