/**
 * Who may write what. A rule sees both sides of a change, so nobody takes a record by writing its owner. Without a rule of its
 * own, a collection lets a user write what lies in one of the user's scopes, before and after.
 */
import {
  type Collection,
  type CollectionName,
  EngineError,
  type RecordId,
  type RecordValues,
  type RowOf,
  type Schema,
} from '@holdfast/core'
import type { Scope } from '../ports/server-store.ts'
import { scopesOfRecord } from './scopes.ts'
import type { User } from './user.ts'

/** A change as a rule sees it: `before` is null for a new record, `after` for a deleted one. */
export interface RuleInput<Row> {
  readonly user: User
  readonly before: Row | null
  readonly after: Row | null
}

export type Rules<S extends Schema> = {
  readonly [K in CollectionName<S>]?: { readonly write?: (change: RuleInput<RowOf<S['collections'][K]>>) => boolean }
}

/** Rules by collection name, without the schema's types: what the engine calls. */
export interface WriteRules {
  readonly [collection: string]: { readonly write?: WriteRule } | undefined
}

type WriteRule = (change: RuleInput<RuleRow>) => boolean

export type RuleRow = { readonly [column: string]: unknown }

export interface WriteChange {
  readonly name: string
  readonly collection: Collection
  readonly record: RecordId
  readonly before: RecordValues | null
  readonly after: RecordValues | null
}

/** Whether the rules let this change pass. A rule that throws is a defect of the app: SERVER_ERROR, nothing is stored. */
export function mayWrite(
  rules: WriteRules,
  writer: { readonly user: User; readonly scopes: ReadonlySet<Scope> },
  change: WriteChange,
): boolean {
  const { collection, before, after } = change
  const write = Object.hasOwn(rules, change.name) ? rules[change.name]?.write : undefined
  if (write === undefined) {
    return (
      (before === null || isWithin(writer.scopes, collection, before)) &&
      (after === null || isWithin(writer.scopes, collection, after))
    )
  }
  try {
    return write({ user: writer.user, before: ruleRow(change.record, before), after: ruleRow(change.record, after) })
  } catch (cause) {
    throw new EngineError('SERVER_ERROR', `The write rule of ${change.name} threw an error.`, { cause })
  }
}

/** Whether a record lies in one of these scopes. */
export function isWithin(scopes: ReadonlySet<Scope>, collection: Collection, values: RecordValues): boolean {
  return scopesOfRecord(collection, values).some((scope) => scopes.has(scope))
}

function ruleRow(id: RecordId, values: RecordValues | null): RuleRow | null {
  return values && { id, createdAt: values.createdAt, updatedAt: values.updatedAt, ...values.fields }
}
