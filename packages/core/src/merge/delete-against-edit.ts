/**
 * Deletion against a concurrent edit, in both orders of arrival, and the restore.
 *
 * DE1  [I-20] A deleted record comes back by a restore that names its deletion, or by an edit whose writer did not know of the deletion
 *      in a collection where edits win; by nothing else.
 * DE2  Whichever side does not stand is in a decision, in a question, or refused into its writer's inbox.
 */
import { type Json, type JsonObject, sameJson } from '../json.ts'
import { sharedFields } from '../schema/documents.ts'
import { amendWhole, ownWhole } from './amend-conflicts.ts'
import { type Case, conflictId, type Effect, refused, sideOf, type Taken } from './apply-operation.ts'
import { authorOf } from './author.ts'
import { type Conflict, isSettledBy, openConflict } from './conflict.ts'
import type { Decision } from './decision.ts'
import type { FieldStamp } from './field-stamp.ts'
import { changesOf, stampBy } from './record-changes.ts'
import { type ServerRecord, stampOfField } from './server-record.ts'

export function deleteRecord(given: Case, record: ServerRecord, conflicts: readonly Conflict[]): Effect {
  const { collection, operation, author } = given
  if (record.state === 'deleted') return { kind: 'unchanged', record, conflicts, decisions: [] }
  const unseen = newestUnseen(given, record)
  const remote = sideOf(given, record, '')
  if (unseen === null) return deleted(given, record, conflicts, [])
  const sides = { field: '', base: operation.was, local: null, remote, remoteBy: authorOf(unseen) }
  switch (collection.deletes) {
    case 'deleteWins':
      return deleted(given, record, conflicts, [decision(given, sides, 'deleteWins', null)])
    case 'editWins':
      return { kind: 'unchanged', record, conflicts, decisions: [decision(given, sides, 'editWins', remote)] }
    case 'ask':
      return {
        kind: 'changed',
        record: { ...record, version: record.version + 1 },
        conflicts: [...conflicts, openConflict(conflictId(given, ''), sides, author)],
        decisions: [],
      }
  }
}

/** With the record goes what was open about it: each side of it is in a decision. */
function deleted(
  given: Case,
  record: ServerRecord,
  conflicts: readonly Conflict[],
  decisions: readonly Decision[],
): Taken {
  const { operation, author } = given
  const version = record.version + 1
  const settled = conflicts.filter((conflict) => isSettledBy(conflict, operation.settles, operation.device))
  const dropped = conflicts
    .filter((conflict) => !settled.includes(conflict) && conflict.local !== null)
    .map((conflict): Decision => {
      const { field, base, local, localBy } = conflict
      const sides = { field, base, local, localBy, remote: null, remoteBy: author }
      return { ...sides, strategy: 'deleteWins', winner: 'remote', result: null, settledBy: null }
    })
  return {
    kind: 'changed',
    // The stamps of its fields stay: an edit that wins over the deletion merges as if there had been none.
    record: {
      ...record,
      version,
      state: 'deleted',
      stamps: { ...record.stamps, [deletedMark]: stampBy(given, version) },
    },
    conflicts: settled,
    decisions: [...decisions, ...dropped],
  }
}

/** An edit that meets a deleted record. */
export function editDeleted(
  given: Case,
  record: ServerRecord,
  conflicts: readonly Conflict[],
  editRecord: (given: Case, record: ServerRecord, conflicts: readonly Conflict[]) => Effect,
): Effect {
  const { collection, operation, author } = given
  const whole = ownWhole(given, conflicts)
  if (whole !== null && operation.kind !== 'edit') return amendWhole(given, record, conflicts, whole)
  const deletion = deletionOf(record)
  if (isKnown(given, deletion) || collection.deletes === 'deleteWins') {
    return refused('RECORD_DELETED', 'The record was deleted.')
  }
  const edited = editRecord(given, undeleted(record), conflicts)
  if (edited.kind === 'refused' || edited.kind === 'broken') return edited
  const sides = { field: '', base: baseOf(given, record), remote: null, remoteBy: authorOf(deletion) }
  if (collection.deletes === 'editWins') {
    // An edit that did not stand against others still keeps the record.
    const version = record.version + 1
    const { fields } = edited.record.values
    return {
      ...edited,
      kind: 'changed',
      record: { ...edited.record, version },
      decisions: [...edited.decisions, decision(given, { ...sides, local: fields }, 'editWins', fields)],
    }
  }
  const ask = { ...sides, local: { ...record.values.fields, ...changesOf(given, record).values } }
  return {
    kind: 'changed',
    record: { ...record, version: record.version + 1 },
    conflicts: [...conflicts, openConflict(conflictId(given, ''), ask, author)],
    decisions: [],
  }
}

