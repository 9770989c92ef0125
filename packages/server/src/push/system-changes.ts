/**
 * What a batch leaves behind about its records: rows of the engine's collections, and where they stand in the feed.
 *
 * SC1  A conflict is where its record is: its row enters scopes with the record, leaves them with it, and is deleted when it is closed.
 * SC2  A decision enters the scopes that the record is in when it is met (after its unit), and leaves those that the record leaves, one
 *      after the other as units move it, also within one batch. Scopes that the record comes into get the earlier ones only where the collection's `history` is 'all'.
 */
import {
  type Collection,
  closedRow,
  collectionOf,
  conflictOf,
  conflictRow,
  conflictsCollection,
  decisionRow,
  decisionsCollection,
  isSameConflict,
  type RecordId,
  type Schema,
  type ServerRecord,
} from '@holdfast/core'
import type { FeedEntry, RowAbout, Scope, SystemCollection } from '../ports/server-store.ts'
import type { Descendant } from './descendants.ts'
import { type Change, type ChangedRecord, type OpenConflicts, recordKey } from './draft.ts'
import { type Travel, travelOf } from './feed-entries.ts'
import { rowBytes } from './row-bytes.ts'

/** What the store holds about records that go to other scopes, by `recordKey`. */
export type Luggage = ReadonlyMap<string, readonly RowAbout[]>

export interface SystemChanges {
  readonly rows: ReadonlyMap<SystemCollection, ReadonlyMap<RecordId, ServerRecord>>
  /** The ids of rows that the store must not have yet; one that comes twice was chosen by two users. */
  readonly newIds: ReadonlyMap<SystemCollection, readonly RecordId[]>
  readonly entries: readonly FeedEntry[]
}

/** The records whose luggage is to be looked up, by `recordKey`. */
export function travellers(
  schema: Schema,
  moved: readonly Pick<ChangedRecord, 'collection' | 'record' | 'held' | 'holds'>[],
): readonly string[] {
  return moved.flatMap(({ collection, record, ...journey }) => {
    const { left, entered } = travelOf(journey)
    const isWanted = left.length > 0 || (entered.length > 0 && collectionOf(schema, collection).history === 'all')
    return isWanted ? [recordKey(collection, record)] : []
  })
}

export function systemChanges(
  schema: Schema,
  changes: readonly Change[],
  given: { readonly conflicts: OpenConflicts; readonly luggage: Luggage; readonly nowMs: number },
): SystemChanges {
  const conflicts = new Map<RecordId, ServerRecord>()
  const decisions = new Map<RecordId, ServerRecord>()
  const newConflicts: RecordId[] = []
  const newDecisions: RecordId[] = []
  const entries: FeedEntry[] = []

  for (const change of changes) {
    const { collection: name, record } = change
    const key = recordKey(name, record)
    const known = given.conflicts.get(key) ?? none
    const told = given.luggage.get(key) ?? []
    // Nothing is about most records.
    if (change.conflicts.length + change.decisions.length + known.size + told.length === 0) continue
    const collection = collectionOf(schema, name)
    const travel = travelOf(change)
    const subject = { collection: name, record }

    for (const conflict of change.conflicts) {
      const row = known.get(conflict.id) ?? null
      if (row !== null && isSameConflict(conflictOf(conflict.id, row), conflict)) {
        entries.push(...movedEntries(conflictsCollection, entryOf(conflict.id, row), travel))
        continue
      }
      const next = conflictRow(subject, conflict, row, change.after.version)
      conflicts.set(conflict.id, next)
      if (row === null) newConflicts.push(conflict.id)
      entries.push(
        ...entriesIn(travel.holds, conflictsCollection, entryOf(conflict.id, next), 'present'),
        ...entriesIn(travel.left, conflictsCollection, entryOf(conflict.id, next), 'left'),
      )
    }
    const open = new Set(change.conflicts.map(({ id }) => id))
    for (const [id, row] of known) {
      if (open.has(id)) continue
      const closed = closedRow(row)
      conflicts.set(id, closed)
      entries.push(...entriesIn([...travel.holds, ...travel.left], conflictsCollection, entryOf(id, closed), 'deleted'))
    }

    const isShownToAll = collection.history === 'all'
    for (const { id, operation, by, version, decision, scopes } of change.decisions) {
      const row = decisionRow(subject, decision, { operation, version, by, nowMs: given.nowMs })
      decisions.set(id, row)
      newDecisions.push(id)
      entries.push(...entriesIn(isShownToAll ? travel.holds : scopes, decisionsCollection, entryOf(id, row), 'present'))
    }
    entries.push(...luggageEntries(collection, told, travel))
  }
  return {
    rows: withoutEmpty([
      [conflictsCollection, conflicts],
      [decisionsCollection, decisions],
    ]),
    newIds: new Map([
      [conflictsCollection, newConflicts],
      [decisionsCollection, newDecisions],
    ]),
    entries,
  }
}

const none: ReadonlyMap<RecordId, ServerRecord> = new Map()

/** What moves with records that nothing but a move happened to. */
export function descendantEntries(
  schema: Schema,
  descendants: readonly Descendant[],
  given: { readonly conflicts: Luggage; readonly decisions: Luggage },
): readonly FeedEntry[] {
  return descendants.flatMap((descendant) => {
    const travel = travelOf(descendant)
    const key = recordKey(descendant.collection, descendant.record)
    return [
      ...movedEntries(descendant.collection, descendant, travel),
      ...(given.conflicts.get(key) ?? []).flatMap((row) => movedEntries(conflictsCollection, rowEntry(row), travel)),
      ...luggageEntries(collectionOf(schema, descendant.collection), given.decisions.get(key) ?? [], travel),
    ]
  })
}

function luggageEntries({ history }: Collection, decisions: readonly RowAbout[], travel: Travel): FeedEntry[] {
  const shown = history === 'all' ? travel : { ...travel, entered: [] }
  return decisions.flatMap((row) => movedEntries(decisionsCollection, rowEntry(row), shown))
}

function rowEntry({ id, version, bytes }: RowAbout): Row {
  return { record: id, version, bytes }
}

type Row = Pick<FeedEntry, 'record' | 'version' | 'bytes'>

function entryOf(record: RecordId, row: ServerRecord): Row {
  return { record, version: row.version, bytes: rowBytes(row) }
}

function movedEntries(collection: string, { record, version, bytes }: Row, { left, entered }: Travel): FeedEntry[] {
  const row = { record, version, bytes }
  return [...entriesIn(entered, collection, row, 'present'), ...entriesIn(left, collection, row, 'left')]
}

function entriesIn(
  scopes: readonly Scope[],
  collection: string,
  { bytes, ...row }: Row,
  state: FeedEntry['state'],
): FeedEntry[] {
  return scopes.map((scope) => ({ ...row, scope, collection, state, bytes: state === 'present' ? bytes : 0 }))
}

function withoutEmpty<K, V extends { readonly size: number }>(entries: readonly (readonly [K, V])[]): Map<K, V> {
  return new Map(entries.filter(([, { size }]) => size > 0))
}
