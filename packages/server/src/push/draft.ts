/**
 * The records of a batch while it is judged, with what is open about them: what the store holds, with the effects of the units so far
 * over it.
 *
 * DR1  A unit's effects are seen by its own later operations at once, by later units when it is kept, by nobody when it is undone.
 * DR2  A record says itself how many conflicts are open about it, whatever its collection asks by now: of the others none are looked up.
 * DR3  A decision is shown where its record is after the unit that met it, and, unless the collection shows all history, in no scope
 *      that the record comes into later: also where its parent is what moves.
 */
import {
  type Author,
  type Collection,
  type Conflict,
  collectionOf,
  conflictOf,
  type Decision,
  type Disputed,
  type OperationId,
  type RecordId,
  type Schema,
  type ServerRecord,
  withOpenCount,
} from '@holdfast/core'
import type { Located, Scope } from '../ports/server-store.ts'
import { descentOf } from '../scope/descent.ts'
import { createLocator, type Locator, parentIn } from '../scope/locator.ts'

export interface Loaded {
  /** By collection and id. */
  readonly records: ReadonlyMap<string, ReadonlyMap<RecordId, ServerRecord>>
  readonly conflicts: OpenConflicts
  /** See `LocatorPorts`. */
  readonly located: Located
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
  /** Where the store has it; a new one: as `holds`. */
  readonly held: readonly Scope[]
  /** Where it lies now, the same list as `held` when it has not moved. Of a deleted record, where it was last. */
  readonly holds: readonly Scope[]
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
  /** Where records lie, as the batch has left them so far. */
  readonly locator: Locator
  get(collection: string, record: RecordId): Disputed
  take(collection: string, record: RecordId, step: Step): void
  keepUnit(): void
  undoUnit(): void
  /** What the kept units did, each record once. */
  changes(): readonly Change[]
}

type Effect = Omit<Change, 'held' | 'holds'>

/** What the open unit did to a record, with what the kept ones did. */
interface OpenChange {
  readonly change: Effect
  readonly met: readonly MetDecision[]
}

export function createDraft(schema: Schema, { records, conflicts, located }: Loaded): Draft {
  const kept = new Map<string, Effect>()
  const open = new Map<string, OpenChange>()
  /** Keys of kept changes with decisions about records that a parent may move. */
  const told = new Set<string>()
  const { children } = descentOf(schema)
  const stored = (collection: string, record: RecordId): ServerRecord | null =>
    records.get(collection)?.get(record) ?? null
  const storedConflicts = (key: string): readonly Conflict[] =>
    [...(conflicts.get(key) ?? [])].map(([id, row]) => conflictOf(id, row))
  const effectOf = (key: string): Effect | undefined => open.get(key)?.change ?? kept.get(key)
  const locator = createLocator({
    schema,
    located,
    stored,
    changed: (collection, record) => effectOf(recordKey(collection, record))?.after ?? null,
  })
  const now = ({ collection, record }: Effect): readonly Scope[] => locator.now(collection, record) ?? []

  /** Of what the change left of them, the decisions about a record are shown in the scopes that it is still in. */
  const retell = (effect: Effect, met: readonly MetDecision[]): Effect => {
    if (effect.decisions.length + met.length === 0) return effect
    const scopes = now(effect)
    const earlier = effect.decisions.map((decision) => {
      return { ...decision, scopes: decision.scopes.filter((scope) => scopes.includes(scope)) }
    })
    return { ...effect, decisions: [...earlier, ...met.map((decision) => ({ ...decision, scopes }))] }
  }

  return {
    locator,
    get: (collection, record) => {
      const key = recordKey(collection, record)
      const effect = effectOf(key)
      return effect === undefined
        ? { record: stored(collection, record), conflicts: storedConflicts(key) }
        : { record: effect.after, conflicts: effect.conflicts }
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
      let hasMoved = false
      for (const [key, { change, met }] of open) {
        const { collection: name, before, after } = change
        const collection = collectionOf(schema, name)
        const last = kept.get(key)?.after ?? before
        hasMoved ||= children.has(name) && last !== null && !isAtHome(collection, last, after)
        if (collection.scope.kind === 'via' && change.decisions.length + met.length > 0) told.add(key)
        kept.set(key, retell(change, met))
      }
      for (const key of hasMoved ? told : []) {
        const effect = open.has(key) ? undefined : kept.get(key)
        if (effect !== undefined) kept.set(key, retell(effect, []))
      }
      open.clear()
    },
    undoUnit: () => open.clear(),
    changes: () => [...kept.values()].map((effect) => ({ ...effect, ...journeyOf(schema, locator, effect) })),
  }
}

function journeyOf(
  schema: Schema,
  locator: Locator,
  { collection: name, record, before, after }: Effect,
): Pick<Change, 'held' | 'holds'> {
  const collection = collectionOf(schema, name)
  // Of most it is plain, without a look at scopes.
  const isPlain = before === null || (collection.scope.kind === 'own' && isAtHome(collection, before, after))
  const holds = locator.now(name, record) ?? []
  if (isPlain) return { held: holds, holds }
  const held = locator.stored(name, record, before)
  const hasMoved = held.length !== holds.length || held.some((scope) => !holds.includes(scope))
  return { held: hasMoved ? held : holds, holds }
}

/** Whether nothing of its own has moved it; of one with a parent, that may have moved. */
function isAtHome(collection: Collection, before: ServerRecord, after: ServerRecord): boolean {
  if (collection.scope.kind === 'via') {
    return before.state === after.state && parentIn(collection, before.values) === parentIn(collection, after.values)
  }
  const [old, next] = [before.values.fields, after.values.fields]
  return Object.values(collection.scope.fields).every((field) => old[field] === next[field])
}

export function isMoved({ before, after }: ChangedRecord): boolean {
  return before === null || before.version !== after.version
}

/** One text for a record of a collection, the `subject` of what is about it: a collection's name holds no space. */
export function recordKey(collection: string, record: RecordId): string {
  return `${collection} ${record}`
}
