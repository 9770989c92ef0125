/** Questions that outlived the strategy that asked them: the schema has changed since. */
import type { Operation } from '../protocol/operation.ts'
import type { Collection } from '../schema/collection.ts'
import { isSameWriter } from './author.ts'
import type { Conflict } from './conflict.ts'

/**
 * Those of the open conflicts that an edit of their author closes [CF5]: nobody is asked about the field any more, so the edit goes to the
 * record. What the author had said before is in the decision. A question about the record as a whole stays until it is settled: it is
 * about more than one edit.
 */
export function outlived(
  collection: Collection,
  { kind, fields, user, device, settles, replaces }: Operation,
  conflicts: readonly Conflict[],
): readonly Conflict[] {
  // What is sent again may be older than the question's own side.
  if (kind !== 'update' || settles.length > 0 || replaces.length > 0) return []
  return conflicts.filter(
    ({ field, localBy }) =>
      fields[field] !== undefined && !isAsked(collection, field) && isSameWriter(localBy, { user, device }),
  )
}

/** Whether a clash of the field opens a question about it. */
function isAsked({ merge, fields }: Collection, field: string): boolean {
  const own = fields[field]?.merge
  switch (merge.kind) {
    case 'fields':
      return (own ?? merge.clash) === 'manual'
    case 'causal':
      return merge.concurrent === 'ask' || own === 'manual'
    case 'record':
      return false
  }
}
