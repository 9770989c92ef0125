/** What an operation writes into a record, once it is known that it stands. */

import { EngineError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import { documentLengthMax } from '../protocol/limits.ts'
import { brokenRule } from '../schema/check-value.ts'
import type { SharedTextType } from '../schema/shared-text.ts'
import type { Case } from './apply-operation.ts'
import { type FieldStamp, noDevice } from './field-stamp.ts'
import { incremented } from './fold.ts'
import { type ServerRecord, stampOfField, vectorOf } from './server-record.ts'
import { addTexts, marksOf, removeTexts, textSet, textsOf } from './text-set.ts'
import { joinVectors } from './version-vector.ts'

export interface Changes {
  /** Fields by name. */
  readonly values: JsonObject
  /** See `ServerRecord.states`. */
  readonly states: JsonObject
  /** Fields whose value a merge function made. */
  readonly made: readonly string[]
}

/** Of a create, and of operations that commute, so that no clash is possible whatever their writer had seen; null: a new record. */
export function changesOf(given: Case, record: ServerRecord | null): Changes {
  const { operation } = given
  switch (operation.kind) {
    case 'increment':
      return { values: sums(record, operation.fields), states: {}, made: [] }
    case 'add':
    case 'remove':
      return record === null ? nothing : setChanges(given, record)
    case 'edit':
      return record === null ? nothing : textChanges(given, record)
    default:
      return { values: operation.fields, states: {}, made: [] }
  }
}

const nothing: Changes = { values: {}, states: {}, made: [] }

function sums(record: ServerRecord | null, added: JsonObject): JsonObject {
  const next = incremented(record?.values.fields ?? {}, added)
  const tooLarge = Object.entries(next).find(([, sum]) => !Number.isSafeInteger(sum))
  if (tooLarge === undefined) return next
  throw new EngineError('INVALID_VALUE', 'The counter would pass 2^53 − 1.', { field: tooLarge[0] })
}

function setChanges({ collection, operation, baseVersion }: Case, record: ServerRecord): Changes {
  const values: Record<string, Json> = {}
  const states: Record<string, Json> = {}
  for (const [name, given] of Object.entries(operation.fields)) {
    const marks = marksOf(record.states[name], record.values.fields[name], stampOfField(record, name))
    const edit = { texts: textsOf(given), device: operation.device, baseVersion, version: record.version + 1 }
    const next = operation.kind === 'add' ? addTexts(marks, edit) : removeTexts(marks, edit)
    const texts = textSet(Object.keys(next))
    const field = collection.fields[name]
    const rule = field === undefined ? null : brokenRule(field, texts)
    if (rule !== null) throw new EngineError('INVALID_VALUE', `The set must be ${rule}.`, { field: name })
    values[name] = texts
    states[name] = next
  }
  return { values, states, made: [] }
}

function textChanges({ operation, collection }: Case, record: ServerRecord): Changes {
  const values: Record<string, Json> = {}
  const states: Record<string, Json> = {}
  for (const [name, change] of Object.entries(operation.fields)) {
    const field = collection.fields[name]
    if (field?.rule.kind !== 'shared') continue
    const { type } = field.rule
    const { document, text } = merged(name, type, documentOf(record, name, type), String(change))
    const rule = brokenRule(field, text)
    if (rule !== null) throw new EngineError('INVALID_VALUE', `The text must be ${rule}.`, { field: name })
    if (document.length > documentLengthMax) {
      throw new EngineError('INVALID_VALUE', 'The text was edited too often to take more; go on in a new record.', {
        field: name,
      })
    }
    states[name] = document
    values[name] = text
  }
  return { values, states, made: [] }
}

function merged(name: string, type: SharedTextType, document: string, change: string) {
  try {
    return type.merge(document, change)
  } catch (error) {
    if (error instanceof EngineError) throw new EngineError(error.code, error.problem, { field: name, cause: error })
    throw error
  }
}

function documentOf(record: ServerRecord, name: string, type: SharedTextType): string {
  const known = record.states[name]
  return typeof known === 'string' ? known : type.documentOf(String(record.values.fields[name] ?? ''))
}

/** The record with these changes, one version on. */
export function withChanges(given: Case, record: ServerRecord, changes: Changes): ServerRecord {
  const { collection, operation, correctedMs } = given
  const { values, states } = changes
  const version = record.version + 1
  const stamp = stampBy(given, version)
  const isNew = record.version === 0
  const next: ServerRecord = {
    version,
    state: 'live',
    values: {
      createdAt: record.values.createdAt,
      // The time of the newest kept field: an edit that was made earlier and arrives later does not turn it back.
      updatedAt: Math.max(record.values.updatedAt, correctedMs),
      fields: { ...record.values.fields, ...values },
    },
    stamps: isNew ? { '': stamp } : { ...record.stamps, ...stampsOf(record, changes, stamp) },
    states: { ...record.states, ...states },
  }
  // What commutes is concurrent to nothing.
  const isPlain = operation.kind === 'create' || operation.kind === 'update'
  if (collection.merge.kind !== 'causal' || !isPlain) return next
  const vector = joinVectors(isNew ? {} : vectorOf(record), { [stamp.device]: version })
  return { ...next, states: { ...next.states, '': vector } }
}

function stampsOf(record: ServerRecord, { values, made }: Changes, stamp: FieldStamp) {
  return Object.fromEntries(
    Object.keys(values).map((name) => {
      const next = outrunning(stampOfField(record, name), stamp)
      return [name, made.includes(name) ? { ...next, device: noDevice } : next]
    }),
  )
}

/** A device whose clock was set back writes over its own later stamp: what it had outrun stays outrun. */
export function outrunning(last: FieldStamp, next: FieldStamp): FieldStamp {
  return last.stamp > next.stamp ? { ...next, stamp: last.stamp } : next
}

export function stampBy({ operation, stamp }: Case, version: number): FieldStamp {
  return { version, device: operation.device, user: operation.user, stamp, at: operation.time.at }
}
