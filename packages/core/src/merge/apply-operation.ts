/** What one operation does to one record on the server, the arbiter: a pure function of the record, the operation and its stamp. */

import type { ErrorCode } from '../errors.ts'
import type { Generation } from '../ids.ts'
import type { Json, JsonObject } from '../json.ts'
import type { Operation } from '../protocol/operation.ts'
import type { Collection } from '../schema/collection.ts'
import { incremented, type RecordValues } from './fold.ts'
import { type FieldStamp, mergeFields } from './merge-fields.ts'

/**
 * A record as the server holds it. `version` counts its changes, deletion included, and never goes back. `stamps` says who wrote
 * each field last; the entry '' stands for every field that has none of its own.
 */
export interface ServerRecord {
  readonly version: number
  readonly state: 'live' | 'deleted'
  /** Of a deleted record: its last values, for a restore. */
  readonly values: RecordValues
  readonly stamps: { readonly [field: string]: FieldStamp }
}

export interface StampedOperation {
  readonly operation: Operation
  /** The write's time by the server's clock, in milliseconds. */
  readonly correctedMs: number
  /** `stampOf(correctedMs, counter, device)`. */
  readonly stamp: string
}

export type Effect =
  | {
      readonly kind: 'changed'
      readonly record: ServerRecord
      readonly merged: boolean
      readonly dropped: readonly string[]
    }
  /** The operation's meaning already holds: an outcome without a change. */
  | {
      readonly kind: 'unchanged'
      readonly record: ServerRecord
      readonly merged: boolean
      readonly dropped: readonly string[]
    }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly field: string | null; readonly problem: string }

export function applyOperation(
  collection: Collection,
  before: ServerRecord | null,
  stamped: StampedOperation,
  generation: Generation,
): Effect {
  const { operation } = stamped
  switch (operation.kind) {
    case 'create':
      return create(before, stamped)
    case 'update':
      return onLive(before, (record) => update(collection, record, stamped, generation))
    case 'increment':
      return onLive(before, (record) => increment(record, stamped))
    case 'delete':
      if (before?.state === 'deleted') return { kind: 'unchanged', record: before, merged: false, dropped: [] }
      return onLive(before, (record) =>
        changed({ ...record, version: record.version + 1, state: 'deleted', stamps: allBy(record, stamped) }),
      )
    case 'restore':
      return restore(before, stamped, generation)
  }
}

function create(before: ServerRecord | null, stamped: StampedOperation): Effect {
  if (before?.state === 'deleted') return refused('RECORD_DELETED', 'A deleted record id is never created again.')
  if (before !== null) return refused('ALREADY_EXISTS', 'A record of this id exists already.')
  const at = stamped.correctedMs
  return changed({
    version: 1,
    state: 'live',
    values: { createdAt: at, updatedAt: at, fields: stamped.operation.fields },
    stamps: { '': stampBy(1, stamped) },
  })
}

function update(
  collection: Collection,
  record: ServerRecord,
  stamped: StampedOperation,
  generation: Generation,
): Effect {
  const { operation } = stamped
  const merge = mergeFields(
    collection.merge,
    { fields: record.values.fields, stampOf: (field) => stampOfField(record, field) },
    {
      fields: operation.fields,
      was: operation.was,
      baseVersion: operation.base.generation === generation ? operation.base.version : null,
      device: operation.device,
      stamp: stamped.stamp,
    },
  )
  if (Object.keys(merge.taken).length === 0) {
    return { kind: 'unchanged', record, merged: merge.clashed, dropped: merge.dropped }
  }
  return { ...changed(withFields(record, merge.taken, stamped)), merged: merge.clashed, dropped: merge.dropped }
}

// Adding commutes: no clash is possible, whatever the writer had seen.
function increment(record: ServerRecord, stamped: StampedOperation): Effect {
  const sums = incremented(record.values.fields, stamped.operation.fields)
  const tooLarge = Object.entries(sums).find(([, sum]) => !Number.isSafeInteger(sum))
  if (tooLarge !== undefined) {
    return { kind: 'refused', code: 'INVALID_VALUE', field: tooLarge[0], problem: 'The counter would pass 2^53 − 1.' }
  }
  return changed(withFields(record, sums, stamped))
}

// A restore undoes the deletion that its writer knows of: that of its base version, or the device's own. One that met a living record has nothing to do.
function restore(before: ServerRecord | null, stamped: StampedOperation, generation: Generation): Effect {
  if (before === null) return refused('NOT_FOUND', 'There is no such record.')
  if (before.state === 'live') return { kind: 'unchanged', record: before, merged: false, dropped: [] }
  const { base, device } = stamped.operation
  const known = base.generation === generation && base.version >= before.version
  if (!known && stampOfField(before, '').device !== device) {
    return refused('RECORD_DELETED', 'Somebody else has deleted the record since.')
  }
  return changed({
    version: before.version + 1,
    state: 'live',
    values: { ...before.values, updatedAt: Math.max(before.values.updatedAt, stamped.correctedMs) },
    stamps: allBy(before, stamped),
  })
}

function onLive(before: ServerRecord | null, work: (record: ServerRecord) => Effect): Effect {
  if (before === null) return refused('NOT_FOUND', 'There is no such record.')
  if (before.state === 'deleted') return refused('RECORD_DELETED', 'The record was deleted.')
  return work(before)
}

function withFields(record: ServerRecord, fields: JsonObject, stamped: StampedOperation): ServerRecord {
  const version = record.version + 1
  const stamp = stampBy(version, stamped)
  const stamps: Record<string, FieldStamp> = { ...record.stamps }
  const values: Record<string, Json> = { ...record.values.fields }
  for (const [name, value] of Object.entries(fields)) {
    values[name] = value
    // A device whose clock was set back writes over its own later stamp: what it had outrun stays outrun.
    const last = stampOfField(record, name).stamp
    stamps[name] = last > stamp.stamp ? { ...stamp, stamp: last } : stamp
  }
  return {
    version,
    state: 'live',
    values: {
      createdAt: record.values.createdAt,
      // The time of the newest kept field: an edit that was made earlier and arrives later does not turn it back.
      updatedAt: Math.max(record.values.updatedAt, stamped.correctedMs),
      fields: values,
    },
    stamps,
  }
}

export function stampOfField(record: ServerRecord, field: string): FieldStamp {
  const stamp = record.stamps[field] ?? record.stamps['']
  if (stamp === undefined) throw new Error('A record has a stamp for all of its fields.')
  return stamp
}

// Every field counts as written now: an older edit that arrives later meets newer versions.
function allBy(record: ServerRecord, stamped: StampedOperation): { readonly [field: string]: FieldStamp } {
  return { '': stampBy(record.version + 1, stamped) }
}

function stampBy(version: number, { operation, stamp }: StampedOperation): FieldStamp {
  return { version, device: operation.device, user: operation.user, stamp }
}

function changed(record: ServerRecord): Effect & { readonly kind: 'changed' } {
  return { kind: 'changed', record, merged: false, dropped: [] }
}

function refused(code: ErrorCode, problem: string): Effect {
  return { kind: 'refused', code, field: null, problem }
}
