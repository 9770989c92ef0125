/** What an operation's author is told of its effect. */
import {
  type Author,
  type Conflict,
  type Disputed,
  type Json,
  type Operation,
  type Outcome,
  sameJson,
  type Taken,
} from '@holdfast/core'

export function outcomeOf(
  operation: Operation,
  { before, effect, place }: { readonly before: Disputed; readonly effect: Taken; readonly place: number },
): Outcome {
  const { id } = operation
  const { version } = effect.record
  const fields = askedFields(before.conflicts, effect.conflicts)
  if (fields.length > 0) return { kind: 'conflict', id, version, place, fields }
  // A settlement says itself what stands.
  const met = effect.decisions.filter(({ settledBy }) => settledBy === null)
  if (met.length === 0) return { kind: 'applied', id, version, place }
  const dropped = met.flatMap((decision) =>
    isOwn(operation, decision) ? droppedFields(operation, decision.field, decision.result) : [],
  )
  return { kind: 'merged', id, version, place, dropped: [...new Set(dropped)] }
}

/** The fields of the conflicts that are new or whose own side is. */
function askedFields(before: readonly Conflict[], after: readonly Conflict[]): readonly string[] {
  if (after.length === 0) return []
  const revisions = new Map(before.map(({ id, revision }) => [id, revision]))
  return after.filter(({ id, revision }) => revisions.get(id) !== revision).map(({ field }) => field)
}

/** Whether it is about what this operation brought; the others are about what it took away. */
function isOwn(operation: Operation, { localBy, remoteBy }: Record<'localBy' | 'remoteBy', Author>): boolean {
  const isBy = ({ device, at }: Author) => device === operation.device && at === operation.time.at
  return isBy(localBy) && !isBy(remoteBy)
}

function droppedFields({ kind, fields }: Operation, field: string, result: Json): readonly string[] {
  if (field !== '') return sameJson(result, fields[field]) ? [] : [field]
  // A deletion that did not stand has no field to name.
  if (kind === 'delete') return result === null ? [] : ['']
  // What commutes is never dropped.
  if (kind !== 'update') return []
  return Object.keys(fields).filter((name) => !sameJson(memberOf(result, name), fields[name]))
}

function memberOf(value: Json, name: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [name: string]: Json })[name]
    : undefined
}
