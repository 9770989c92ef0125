/**
 * What a device writes into a field about which it has an open conflict changes its side of the conflict, and not the record [CF1]. What
 * it sends again does not, where it has changed its side since [MF2]: that is in a decision.
 */
import { type Json, type JsonObject, sameJson } from '../json.ts'
import { type Case, conflictId, type Taken } from './apply-operation.ts'
import { isSameWriter } from './author.ts'
import { type Ask, amended, type Conflict, openConflict, settledDecision, wholeSide } from './conflict.ts'
import type { Decision } from './decision.ts'
import { fold } from './fold.ts'
import { pick, plainFields, whole } from './merge-edit.ts'
import { changesOf, withChanges } from './record-changes.ts'
import type { ServerRecord } from './server-record.ts'

export interface Asked {
  readonly conflicts: readonly Conflict[]
  /** What was not asked, because its device asks something newer. */
  readonly decisions: readonly Decision[]
}

export interface Amending extends Asked {
  /** The fields that are about no conflict. */
  readonly left: JsonObject
}

export function amendConflicts(given: Case, conflicts: readonly Conflict[]): Amending {
  const { operation, author } = given
  const left: Record<string, Json> = { ...operation.fields }
  const decisions: Decision[] = []
  const next = conflicts.map((conflict) => {
    const value = operation.fields[conflict.field]
    if (value === undefined || !isOwn(given, conflict) || operation.settles.length > 0) return conflict
    delete left[conflict.field]
    if (!isOutdated(given, conflict)) return amended(conflict, value, author)
    const sides = { base: operation.was[conflict.field] ?? null, local: value }
    decisions.push(...overtaken(given, conflict, sides))
    return conflict
  })
  return { conflicts: next, left, decisions }
}

/** What this operation asks: a new question, or the device's side of the one that it has asked before. */
export function asking(given: Case, conflicts: readonly Conflict[], ask: Ask): Asked {
  const known = conflicts.find((conflict) => conflict.field === ask.field && isOwn(given, conflict))
  const next = openConflict(conflictId(given, ask.field), ask, given.author)
  if (known === undefined) return { conflicts: [...conflicts, next], decisions: [] }
  if (isOutdated(given, known)) return { conflicts, decisions: overtaken(given, known, ask) }
  const isNew = isAfresh(given, known, ask)
  return {
    conflicts: conflicts.map((conflict) =>
      conflict !== known ? conflict : isNew ? next : amended(known, ask.local, given.author),
    ),
    decisions: isNew ? [settledDecision(known, ask.remote, given.author)] : [],
  }
}

/** Whether a settlement asks in place of the own question of before, and is no edit of its side [CF4]. */
function isAfresh({ operation }: Case, known: Conflict, { field, local }: Ask): boolean {
  if (operation.settles.length === 0 || sameJson(known.local, local)) return false
  const was = operation.was[field]
  return was === undefined || !sameJson(was, known.local)
}

/** The device's own question about the record as a whole. */
export function ownWhole(given: Case, conflicts: readonly Conflict[]): Conflict | null {
  return conflicts.find((conflict) => conflict.field === '' && isOwn(given, conflict)) ?? null
}

/** What a device writes into a record about which, as a whole, it has an open conflict. */
export function amendWhole(given: Case, record: ServerRecord, conflicts: readonly Conflict[], own: Conflict): Taken {
  const { collection, operation, author } = given
  if (operation.kind === 'update' && isOutdated(given, own)) {
    const all = { ...record.values.fields, ...operation.was }
    const base = collection.merge.kind === 'record' ? whole(all, plainFields(collection)) : all
    const decisions = overtaken(given, own, { base, local: { ...base, ...operation.fields } })
    return { kind: 'unchanged', record, conflicts, decisions }
  }
  const next = commuted(given, record)
  const fields = wholeSide(own.local) ?? {}
  const by = isOutdated(given, own) ? own.localBy : author
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
    conflicts: conflicts.map((conflict) => (conflict === own ? amended(own, local, by) : conflict)),
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

function isOwn({ author, settled }: Case, conflict: Conflict): boolean {
  return isSameWriter(conflict.localBy, author) && !settled.has(conflict)
}

/** Whether the device has changed its side after it wrote this, which is sent again [MF2]. */
export function isOutdated({ operation, author }: Case, { localBy }: Conflict): boolean {
  if (operation.replaces.length === 0) return false
  return localBy.at > author.at || localBy.correctedAt > author.correctedAt
}

/** What its device had written before its side of the conflict: it stands nowhere, and is told. */
function overtaken(
  { author }: Case,
  { field, local: later, remote, remoteBy }: Conflict,
  { base, local }: Pick<Decision, 'base' | 'local'>,
): readonly Decision[] {
  if (sameJson(local, later) || sameJson(local, remote)) return []
  const sides = { field, base, local, remote, localBy: author, remoteBy }
  return [{ ...sides, strategy: 'lww', winner: 'remote', result: remote, settledBy: null }]
}
