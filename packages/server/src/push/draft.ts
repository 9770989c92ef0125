/**
 * The records of a batch while it is judged, with what is open about them: what the store holds, with the effects of the units so far
 * over it.
 *
 * DR1  A unit's effects are seen by its own later operations at once, by later units when it is kept, by nobody when it is undone.
 */
import {
  type Author,
  type Conflict,
  conflictOf,
  type Decision,
  type Disputed,
  type OperationId,
  type RecordId,
  type ServerRecord,
} from '@holdfast/core'

export interface Loaded {
  /** By collection and id. */
  readonly records: ReadonlyMap<string, ReadonlyMap<RecordId, ServerRecord>>
  readonly conflicts: OpenConflicts
}

/** The rows of open conflicts by `recordKey` of their record and by id. Records without a key were not looked up. */
export type OpenConflicts = ReadonlyMap<string, ReadonlyMap<RecordId, ServerRecord>>

export interface ChangedRecord {
  readonly collection: string
  readonly record: RecordId
  /** What the store holds; null: nothing. */
  readonly before: ServerRecord | null
  /** The version of `before` when only decisions were met. */
  readonly after: ServerRecord
}

/** A record with what the batch did about it. */
export interface Change extends ChangedRecord {
  /** Those that are open now. */
  readonly conflicts: readonly Conflict[]
  readonly decisions: readonly MetDecision[]
}

/** A decision, and the operation that met it. */
export interface MetDecision {
  readonly id: RecordId
  readonly operation: OperationId
  readonly by: Author
  /** The record's version with it. */
  readonly version: number
  readonly decision: Decision
}

/** What an operation did to its record. */
export interface Step {
  readonly record: ServerRecord
  readonly conflicts: readonly Conflict[]
  readonly decisions: readonly MetDecision[]
}

export interface Draft {
  get(collection: string, record: RecordId): Disputed
  take(collection: string, record: RecordId, step: Step): void
  keepUnit(): void
  undoUnit(): void
  /** What the kept units did, each record once. */
  changes(): readonly Change[]
}

export function createDraft({ records, conflicts }: Loaded): Draft {
  const kept = new Map<string, Change>()
  const open = new Map<string, Change>()
  const stored = (collection: string, record: RecordId): ServerRecord | null =>
    records.get(collection)?.get(record) ?? null
  const storedConflicts = (key: string): readonly Conflict[] =>
    [...(conflicts.get(key) ?? [])].map(([id, row]) => conflictOf(id, row))
  return {
    get: (collection, record) => {
      const key = recordKey(collection, record)
      const change = open.get(key) ?? kept.get(key)
      return change === undefined
        ? { record: stored(collection, record), conflicts: storedConflicts(key) }
        : { record: change.after, conflicts: change.conflicts }
    },
    take: (collection, record, { record: after, conflicts, decisions }) => {
      const key = recordKey(collection, record)
      const met = (open.get(key) ?? kept.get(key))?.decisions ?? []
      const before = stored(collection, record)
      open.set(key, { collection, record, before, after, conflicts, decisions: [...met, ...decisions] })
    },
    keepUnit: () => {
      for (const [key, change] of open) kept.set(key, change)
      open.clear()
    },
    undoUnit: () => open.clear(),
    changes: () => [...kept.values()],
  }
}

export function isMoved({ before, after }: ChangedRecord): boolean {
  return before === null || before.version !== after.version
}

/** One text for a record of a collection, the `subject` of what is about it: a collection's name holds no space. */
export function recordKey(collection: string, record: RecordId): string {
  return `${collection} ${record}`
}
