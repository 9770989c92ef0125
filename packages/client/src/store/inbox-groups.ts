/**
 * The inbox as a person has to see it: one entry per cause, with everything that hangs on it. Pure; made anew at each reading.
 *
 * IG1  The operations of one app transaction lie in one group.
 * IG2  What was to create a record takes in what was written later on that record, and what refers to it; unless the record was created
 *      all the same, under another id.
 * IG3  The root of a group is its first operation that was refused for a reason of its own.
 */
import type { ErrorCode, Operation, Schema } from '@holdfast/core'
import { recordKey, targetsOf } from './references.ts'

/** What grouping looks at of a refused operation. */
export interface Groupable {
  readonly operation: Pick<Operation, 'tx' | 'collection' | 'record' | 'kind' | 'fields'>
  readonly code: ErrorCode
}

export interface Group<T> {
  readonly root: T
  /** The root among them, in local order. */
  readonly members: readonly T[]
}

/** @param refused in local order. Groups come in the order of their first members. */
export function groupsOf<T extends Groupable>(schema: Schema, refused: readonly T[]): readonly Group<T>[] {
  const headOf = refused.map((_, index) => index)
  const find = (index: number): number => {
    let head = index
    while (headOf[head] !== head) head = headOf[head] ?? head
    headOf[index] = head
    return head
  }
  /** The earlier one heads: a group is found by its first member. */
  const join = (a: number, b: number) => {
    const [first, second] = [find(a), find(b)].sort((x, y) => x - y)
    if (first !== undefined && second !== undefined) headOf[second] = first
  }

  const transactions = new Map<string, number>()
  const creations = new Map<string, number>()
  refused.forEach(({ operation, code }, index) => {
    join(index, transactions.get(operation.tx.id) ?? index)
    transactions.set(operation.tx.id, index)
    const own = recordKey(operation.collection, operation.record)
    for (const key of [own, ...targetsOf(schema, operation)]) join(index, creations.get(key) ?? index)
    if (isLacking(operation, code) && !creations.has(own)) creations.set(own, index)
  })
  const members = Map.groupBy(
    refused.map((one, index) => ({ one, head: find(index) })),
    ({ head }) => head,
  )
  return [...members.values()].flatMap((group) => groupOf(group.map(({ one }) => one)))
}

/** Whether there is no such record because this operation was refused. */
export function isLacking({ kind }: Pick<Operation, 'kind'>, code: ErrorCode): boolean {
  return kind === 'create' && code !== 'ALREADY_APPLIED'
}

function groupOf<T extends Groupable>(members: readonly T[]): readonly Group<T>[] {
  const root = members.find(({ code }) => code !== 'BLOCKED') ?? members[0]
  return root === undefined ? [] : [{ root, members }]
}
