import type { Collection } from '@holdfast/core'

/** The indexes of a collection's table: those of the schema, and one by which the children of a record are found. */
export function indexesOf({ indexes, scope }: Collection): readonly (readonly string[])[] {
  if (scope.kind === 'own' || indexes.some(([first]) => first === scope.field)) return indexes
  return [...indexes, [scope.field]]
}
