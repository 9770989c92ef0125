/**
 * Who may write what. A rule sees both sides of a change, so nobody takes a record by writing its owner. Without a rule of its
 * own, a collection lets a user write what lies in one of the user's scopes, before and after.
 */
import {
  type Collection,
  type CollectionName,
  isObject,
  type RecordId,
  type RecordValues,
  type RowOf,
  type Schema,
  UsageError,
} from '@holdfast/core'
import type { Scope } from '../ports/server-store.ts'
import { isWithin } from './scopes.ts'
import type { User } from './user.ts'

/**
 * A change as a rule sees it: `before` is null for a new record only, `after` for a deletion; never both. For a deleted record that comes
 * back, or that shall, `before` is what it was when it was deleted.
 */
export interface RuleInput<Row> {
  readonly user: User
  readonly before: Row | null
  readonly after: Row | null
}

/** A refusal that says why. Who wrote the change reads it, and nobody else: `problem` is a sentence for that person. */
export interface Denial<FieldName extends string = string> {
  /** The field to mend; null where no single one is at fault. */
  readonly field: FieldName | null
  readonly problem: string
}

export type Rules<S extends Schema> = {
  readonly [K in CollectionName<S>]?: {
    readonly write?: (
      change: RuleInput<RowOf<S['collections'][K]>>,
    ) => boolean | Denial<Extract<keyof S['collections'][K]['fields'], string>>
  }
}

/** Rules by collection name, without the schema's types: what the engine calls. */
export interface WriteRules {
  readonly [collection: string]: { readonly write?: WriteRule } | undefined
}

type WriteRule = (change: RuleInput<RuleRow>) => boolean | Denial

export type RuleRow = { readonly [column: string]: unknown }

export interface WriteChange {
  readonly name: string
  readonly collection: Collection
  readonly record: RecordId
  readonly before: RecordValues | null
  readonly after: RecordValues | null
  /** Where the record lies before, and after; asked only where there is no rule. */
  readonly held: () => readonly Scope[]
  readonly holds: () => readonly Scope[]
}

/** 'broken': the rule threw, or answered something else than true, false or a denial. A defect of the app: the change waits for a mended rule. */
export type RuleAnswer =
  | { readonly kind: 'allowed' }
  | ({ readonly kind: 'denied' } & Denial)
  | { readonly kind: 'broken'; readonly fault: Error }

/** Asks the rule of the collection, or the rule of those that have none. */
export function askRule(
  rules: WriteRules,
  writer: { readonly user: User; readonly scopes: ReadonlySet<Scope> },
  change: WriteChange,
): RuleAnswer {
  const { name, collection, record, before, after, held, holds } = change
  const write = Object.hasOwn(rules, name) ? rules[name]?.write : undefined
  if (write === undefined) {
    return allowedIf(
      (before === null || isWithin(writer.scopes, held())) && (after === null || isWithin(writer.scopes, holds())),
    )
  }
  try {
    const answer: unknown = write({
      user: writer.user,
      before: ruleRow(record, before),
      after: ruleRow(record, after),
    })
    if (typeof answer === 'boolean') return allowedIf(answer)
    if (isDenial(answer, collection)) return { kind: 'denied', field: answer.field, problem: answer.problem }
    // An async rule that throws would end the process, as a rejection that nobody handles.
    if (answer instanceof Promise) answer.catch(() => {})
    return { kind: 'broken', fault: noAnswer(name, answer) }
  } catch (cause) {
    return { kind: 'broken', fault: new Error(`The write rule of ${name} threw an error.`, { cause }) }
  }
}

function allowedIf(condition: boolean): RuleAnswer {
  return condition ? { kind: 'allowed' } : { kind: 'denied', field: null, problem: 'You may not make this change.' }
}

function isDenial(answer: unknown, { fields }: Collection): answer is Denial {
  return (
    isObject(answer) &&
    typeof answer.problem === 'string' &&
    (answer.field === null || (typeof answer.field === 'string' && Object.hasOwn(fields, answer.field)))
  )
}

function noAnswer(name: string, answer: unknown): UsageError {
  const given = answer instanceof Promise ? 'a promise' : answer === null ? 'null' : `a value of type ${typeof answer}`
  return new UsageError(
    `The write rule of ${name} answered ${given}; it must answer true, false or { field, problem }, at once: what it has to wait for, such as a role, belongs into the claims of the user.`,
  )
}

function ruleRow(id: RecordId, values: RecordValues | null): RuleRow | null {
  return values && { id, createdAt: values.createdAt, updatedAt: values.updatedAt, ...values.fields }
}