/** A restore undoes the deletion that its writer knows of: that of its base version, or the device's own. One that met a living record has nothing to do. */
export function restoreRecord(given: Case, record: ServerRecord, conflicts: readonly Conflict[]): Effect {
  const { collection, operation, correctedMs } = given
  if (record.state === 'live') return { kind: 'unchanged', record, conflicts, decisions: [] }
  if (!isKnown(given, deletionOf(record)))
    return refused('RECORD_DELETED', 'Somebody else has deleted the record since.')
  const version = record.version + 1
  const isSettlement = conflicts.some((conflict) => isSettledBy(conflict, operation.settles, operation.device))
  const { fields } = record.values
  return {
    kind: 'changed',
    record: {
      ...record,
      version,
      state: 'live',
      values: {
        createdAt: record.values.createdAt,
        updatedAt: Math.max(record.values.updatedAt, correctedMs),
        // A settlement says with which values; any other restore brings back the last ones.
        fields: isSettlement ? { ...fields, ...operation.fields } : fields,
      },
      stamps: allBy(given, version),
      // What is given anew begins anew: marks and documents of the old value do not fit it. A shared text always does: the device
      // that restores it does not have the document any more, and may edit the text before this is answered.
      states: without(record.states, [
        ...sharedFields(collection),
        ...(isSettlement ? Object.keys(operation.fields) : []),
      ]),
    },
    conflicts,
    decisions: [],
  }
}

/** The entry of a deleted record's stamps that says who deleted it: no field has this name. */
const deletedMark = '$deleted'

function deletionOf(record: ServerRecord): FieldStamp {
  return stampOfField(record, deletedMark)
}

function undeleted(record: ServerRecord): ServerRecord {
  const { [deletedMark]: _, ...stamps } = record.stamps
  return { ...record, state: 'live', stamps }
}

function isKnown({ author, baseVersion }: Case, deletion: FieldStamp): boolean {
  return deletion.device === author.device || (baseVersion !== null && baseVersion >= deletion.version)
}

function without(states: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(states).filter(([name]) => !names.includes(name)))
}

/** Every field counts as written now: an older edit that arrives later meets newer versions. */
function allBy(given: Case, version: number): { readonly [field: string]: FieldStamp } {
  return { '': stampBy(given, version) }
}

/** The newest write that the author of a deletion did not know of; null when the record reads as it was seen. */
function newestUnseen({ operation, author, baseVersion }: Case, record: ServerRecord): FieldStamp | null {
  const unseen = Object.values(record.stamps).filter(
    ({ device, version }) => device !== author.device && (baseVersion === null || version > baseVersion),
  )
  const seen = Object.entries(operation.was)
  if (seen.length > 0 && seen.every(([name, value]) => sameJson(record.values.fields[name], value))) return null
  return unseen.reduce<FieldStamp | null>((last, stamp) => (last && last.version > stamp.version ? last : stamp), null)
}

/** What the writer had seen of the record: its last values, with the fields that the operation names. */
function baseOf({ operation }: Case, record: ServerRecord): JsonObject {
  return { ...record.values.fields, ...operation.was }
}

function decision(
  { author }: Case,
  sides: Pick<Decision, 'field' | 'base' | 'local' | 'remote' | 'remoteBy'>,
  strategy: 'deleteWins' | 'editWins',
  result: Json,
): Decision {
  const winner = result === sides.local || sameJson(result, sides.local) ? 'local' : 'remote'
  return { ...sides, strategy, winner, result, localBy: author, settledBy: null }
}
