/** Which records of a batch may have open conflicts: only for those the store is asked. */
import type { Collection, Operation } from '@holdfast/core'

export function mayBeDisputed(collection: Collection, { settles }: Operation): boolean {
  // A conflict may be older than the strategy that its collection has now.
  return settles.length > 0 || asksPeople(collection)
}

function asksPeople({ merge, deletes, fields }: Collection): boolean {
  if (deletes === 'ask') return true
  if (merge.kind === 'causal' ? merge.concurrent === 'ask' : merge.clash === 'manual') return true
  return Object.values(fields).some((field) => field.merge === 'manual')
}
