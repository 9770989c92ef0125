/**
 * Deletion against a concurrent edit, in both orders of arrival, and the restore.
 *
 * DE1  [I-20] A deleted record comes back by a restore that names its deletion, or by an edit whose writer did not know of the deletion
 *      in a collection where edits win; by nothing else.
 *      A settlement names it only while its question is open on that very record: one that comes late asks again, or is refused.
 * DE2  Whichever side does not stand is in a decision, in a question, or refused into its writer's inbox.
 * DE3  Who deletes has seen a field when its value is the one that they saw; a field that their app does not know, when it was written
 *      up to their base.
 */
import { type Json, type JsonObject, sameJson } from '../json.ts'
import { sharedFields } from '../schema/documents.ts'
import { amendWhole, asking, commuted, isOutdated, ownWhole } from './amend-conflicts.ts'
import { type Case, type Effect, refused, sideOf, type Taken } from './apply-operation.ts'
import { authorOf } from './author.ts'
import { type Conflict, named, settledDecision, wholeSide } from './conflict.ts'
import type { Decision } from './decision.ts'
import type { FieldStamp } from './field-stamp.ts'
import { isOwn, isUnseen, pick, plainFields, whole } from './merge-edit.ts'
import { outrunning, stampBy } from './record-changes.ts'
import { type ServerRecord, stampOfField, vectorOf } from './server-record.ts'
import { joinVectors } from './version-vector.ts'

/** What an edit does to a living record. */
type EditRecord = (given: Case, record: ServerRecord, conflicts: readonly Conflict[]) => Effect

export function deleteRecord(given: Case, record: ServerRecord, conflicts: readonly Conflict[]): Effect {
  const { collection, operation } = given
  if (record.state === 'deleted') {
    // Its author wants the deletion now, too.
    const own = ownWhole(given, conflicts)
    const left = withoutTakenBack(given, conflicts, own)
    // Who settles another's question has not spoken of the own side as such.
    const isTold = operation.settles.length > 0 && own !== null && own.local !== null && !left.includes(own)
    const decisions = isTold ? [settledDecision(own, null, given.author)] : []
    return { kind: 'unchanged', record, conflicts: left, decisions }
  }
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
        ...asking(given, conflicts, sides),
      }
  }
}

/** Without the device's own question, which this operation takes back; one that it asked later stays. */
function withoutTakenBack(given: Case, conflicts: readonly Conflict[], own: Conflict | null): readonly Conflict[] {
  return own === null || isOutdated(given, own) ? conflicts : conflicts.filter((one) => one !== own)
}

/** With the record goes what was open about it: each side of it is in a decision. */
function deleted(
  given: Case,
  record: ServerRecord,
  conflicts: readonly Conflict[],
  decisions: readonly Decision[],
): Taken {
  const { author } = given
  const version = record.version + 1
  const settled = conflicts.filter((conflict) => given.settled.has(conflict))
  const dropped = conflicts
    // To clear a field is a value; a deletion in question has what it asked for.
    .filter(({ field, local }) => field !== '' || local !== null)
    .filter((conflict) => !settled.includes(conflict))
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
  editRecord: EditRecord,
): Effect {
  const { collection } = given
  const { kind, fields, settles } = given.operation
  // A settlement that leaves what is there.
  if (kind === 'update' && Object.keys(fields).length === 0) {
    return { kind: 'unchanged', record, conflicts, decisions: [] }
  }
  const own = ownWhole(given, conflicts)
  if (own !== null && settles.length === 0) return amendWhole(given, record, conflicts, own)
  const deletion = deletionOf(record)
  if (isKnown(given, deletion) || collection.deletes === 'deleteWins') {
    return refused('RECORD_DELETED', 'The record was deleted.')
  }
  const sides = { field: '', base: baseOf(given, record), remote: null, remoteBy: authorOf(deletion) }
  if (collection.deletes === 'ask') {
    const next = commuted(given, record)
    const ask = { ...sides, local: wanted(given, next) }
    return { kind: 'changed', record: next, ...asking(given, conflicts, ask) }
  }
  const edited = editRecord(given, undeleted(record), conflicts)
  if (edited.kind === 'refused' || edited.kind === 'broken') return edited
  // An edit that did not stand against others still keeps the record.
  const next = { ...edited.record, version: record.version + 1 }
  const local = sideOf(given, next, '')
  return {
    ...edited,
    kind: 'changed',
    record: next,
    decisions: [...edited.decisions, decision(given, { ...sides, local }, 'editWins', local)],
  }
}

/** The record as the writer of an edit wants it. */
function wanted({ collection, operation }: Case, { values: { fields } }: ServerRecord): JsonObject {
  if (collection.merge.kind !== 'record')
    return operation.kind === 'update' ? { ...fields, ...operation.fields } : fields
  const plain = plainFields(collection)
  return whole(operation.kind === 'update' ? { ...fields, ...operation.was, ...operation.fields } : fields, plain)
}

