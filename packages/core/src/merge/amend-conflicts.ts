/** What a device writes into a field about which it has an open conflict changes its side of the conflict, and not the record [CF1]. */
import type { Json, JsonObject } from '../json.ts'
import type { Case, Taken } from './apply-operation.ts'
import { amended, type Conflict, isSettledBy, wholeSide } from './conflict.ts'
import { fold } from './fold.ts'
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
    if (value === undefined || !isOwn(given, conflict)) return conflict
    delete left[conflict.field]
    hasAmended = true
    return amended(conflict, value, author)
  })
  return { conflicts: next, left, hasAmended }
}

/** The device's own question about the whole record, when its side is a record. */
export function ownWhole(given: Case, conflicts: readonly Conflict[]): Conflict | null {
  return (
    conflicts.find(
      (conflict) => conflict.field === '' && wholeSide(conflict.local) !== null && isOwn(given, conflict),
    ) ?? null
  )
}

export function amendWhole(given: Case, record: ServerRecord, conflicts: readonly Conflict[], whole: Conflict): Taken {
  const { collection, operation, author } = given
  // A side is nobody else's: it needs no marks and no documents.
  const side = { createdAt: 0, updatedAt: 0, fields: wholeSide(whole.local) ?? {} }
  const local = fold(collection, side, operation, 0)?.fields ?? side.fields
  return {
    kind: 'changed',
    record: { ...record, version: record.version + 1 },
    conflicts: conflicts.map((conflict) => (conflict === whole ? amended(whole, local, author) : conflict)),
    decisions: [],
  }
}

function isOwn({ operation }: Case, conflict: Conflict): boolean {
  return conflict.localBy.device === operation.device && !isSettledBy(conflict, operation.settles, operation.device)
}
