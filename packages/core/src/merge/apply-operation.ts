/**
 * What one operation does to one record on the server, the arbiter: a pure function of the record, its open conflicts, the operation
 * and its stamp.
 */
import { EngineError, type ErrorCode } from '../errors.ts'
import type { Generation } from '../ids.ts'
import { type Json, sameJson } from '../json.ts'
import type { Operation } from '../protocol/operation.ts'
import type { Collection } from '../schema/collection.ts'
import { amendConflicts, amendWhole, asking, ownWhole } from './amend-conflicts.ts'
import type { Author } from './author.ts'
import { type Conflict, moved, overtaken, settledBy, settledDecision, wholeSide } from './conflict.ts'
import type { Decision } from './decision.ts'
import { deleteRecord, editDeleted, restoreRecord } from './delete-against-edit.ts'
import { MergeFault, mergeEdit, pick, plainFields, whole } from './merge-edit.ts'
import { outlived } from './outlived.ts'
import { changesOf, withChanges } from './record-changes.ts'
import { type ServerRecord, stampOfField, vectorOf } from './server-record.ts'

/** A record as the server holds it, and what is open about it. */
export interface Disputed {
  /** null: there is none. */
  readonly record: ServerRecord | null
  readonly conflicts: readonly Conflict[]
}

export interface StampedOperation {
  readonly operation: Operation
  /** The write's time by the server's clock, in milliseconds. */
  readonly correctedMs: number
  /** `stampOf(correctedMs, counter, device)`. */
  readonly stamp: string
  /** When the server met it, by its own clock. */
  readonly arrivedMs: number
}

/** 'unchanged': the operation's meaning already holds, or did not stand: an outcome without a change of the record. */
export interface Taken {
  readonly kind: 'changed' | 'unchanged'
  readonly record: ServerRecord
  /** Those that are open now. */
  readonly conflicts: readonly Conflict[]
  readonly decisions: readonly Decision[]
}

export type Effect =
  | Taken
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly field: string | null; readonly problem: string }
  /** A merge function of the app is at fault: the operation waits for a mended one. */
  | { readonly kind: 'broken'; readonly fault: Error }

/** Everything that the rooms of this house share. */
export interface Case {
  readonly collection: Collection
  readonly operation: Operation
  readonly author: Author
  readonly correctedMs: number
  readonly stamp: string
  /** The version that the writer had seen; null: of another generation, or one that the record never had. */
  readonly baseVersion: number | null
  /** Of the open conflicts, those that the operation closes. */
  readonly settled: ReadonlySet<Conflict>
  /** Fields of a settlement whose question somebody has closed since [CF3]. */
  readonly overtaken: ReadonlySet<string>
}

export function applyOperation(
  collection: Collection,
  before: Disputed,
  stamped: StampedOperation,
  generation: Generation,
): Effect {
  const given = caseOf(collection, before, stamped, generation)
  try {
    return judged(given, before)
  } catch (error) {
    if (error instanceof MergeFault) return { kind: 'broken', fault: error }
    if (error instanceof EngineError) return refused(error.code, error.problem, error.field)
    throw error
  }
}

function caseOf(
  collection: Collection,
  { record, conflicts }: Disputed,
  stamped: StampedOperation,
  generation: Generation,
): Case {
  const { operation, arrivedMs } = stamped
  const { user, device, time, base } = operation
  const { merge } = collection
  const isDatedByServer = merge.kind !== 'causal' && merge.clash === 'serverTime'
  const correctedMs = isDatedByServer ? arrivedMs : stamped.correctedMs
  return {
    collection,
    operation,
    author: { user, device, at: time.at, correctedAt: correctedMs },
    correctedMs,
    stamp: stamped.stamp,
    baseVersion: base.generation === generation && base.version <= (record?.version ?? 0) ? base.version : null,
    settled: new Set([...settledBy(operation, conflicts), ...outlived(collection, operation, conflicts)]),
    overtaken: overtaken(
      operation,
      conflicts,
      operation.kind === 'update' ? Object.keys(operation.fields) : plainFields(collection),
    ),
  }
}

function judged(given: Case, before: Disputed): Effect {
  const { record } = before
  const { operation, correctedMs } = given
  switch (operation.kind) {
    case 'create':
      if (record?.state === 'deleted') return refused('RECORD_DELETED', 'A deleted record id is never created again.')
      if (record !== null) return refused('ALREADY_EXISTS', 'A record of this id exists already.')
      return {
        kind: 'changed',
        record: withChanges(given, created(given, correctedMs), changesOf(given, null)),
        conflicts: [],
        decisions: [],
      }
    case 'delete':
      return record === null ? absent : settling(given, before, deleteRecord(given, record, before.conflicts))
    case 'restore':
      return record === null ? absent : settling(given, before, restoreRecord(given, record, before.conflicts, edit))
    default:
      if (record === null) return absent
      return settling(
        given,
        before,
        record.state === 'deleted'
          ? editDeleted(given, record, before.conflicts, edit)
          : edit(given, record, before.conflicts),
      )
  }
}