/** A restore undoes the deletion that its writer knows of: that of its base version, or the device's own. */
export function restoreRecord(
  given: Case,
  record: ServerRecord,
  conflicts: readonly Conflict[],
  editRecord: EditRecord,
): Effect {
  const { collection, operation, correctedMs } = given
  const isSettlement = operation.settles.length > 0
  if (record.state === 'live') {
    if (isSettlement) return editRecord(asEdit(given, conflicts), record, conflicts)
    // There is nothing to restore; whose deletion is still in question takes it back.
    const own = ownWhole(given, conflicts)
    const open = own?.local === null ? withoutTakenBack(given, conflicts, own) : conflicts
    return { kind: 'unchanged', record, conflicts: open, decisions: [] }
  }
  const deletion = deletionOf(record)
  if (!isKnown(given, deletion)) return refused('RECORD_DELETED', 'Somebody else has deleted the record since.')
  if (isSettlement && named(operation, conflicts).length === 0) return restoreAgain(given, record, conflicts)
  const version = record.version + 1
  const { fields } = record.values
  const written = isSettlement ? pick(operation.fields, plainFields(collection)) : {}
  return {
    kind: 'changed',
    record: {
      version,
      state: 'live',
      values: {
        createdAt: record.values.createdAt,
        updatedAt: Math.max(record.values.updatedAt, correctedMs),
        // A settlement says with which values; any other restore brings back the last ones.
        fields: { ...fields, ...written },
      },
      stamps: restamped(given, record, version),
      // A shared text begins anew: the device that restores it does not have the document any more, and may edit the text before
      // this is answered.
      states: {
        ...without(record.states, sharedFields(collection)),
        ...(collection.merge.kind === 'causal'
          ? { '': joinVectors(vectorOf(record), seenNow(given, record, version)) }
          : {}),
      },
    },
    conflicts,
    decisions: [],
  }
}

/** A settlement for a record that somebody else has settled to stay deleted. */
function restoreAgain(given: Case, record: ServerRecord, conflicts: readonly Conflict[]): Effect {
  const { collection, operation } = given
  if (collection.deletes !== 'ask')
    return refused('RECORD_DELETED', 'It was settled meanwhile that the record stays deleted.')
  const plain = plainFields(collection)
  const all = record.values.fields
  const base = collection.merge.kind === 'record' ? whole(all, plain) : all
  const local = { ...base, ...pick(operation.fields, plain) }
  const ask = { field: '', base, local, remote: null, remoteBy: authorOf(deletionOf(record)) }
  const next = { ...record, version: record.version + 1 }
  return { kind: 'changed', record: next, ...asking(given, conflicts, ask) }
}

/** The entry of a deleted record's stamps that says who deleted it: no field has this name. */
const deletedMark = '$deleted'

export function deletionOf(record: ServerRecord): FieldStamp {
  return stampOfField(record, deletedMark)
}

function undeleted(record: ServerRecord): ServerRecord {
  const { [deletedMark]: _, ...stamps } = record.stamps
  return { ...record, state: 'live', stamps }
}

function isKnown(given: Case, deletion: FieldStamp): boolean {
  const { baseVersion, operation } = given
  return (
    isOwn({ ...given, replaces: operation.replaces }, deletion) ||
    (baseVersion !== null && baseVersion >= deletion.version)
  )
}

function without(states: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(states).filter(([name]) => !names.includes(name)))
}

/** A settlement that was to bring a record back, and met a living one: an edit by who saw what had been asked. */
function asEdit(given: Case, conflicts: readonly Conflict[]): Case {
  const { collection, operation } = given
  const asked = conflicts.find((conflict) => given.settled.has(conflict))
  const base = wholeSide(asked?.base ?? null)
  const names = plainFields(collection)
  const was = whole(base ?? {}, names)
  // What the settlement leaves as it was, it does not write: others may have changed it since.
  const written = names.filter(
    (name) =>
      collection.merge.kind === 'record' || base === null || !sameJson(operation.fields[name] ?? null, was[name]),
  )
  return { ...given, operation: { ...operation, kind: 'update', fields: pick(operation.fields, written), was } }
}

/**
 * Every field counts as written now, so that an older edit that arrives later meets newer versions: by the device that restored it,
 * unless that showed another value, and so had not seen the one that is there.
 */
function restamped(given: Case, record: ServerRecord, version: number): { readonly [field: string]: FieldStamp } {
  const now = stampBy(given, version)
  const unseen = notShown(given, record).map((name) => {
    const last = stampOfField(record, name)
    return [name, { ...outrunning(last, now), user: last.user, device: last.device, at: last.at }]
  })
  return { '': now, ...Object.fromEntries(unseen) }
}

function seenNow(given: Case, record: ServerRecord, version: number): { readonly [device: string]: number } {
  const devices = [given.operation.device, ...notShown(given, record).map((name) => stampOfField(record, name).device)]
  return Object.fromEntries(devices.map((device) => [device, version]))
}

/** The fields that are restored with a value that the device which restores them does not show. */
function notShown({ operation, collection }: Case, { values }: ServerRecord): readonly string[] {
  if (operation.settles.length > 0) return []
  return plainFields(collection).filter(
    (name) => operation.fields[name] !== undefined && !sameJson(operation.fields[name], values.fields[name]),
  )
}

/** The newest write that the author of a deletion did not know of; null when the record reads as it was seen. */
function newestUnseen(given: Case, record: ServerRecord): FieldStamp | null {
  const { operation, collection } = given
  const { was, replaces } = operation
  const { fields } = record.values
  const current = { fields, stampOf: (field: string) => stampOfField(record, field) }
  return Object.keys(collection.fields)
    .filter(
      (name) => given.overtaken.has(name) || was[name] === undefined || !sameJson(fields[name] ?? null, was[name]),
    )
    .filter((name) => isUnseen(current, { ...given, was, replaces }, name))
    .map(current.stampOf)
    .reduce<FieldStamp | null>((last, stamp) => (last && last.version > stamp.version ? last : stamp), null)
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
