/**
 * The records of a batch while it is judged, with what is open about them: what the store holds, with the effects of the units so far
 * over it.
 *
 * DR1  A unit's effects are seen by its own later operations at once, by later units when it is kept, by nobody when it is undone.
 * DR2  A record says itself how many conflicts are open about it, whatever its collection asks by now: of the others none are looked up.
 * DR3  A decision is shown where its record is after the unit that met it, and, unless the collection shows all history, in no scope
 *      that the record comes into later.
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
  withOpenCount,
} from '@holdfast/core'
import type { Scope } from '../ports/server-store.ts'

export interface Loaded {
  /** By collection and id. */
  readonly records: ReadonlyMap<string, ReadonlyMap<RecordId, ServerRecord>>
  readonly conflicts: OpenConflicts
}

/** The rows of open conflicts by `recordKey` of their record and by id. Of records without a key none are open [DR2]. */
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
  readonly decisions: readonly FiledDecision[]
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

/** A decision of a kept unit. */
export interface FiledDecision extends MetDecision {
  /** The scopes in which its record was when it was met, and has been ever since [DR3]. */
  readonly scopes: readonly Scope[]
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

/** What the open unit did to a record, with what the kept ones did. */
interface OpenChange {
  readonly change: Change
  readonly met: readonly MetDecision[]
}

/** @param scopesOf the scopes that a record lies in. */
export function createDraft(
  { records, conflicts }: Loaded,
  scopesOf: (collection: string, record: ServerRecord) => readonly Scope[],
): Draft {
  const kept = new Map<string, Change>()
  const open = new Map<string, OpenChange>()
  const stored = (collection: string, record: RecordId): ServerRecord | null =>
    records.get(collection)?.get(record) ?? null
  const storedConflicts = (key: string): readonly Conflict[] =>
    [...(conflicts.get(key) ?? [])].map(([id, row]) => conflictOf(id, row))
  return {
    get: (collection, record) => {
      const key = recordKey(collection, record)
      const change = open.get(key)?.change ?? kept.get(key)
      return change === undefined
        ? { record: stored(collection, record), conflicts: storedConflicts(key) }
        : { record: change.after, conflicts: change.conflicts }
    },
    take: (collection, record, { record: taken, conflicts, decisions: met }) => {
      const key = recordKey(collection, record)
      const known = open.get(key)
      const decisions = kept.get(key)?.decisions ?? []
      const after = withOpenCount(taken, conflicts.length)
      open.set(key, {
        change: { collection, record, before: stored(collection, record), after, conflicts, decisions },
        met: [...(known?.met ?? []), ...met],
      })
    },
    keepUnit: () => {
      for (const [key, { change, met }] of open) kept.set(key, filed(change, met, scopesOf))
      open.clear()
    },
    undoUnit: () => open.clear(),
    changes: () => [...kept.values()],
  }
}

function filed(
  change: Change,
  met: readonly MetDecision[],
  scopesOf: (collection: string, record: ServerRecord) => readonly Scope[],
): Change {
  if (change.decisions.length + met.length === 0) return change
  const now = scopesOf(change.collection, change.after)
  const earlier = change.decisions.map((decision) => {
    return { ...decision, scopes: decision.scopes.filter((scope) => now.includes(scope)) }
  })
  return { ...change, decisions: [...earlier, ...met.map((decision) => ({ ...decision, scopes: now }))] }
}

export function isMoved({ before, after }: ChangedRecord): boolean {
  return before === null || before.version !== after.version
}

/** One text for a record of a collection, the `subject` of what is about it: a collection's name holds no space. */
export function recordKey(collection: string, record: RecordId): string {
  return `${collection} ${record}`
}
