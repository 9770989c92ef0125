/**
 * The records that a batch did nothing to, and that move all the same: those below a record that it moved.
 *
 * DS1  Who lives below a record that moves goes where it goes, in the same transaction, through every generation.
 * DS2  The row and the version of such a record stay as they are: only its place in the feed is another one.
 */
import type { RecordId, Schema } from '@holdfast/core'
import type { Scope, StoreTransaction } from '../ports/server-store.ts'
import { descentOf } from '../scope/descent.ts'
import { type ChangedRecord, recordKey } from './draft.ts'

export interface Descendant {
  readonly collection: string
  readonly record: RecordId
  readonly version: number
  /** As in `FeedEntry`. */
  readonly bytes: number
  readonly held: readonly Scope[]
  readonly holds: readonly Scope[]
}

type Journey = Pick<Descendant, 'held' | 'holds'>

export async function findDescendants(
  tx: Pick<StoreTransaction, 'children'>,
  schema: Schema,
  changes: readonly ChangedRecord[],
): Promise<readonly Descendant[]> {
  const { childrenFirst, children } = descentOf(schema)
  const movers = new Map<string, Map<RecordId, Journey>>()
  const move = (collection: string, record: RecordId, { held, holds }: Journey): void => {
    const known = movers.get(collection) ?? new Map<RecordId, Journey>()
    movers.set(collection, known.set(record, { held, holds }))
  }
  for (const change of changes) {
    if (change.held !== change.holds && children.has(change.collection)) move(change.collection, change.record, change)
  }
  if (movers.size === 0) return []
  // Those have a journey of their own.
  const changed = new Set(changes.map(({ collection, record }) => recordKey(collection, record)))
  const descendants: Descendant[] = []
  for (const parents of [...childrenFirst].reverse()) {
    const moved = movers.get(parents)
    if (moved === undefined) continue
    for (const collection of children.get(parents) ?? []) {
      for (const { id, parent, version, bytes } of await tx.children(collection, [...moved.keys()].sort())) {
        const journey = moved.get(parent)
        if (journey === undefined || changed.has(recordKey(collection, id))) continue
        descendants.push({ collection, record: id, version, bytes, held: journey.held, holds: journey.holds })
        if (children.has(collection)) move(collection, id, journey)
      }
    }
  }
  return descendants
}
