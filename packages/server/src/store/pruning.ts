/** What pruning leaves, as a condition on an entry `f` of the feed, in SQL that both stores understand. */
import { conflictsCollection, quoted, type Schema } from '@holdfast/core'

/** That a deleted record is needed still: an open conflict is about it, or a live record takes its scopes from it. */
export function neededSql(schema: Schema): string {
  const isDisputed = `exists (select 1 from ${quoted(conflictsCollection)} k where k.subject = f.collection || ' ' || f.record)`
  const hasChild = Object.entries(schema.collections).flatMap(([child, { scope }]) =>
    scope.kind === 'via'
      ? [
          `f.collection = '${scope.parent}' and exists (select 1 from ${quoted(child)} r where r.${quoted(scope.field)} = f.record)`,
        ]
      : [],
  )
  return `(f.state = 'deleted' and (${[isDisputed, ...hasChild].join(' or ')}))`
}