const absent = refused('NOT_FOUND', 'There is no such record.')

function created({ operation }: Case, at: number): ServerRecord {
  return {
    version: 0,
    state: 'live',
    values: { createdAt: at, updatedAt: at, fields: operation.fields },
    stamps: {},
    states: {},
  }
}

function edit(given: Case, record: ServerRecord, conflicts: readonly Conflict[]): Effect {
  const { collection, operation } = given
  if (operation.kind !== 'update') {
    return { ...changed(given, record, changesOf(given, record)), conflicts, decisions: [] }
  }
  const own = ownWhole(given, conflicts)
  if (own !== null && wholeSide(own.local) !== null && operation.settles.length === 0) {
    return amendWhole(given, record, conflicts, own)
  }
  const amending = amendConflicts(given, conflicts)
  const merge = mergeEdit(
    collection,
    { fields: record.values.fields, stampOf: (field) => stampOfField(record, field), vectorOf: () => vectorOf(record) },
    { ...given, fields: amending.left, was: operation.was, replaces: operation.replaces },
  )
  let open = amending.conflicts
  const decisions = [...amending.decisions, ...merge.decisions]
  for (const ask of merge.asks) {
    const asked = asking(given, open, ask)
    open = asked.conflicts
    decisions.push(...asked.decisions)
  }
  if (Object.keys(merge.taken).length > 0) {
    const changes = { values: merge.taken, states: {}, made: merge.made }
    return { ...changed(given, record, changes), conflicts: open, decisions }
  }
  // A question writes nothing, but the record travels with it.
  return open.some((conflict) => !conflicts.includes(conflict))
    ? { kind: 'changed', record: { ...record, version: record.version + 1 }, conflicts: open, decisions }
    : { kind: 'unchanged', record, conflicts: open, decisions }
}

function changed(given: Case, record: ServerRecord, changes: ReturnType<typeof changesOf>) {
  return { kind: 'changed' as const, record: withChanges(given, record, changes) }
}

/** The operation that opened it, and the field: at most one conflict of a field comes from one operation. */
export function conflictId({ operation, collection }: Case, field: string): string {
  return `${operation.id}.${field === '' ? 'r' : Object.keys(collection.fields).indexOf(field)}`
}

/**
 * What an operation means for the conflicts of its record beyond its own question: those that it settles are closed [CF3], and the
 * record's side of the others is what the record is now [CF2].
 */
function settling(given: Case, before: Disputed, effect: Effect): Effect {
  if (effect.kind === 'refused' || effect.kind === 'broken') return effect
  const { author } = given
  const { record } = effect
  const known = new Map(before.conflicts.map((conflict) => [conflict.id, conflict]))
  const decisions = [...effect.decisions]
  const open: Conflict[] = []
  for (const conflict of effect.conflicts) {
    const old = known.get(conflict.id)
    if (old !== undefined && given.settled.has(old)) {
      decisions.push(settledDecision(old, sideOf(given, record, old.field), author))
      continue
    }
    const side = sideOf(given, record, conflict.field)
    const next = moved(revived(given, conflict, side), side, author)
    if (next !== null) open.push(next)
  }
  const isMoved =
    open.length !== before.conflicts.length || open.some((conflict) => conflict !== known.get(conflict.id))
  if (effect.kind === 'changed' || !isMoved) return { ...effect, conflicts: open, decisions }
  // A conflict travels with its record: what changes the one moves the other.
  return { kind: 'changed', record: { ...record, version: record.version + 1 }, conflicts: open, decisions }
}

/**
 * Of a record that lives again only the fields are in question that the conflict's writer had changed: what others write beside them is
 * on both sides [CF2].
 */
export function revived({ collection }: Pick<Case, 'collection'>, conflict: Conflict, remote: Json): Conflict {
  const [base, local, last, now] = [conflict.base, conflict.local, conflict.remote, remote].map(wholeSide)
  if (conflict.field !== '' || collection.merge.kind === 'record' || !base || !local || !now) return conflict
  const others = last ?? base
  const changed = plainFields(collection).filter((name) => !sameJson(local[name] ?? null, others[name] ?? null))
  const next = { ...now, ...pick(local, changed) }
  return sameJson(next, local) ? conflict : { ...conflict, local: next }
}

/** The record's side of a conflict about this field. */
export function sideOf({ collection }: Pick<Case, 'collection'>, record: ServerRecord, field: string): Json {
  if (record.state === 'deleted') return null
  const { fields } = record.values
  if (field !== '') return fields[field] ?? null
  return collection.merge.kind === 'record' ? whole(fields, plainFields(collection)) : fields
}

export function refused(code: ErrorCode, problem: string, field: string | null = null): Effect & { kind: 'refused' } {
  return { kind: 'refused', code, field, problem }
}
