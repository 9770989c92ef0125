/** An operation against the schema: values that every field takes, or the reason why not. Problems name no values. */
import {
  brokenRule,
  type Collection,
  canonical,
  type ErrorCode,
  type Field,
  type FieldRule,
  isOfKind,
  type Json,
  type JsonObject,
  type Operation,
} from '@holdfast/core'
import { passedBound } from './index-bound.ts'

export interface Refusal {
  readonly code: ErrorCode
  readonly field: string | null
  readonly problem: string
}

/**
 * The operation with every field in place (defaults where an older app did not know the field), each in its one form, or why it is
 * refused. What its writer says to have seen counts as far as a field of the schema can have held it: it is shown to others as the base
 * of what they are asked.
 */
export function checkOperation(
  collection: Collection,
  operation: Operation,
): { readonly kind: 'valid'; readonly operation: Operation } | { readonly kind: 'refused'; readonly refusal: Refusal } {
  const refusal = refusalOf(collection, operation)
  if (refusal !== null) return { kind: 'refused', refusal }
  return {
    kind: 'valid',
    operation: { ...operation, fields: completeFields(collection, operation), was: possibleWas(collection, operation) },
  }
}

function completeFields(collection: Collection, { kind, fields }: Operation): JsonObject {
  switch (kind) {
    case 'create':
      return mapped(collection.fields, (field, name) => canonical(field, newValue(field, fields[name])))
    case 'update':
    case 'add':
    case 'remove':
    case 'restore':
      return mapped(fields, (value, name) => {
        const field = collection.fields[name]
        return field === undefined ? value : canonical(field, value)
      })
    default:
      return fields
  }
}

function possibleWas({ fields }: Collection, { was }: Operation): JsonObject {
  const isPossible = ([name, value]: readonly [string, Json]) => {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    return field !== undefined && isOfKind(field, value)
  }
  const seen = Object.entries(was)
  return seen.every(isPossible) ? was : Object.fromEntries(seen.filter(isPossible))
}

function mapped<T>(members: { readonly [name: string]: T }, value: (member: T, name: string) => Json): JsonObject {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, value(member, name)]))
}

function refusalOf(collection: Collection, operation: Operation): Refusal | null {
  switch (operation.kind) {
    case 'delete':
      return null
    case 'restore':
      // Only a settlement says with which values.
      if (operation.settles.length === 0) return null
      return unknownField(collection, operation) ?? firstBroken(collection, operation, Object.keys(operation.fields))
    case 'create':
      return unknownField(collection, operation) ?? firstBroken(collection, operation, Object.keys(collection.fields))
    case 'update':
    case 'increment':
    case 'add':
    case 'remove':
    case 'edit':
      return unknownField(collection, operation) ?? firstBroken(collection, operation, Object.keys(operation.fields))
  }
}

function unknownField(collection: Collection, { fields, collection: name }: Operation): Refusal | null {
  const unknown = Object.keys(fields).find((field) => !Object.hasOwn(collection.fields, field))
  if (unknown === undefined) return null
  const known = Object.keys(collection.fields).join(', ')
  return { code: 'UNKNOWN_FIELD', field: shortName(unknown), problem: `${name} has only the fields ${known}.` }
}

function firstBroken(collection: Collection, operation: Operation, names: readonly string[]): Refusal | null {
  for (const name of names) {
    const field = collection.fields[name]
    const rule =
      field && (brokenBy(field, operation, operation.fields[name]) ?? tooLongFor(collection, operation, name))
    if (typeof rule === 'string') {
      return { code: 'INVALID_VALUE', field: name, problem: `${operation.collection}.${name} must be ${rule}.` }
    }
  }
  return null
}

function brokenBy(field: Field, { kind }: Operation, value: Json | undefined): string | null {
  const { rule } = field
  switch (kind) {
    case 'create':
      if (rule.kind === 'counter') return value === undefined || value === 0 ? null : '0 at first'
      return brokenRule(field, newValue(field, value))
    case 'increment':
      return rule.kind === 'counter' ? brokenRule(field, value) : 'a counter to be incremented'
    case 'add':
    case 'remove':
      return rule.kind === 'set' ? brokenRule(field, value) : `a set to ${kind} texts`
    case 'edit':
      if (rule.kind !== 'shared') return 'a shared text to be edited'
      // Whether it is a change of this text its type knows.
      return typeof value === 'string' ? null : 'edited by a change as text'
    case 'restore':
      return brokenRule(field, value)
    default:
      return changedOtherwise(rule) ?? brokenRule(field, value)
  }
}

/** What is never replaced as a whole. */
function changedOtherwise({ kind }: FieldRule): string | null {
  switch (kind) {
    case 'counter':
      return 'changed by increment only'
    case 'set':
      return 'changed by add and remove only'
    case 'shared':
      return 'changed by edit only'
    default:
      return null
  }
}

function tooLongFor(collection: Collection, { fields }: Operation, name: string): string | null {
  const bytesMax = passedBound(collection, name, fields[name])
  return bytesMax === null ? null : `at most ${bytesMax} bytes long as UTF-8, because an index or a scope holds it`
}

function newValue(field: Field, value: Json | undefined): Json {
  return value === undefined ? (field.default ?? null) : value
}

// A field's name in an outcome is bounded; this one was made up by the sender.
function shortName(name: string): string | null {
  return name.length <= 63 && name.isWellFormed() ? name : null
}
