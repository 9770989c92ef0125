/** What a device writes into a field about which it has an open conflict changes its side of the conflict, and not the record [CF1]. */
import type { Json, JsonObject } from '../json.ts'
import { type Case, conflictId, type Taken } from './apply-operation.ts'
import { type Ask, amended, type Conflict, openConflict, wholeSide } from './conflict.ts'
import { fold } from './fold.ts'
import { pick } from './merge-edit.ts'
import { changesOf, withChanges } from './record-changes.ts'
import type { ServerRecord } from './server-record.ts'

export interface Amending {
  readonly conflicts: readonly Conflict[]
  /** The fields that are about no conflict. */
  readonly left: JsonObject
  readonly hasAmended: boolean
}

export function amendConflicts(given: Case, conflicts: readonly Conflict[]): Amending {
  const { operation, author } = given
  const left: Record<string, Json> = { ...operation.fields }
  let hasAmended = false
  const next = conflicts.map((conflict) => {
    const value = operation.fields[conflict.field]
    if (value === undefined || !isOwn(given, conflict) || operation.settles.length > 0) return conflict
    delete left[conflict.field]
    hasAmended = true
    return amended(conflict, value, author)
  })
  return { conflicts: next, left, hasAmended }
}

/** What this operation asks: a new question, or the device's side of the one that it has asked before. */
export function asking(given: Case, conflicts: readonly Conflict[], ask: Ask): readonly Conflict[] {
  const known = conflicts.find((conflict) => conflict.field === ask.field && isOwn(given, conflict))
  if (known === undefined) return [...conflicts, openConflict(conflictId(given, ask.field), ask, given.author)]
  return conflicts.map((conflict) => (conflict === known ? amended(known, ask.local, given.author) : conflict))
}

/** The device's own question about the record as a whole. */
export function ownWhole(given: Case, conflicts: readonly Conflict[]): Conflict | null {
  return conflicts.find((conflict) => conflict.field === '' && isOwn(given, conflict)) ?? null
}

/** What a device writes into a record about which, as a whole, it has an open conflict. */
export function amendWhole(given: Case, record: ServerRecord, conflicts: readonly Conflict[], whole: Conflict): Taken {
  const { collection, operation, author } = given
  const next = commuted(given, record)
  const fields = wholeSide(whole.local) ?? {}
  const local =
    operation.kind === 'update'
      ? (fold(collection, { createdAt: 0, updatedAt: 0, fields }, operation, 0)?.fields ?? fields)
      : {
          ...fields,
          ...pick(
            next.values.fields,
            Object.keys(operation.fields).filter((name) => Object.hasOwn(fields, name)),
          ),
        }
  return {
    kind: 'changed',
    record: next,
    conflicts: conflicts.map((conflict) => (conflict === whole ? amended(whole, local, author) : conflict)),
    decisions: [],
  }
}

/**
 * The record one version on. What commutes is never in question: a deleted record keeps it for its restore, so that nothing of it is
 * lost, whoever settles what.
 */
export function commuted(given: Case, record: ServerRecord): ServerRecord {
  if (given.operation.kind === 'update') return { ...record, version: record.version + 1 }
  return { ...withChanges(given, record, changesOf(given, record)), state: record.state }
}

function isOwn({ operation, settled }: Case, conflict: Conflict): boolean {
  return conflict.localBy.device === operation.device && !settled.has(conflict)
}
