/**
 * The records that a batch did nothing to, and that move all the same: those below a record that it moved.
 *
 * DS1  Who lives below a record that moves goes where it goes, in the same transaction, through every generation.
 * DS2  The row and the version of such a record stay as they are: only its place in the feed is another one.
 * DS3  However much lies below a record, what is in memory of it at a time is bounded; but for ids.
 */
import { conflictsCollection, decisionsCollection, type RecordId, type Schema } from '@holdfast/core'
import { childrenMax, type FeedEntry, type Scope, type StoreTransaction } from '../ports/server-store.ts'
import { descentOf } from '../scope/descent.ts'
import { type ChangedRecord, recordKey } from './draft.ts'
import { travelOf } from './feed-entries.ts'
import { descendantEntries, travellers } from './system-changes.ts'

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

/** Moves what lies below the changed records that have moved; answers in which scopes, and because of which of them. */
export async function moveDescendants(
  tx: StoreTransaction,
  schema: Schema,
  changes: readonly ChangedRecord[],
): Promise<readonly Pick<FeedEntry, 'scope' | 'collection' | 'record'>[]> {
  const { childrenFirst, children } = descentOf(schema)
  const movers = new Map<string, Map<RecordId, Journey>>()
  const move = (collection: string, record: RecordId, { held, holds }: Journey): void => {
    const known = movers.get(collection) ?? new Map<RecordId, Journey>()
    movers.set(collection, known.set(record, { held, holds }))
  }
  const roots = changes.filter(({ held, holds, collection }) => held !== holds && children.has(collection))
  if (roots.length === 0) return []
  for (const root of roots) move(root.collection, root.record, root)
  // Those have a journey of their own.
  const changed = new Set(changes.map(({ collection, record }) => recordKey(collection, record)))
  for (const parents of [...childrenFirst].reverse()) {
    const moved = movers.get(parents)
    if (moved === undefined) continue
    const ids = [...moved.keys()].sort()
    for (const collection of children.get(parents) ?? []) {
      for (let after: RecordId | undefined = ''; after !== undefined; ) {
        const found = await tx.children(collection, ids, after)
        const following = found.flatMap(({ id: record, parent, version, bytes }): Descendant[] => {
          const journey = moved.get(parent)
          // What was written past the server lies in no scope that could be left.
          if (journey === undefined || version === 0 || changed.has(recordKey(collection, record))) return []
          return [{ collection, record, version, bytes, held: journey.held, holds: journey.holds }]
        })
        if (following.length > 0) await tx.feed(await entriesOf(tx, schema, following))
        if (children.has(collection)) for (const each of following) move(collection, each.record, each)
        after = found.length < childrenMax ? undefined : found.at(-1)?.id
      }
    }
  }
  return roots.flatMap(({ collection, record, ...journey }) => {
    const { left, entered } = travelOf(journey)
    return [...left, ...entered].map((scope) => ({ scope, collection, record }))
  })
}

/** With what is about them. */
async function entriesOf(
  tx: StoreTransaction,
  schema: Schema,
  following: readonly Descendant[],
): Promise<readonly FeedEntry[]> {
  const travelling = travellers(schema, following)
  const decisions = travelling.length === 0 ? new Map() : await tx.about(decisionsCollection, travelling)
  const subjects = following.map(({ collection, record }) => recordKey(collection, record))
  const conflicts = await tx.about(conflictsCollection, subjects)
  return descendantEntries(schema, following, { conflicts, decisions })
}
