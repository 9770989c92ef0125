/**
 * An open conflict: two values that a person has to settle. The record shows the server's side (`remote`) to everybody but the device
 * whose value (`local`) did not find it as its writer had seen it (`base`).
 *
 * CF1  At most one is open per record, field and writer (a user on a device): later edits of that writer change its side.
 * CF2  `remote` is the record's value; when both sides become equal, nothing is left to settle.
 * CF3  A settlement closes what its author saw. When the device's side has changed since, the conflict stays; when the record has,
 *      the settlement clashes like any edit and asks again. So does one of a conflict that somebody else has closed since, also by
 *      leaving what was there: no answer silently replaces another.
 * CF4  Who writes what shall stand settles the own question about the same thing with it, and amends none: where it asks again, the own
 *      side of before is in a decision.
 * CF5  When the schema does not ask about the field any more, the next edit of its author goes to the record and closes the question.
 */
import type { RecordId } from '../ids.ts'
import { isObject, type Json, type JsonObject, sameJson } from '../json.ts'
import type { Operation } from '../protocol/operation.ts'
import { type Author, isSameWriter } from './author.ts'
import { type Decision, winnerOf } from './decision.ts'

export interface Conflict {
  readonly id: RecordId
  /** '' when the record as a whole is in question; then the values are objects of fields, or null for a deletion. */
  readonly field: string
  /** Counts the changes of `local`, from 1. */
  readonly revision: number
  readonly base: Json
  readonly local: Json
  readonly remote: Json
  readonly localBy: Author
  readonly remoteBy: Author
}

/** What an operation says that it settles: the conflict, and the revision that its author saw. */
export interface Settlement {
  readonly conflict: RecordId
  readonly revision: number
}

/** A clash that only a person can settle. */
export type Ask = Pick<Conflict, 'field' | 'base' | 'local' | 'remote' | 'remoteBy'>

export function openConflict(id: RecordId, ask: Ask, localBy: Author): Conflict {
  return { id, ...ask, revision: 1, localBy }
}

/** The device's side, changed by the device. */
export function amended(conflict: Conflict, local: Json, localBy: Author): Conflict {
  return { ...conflict, local, localBy, revision: conflict.revision + 1 }
}

/** With the record's side as the record is now; null: both sides are the same [CF2]. */
export function moved(conflict: Conflict, remote: Json, remoteBy: Author): Conflict | null {
  if (sameJson(conflict.local, remote)) return null
  return sameJson(conflict.remote, remote) ? conflict : { ...conflict, remote, remoteBy }
}

/** Those of the open conflicts that an operation closes [CF3] [CF4]. A device knows its own side, however often it changed. */
export function settledBy(
  { kind, fields, user, device, settles }: Pick<Operation, 'kind' | 'fields' | 'user' | 'device' | 'settles'>,
  conflicts: readonly Conflict[],
): ReadonlySet<Conflict> {
  if (settles.length === 0) return new Set()
  const revisions = new Map(settles.map(({ conflict, revision }) => [conflict, revision]))
  const isWritten = (field: string) =>
    kind !== 'update' || (field === '' ? Object.keys(fields).length > 0 : fields[field] !== undefined)
  const spokenOf = new Set(
    named({ settles }, conflicts)
      .map(({ field }) => field)
      .filter(isWritten),
  )
  return new Set(
    conflicts.filter(({ id, field, revision, localBy }) =>
      isSameWriter(localBy, { user, device })
        ? revisions.has(id) || spokenOf.has(field)
        : revisions.get(id) === revision,
    ),
  )
}

/** Of the open conflicts, those that an operation names. */
export function named({ settles }: Pick<Operation, 'settles'>, conflicts: readonly Conflict[]): readonly Conflict[] {
  const ids = new Set(settles.map(({ conflict }) => conflict))
  return conflicts.filter(({ id }) => ids.has(id))
}

/**
 * Of these fields, those about which an operation settles a conflict that somebody has closed since [CF3]. About what a closed one was is
 * not known any more: it counts for every field that no open one is about.
 */
export function overtaken(
  operation: Pick<Operation, 'settles'>,
  conflicts: readonly Conflict[],
  fields: readonly string[],
): ReadonlySet<string> {
  const open = named(operation, conflicts)
  const isAllOpen = open.length === new Set(operation.settles.map(({ conflict }) => conflict)).size
  if (isAllOpen || open.some(({ field }) => field === '')) return new Set()
  return new Set(fields.filter((name) => !open.some(({ field }) => field === name)))
}

export function settledDecision(conflict: Conflict, result: Json, settledBy: Author): Decision {
  const { field, base, local, remote, localBy, remoteBy } = conflict
  const winner = winnerOf({ local, remote, result })
  return { field, strategy: 'manual', winner, base, local, remote, result, localBy, remoteBy, settledBy }
}

/** The fields of a side that is a whole record; null: a deletion. */
export function wholeSide(value: Json): JsonObject | null {
  return isObject(value) ? (value as JsonObject) : null
}
