/** Conflicts and decisions as rows of the engine's collections, and back. */
import type { RecordId } from '../ids.ts'
import { type Json, type JsonObject, sameJson } from '../json.ts'
import { subjectOf } from '../schema/system-collections.ts'
import type { Author } from './author.ts'
import type { Conflict } from './conflict.ts'
import type { Decision } from './decision.ts'
import type { ServerRecord } from './server-record.ts'

export interface Subject {
  readonly collection: string
  readonly record: RecordId
}

/** `before`: the row as it is stored; null: a new one. `version`: the record's. */
export function conflictRow(
  subject: Subject,
  conflict: Conflict,
  before: ServerRecord | null,
  version: number,
): ServerRecord {
  const { field, revision, base, local, remote, localBy, remoteBy } = conflict
  return systemRow(before, conflict.localBy, {
    ...subjectFields(subject),
    field,
    base,
    local,
    remote,
    ...authorFields('local', localBy),
    ...authorFields('remote', remoteBy),
    revision,
    version,
  })
}

export function conflictOf(
  id: RecordId,
  { values: { fields } }: { readonly values: { readonly fields: JsonObject } },
): Conflict {
  return {
    id,
    field: String(fields.field),
    revision: Number(fields.revision),
    base: fields.base ?? null,
    local: fields.local ?? null,
    remote: fields.remote ?? null,
    localBy: authorOfFields('local', fields),
    remoteBy: authorOfFields('remote', fields),
  }
}

export function decisionRow(
  subject: Subject,
  decision: Decision,
  met: { readonly operation: string; readonly version: number; readonly by: Author; readonly nowMs: number },
): ServerRecord {
  const { field, strategy, winner, base, local, remote, result, localBy, remoteBy, settledBy } = decision
  const row = systemRow(null, met.by, {
    ...subjectFields(subject),
    field,
    base,
    local,
    remote,
    ...authorFields('local', localBy),
    ...authorFields('remote', remoteBy),
    version: met.version,
    operation: met.operation,
    strategy,
    winner,
    // A side that stands is not kept twice.
    result: winner === 'merged' ? result : null,
    settledUser: settledBy?.user ?? null,
    settledDevice: settledBy?.device ?? null,
    settledAt: settledBy?.at ?? null,
    settledCorrectedAt: settledBy?.correctedAt ?? null,
  })
  return { ...row, values: { ...row.values, createdAt: met.nowMs, updatedAt: met.nowMs } }
}

/** What a decision's row says that stands. */
export function resultOf({ winner, local, remote, result }: JsonObject): Json {
  switch (winner) {
    case 'local':
      return local ?? null
    case 'remote':
      return remote ?? null
    default:
      return result ?? null
  }
}

/** The row of a conflict that is closed. */
export function closedRow(before: ServerRecord): ServerRecord {
  return { ...before, version: before.version + 1, state: 'deleted' }
}

function systemRow(before: ServerRecord | null, by: Author, fields: JsonObject): ServerRecord {
  const version = (before?.version ?? 0) + 1
  const stamp = { version, device: by.device, user: by.user, stamp: `0.${by.device}`, at: by.at }
  const at = Math.max(0, by.correctedAt)
  return {
    version,
    state: 'live',
    values: { createdAt: before?.values.createdAt ?? at, updatedAt: at, fields },
    stamps: { '': stamp },
    states: {},
  }
}

function subjectFields({ collection, record }: Subject): JsonObject {
  return { subject: subjectOf(collection, record), collection, record }
}

function authorFields(side: 'local' | 'remote', { user, device, at, correctedAt }: Author): JsonObject {
  return { [`${side}User`]: user, [`${side}Device`]: device, [`${side}At`]: at, [`${side}CorrectedAt`]: correctedAt }
}

function authorOfFields(side: 'local' | 'remote', fields: JsonObject): Author {
  return {
    user: String(fields[`${side}User`]),
    device: String(fields[`${side}Device`]),
    at: Number(fields[`${side}At`]),
    correctedAt: Number(fields[`${side}CorrectedAt`]),
  }
}

/** Whether a conflict's row says something else now. */
export function isSameConflict(a: Conflict, b: Conflict): boolean {
  return a.revision === b.revision && sameJson(a.remote, b.remote) && sameJson(a.local, b.local)
}
