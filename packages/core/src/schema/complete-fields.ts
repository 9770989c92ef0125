/** From what an app gives to what an operation carries: defaults filled in, every value checked. */
import { EngineError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import { checkValue, fieldOf } from './check-value.ts'
import type { Collection } from './collection.ts'
import type { Field, FieldKind } from './field.ts'

/** Every field of a new record; counters start at 0. */
export function completeNewFields(
  name: string,
  collection: Collection,
  given: { readonly [field: string]: unknown },
): JsonObject {
  const complete: Record<string, Json> = {}
  for (const key of Object.keys(given)) fieldOf(name, collection, key)
  for (const [fieldName, field] of Object.entries(collection.fields)) {
    if (field.rule.kind === 'counter') {
      if (given[fieldName] !== undefined) throw counterGiven(name, fieldName)
      complete[fieldName] = 0
    } else {
      const value = given[fieldName]
      complete[fieldName] = checkValue(name, fieldName, field, value === undefined ? field.default : value)
    }
  }
  return complete
}

/** The fields of an update; at least one. */
export function checkPatch(
  name: string,
  collection: Collection,
  given: { readonly [field: string]: unknown },
): JsonObject {
  const patch: Record<string, Json> = {}
  for (const [fieldName, value] of Object.entries(given)) {
    const field = fieldOf(name, collection, fieldName)
    refuseWritten(name, fieldName, field)
    if (value !== undefined) patch[fieldName] = checkValue(name, fieldName, field, value)
  }
  return patch
}

/** What an increment adds. */
export function checkIncrements(
  name: string,
  collection: Collection,
  given: { readonly [field: string]: unknown },
): JsonObject {
  return ofKind(name, collection, given, 'counter', 'counter; write it with update')
}

/** The texts that an `add` or a `remove` names. */
export function checkTexts(
  name: string,
  collection: Collection,
  given: { readonly [field: string]: unknown },
): JsonObject {
  return ofKind(name, collection, given, 'set', 'set; write it with update')
}

/** Shared texts as they shall read. */
export function checkSharedTexts(
  name: string,
  collection: Collection,
  given: { readonly [field: string]: unknown },
): JsonObject {
  return ofKind(name, collection, given, 'shared', 'shared text; write it with update')
}

function ofKind(
  name: string,
  collection: Collection,
  given: { readonly [field: string]: unknown },
  kind: FieldKind,
  otherwise: string,
): JsonObject {
  const checked: Record<string, Json> = {}
  for (const [fieldName, value] of Object.entries(given)) {
    const field = fieldOf(name, collection, fieldName)
    if (field.rule.kind !== kind) {
      throw new EngineError('INVALID_VALUE', `${name}.${fieldName} is no ${otherwise}.`, { field: fieldName })
    }
    if (value !== undefined) checked[fieldName] = checkValue(name, fieldName, field, value)
  }
  return checked
}

function refuseWritten(name: string, fieldName: string, { rule }: Field): void {
  switch (rule.kind) {
    case 'counter':
      throw counterGiven(name, fieldName)
    case 'set':
      throw new EngineError('INVALID_VALUE', `${name}.${fieldName} is a set; it is changed by add and remove.`, {
        field: fieldName,
      })
    case 'shared':
      throw new EngineError('INVALID_VALUE', `${name}.${fieldName} is a shared text; it is changed by edit.`, {
        field: fieldName,
      })
  }
}

function counterGiven(name: string, field: string): EngineError {
  return new EngineError('INVALID_VALUE', `${name}.${field} is a counter; it is changed by increment only.`, { field })
}
