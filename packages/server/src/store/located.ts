/** Where records stand, from what a store finds of them: the same for both stores. */
import type { RecordId, ServerRecord } from '@holdfast/core'
import type { Scope, Whereabouts } from '../ports/server-store.ts'

export interface FoundRecord {
  readonly version: number
  readonly state: ServerRecord['state']
  readonly parent: RecordId | null
}

/** An entry of the feed that is not 'left'. */
export interface FoundEntry {
  readonly record: RecordId
  readonly scope: Scope
  readonly state: string
  readonly version: number
}

export function locatedOf(
  records: ReadonlyMap<RecordId, FoundRecord>,
  entries: Iterable<FoundEntry>,
): ReadonlyMap<RecordId, Whereabouts> {
  const scopes = new Map<RecordId, Scope[]>()
  for (const { record: id, scope, state, version } of entries) {
    const record = records.get(id)
    if (record === undefined) continue
    // Of two deletions the last says where the record was last; a mark of the first may stand elsewhere.
    const isThere = record.state === 'live' ? state === 'present' : state === 'deleted' && version === record.version
    if (isThere) scopes.set(id, [...(scopes.get(id) ?? []), scope])
  }
  return new Map(
    [...records].map(([id, { state, parent }]) => [id, { state, parent, scopes: (scopes.get(id) ?? []).sort() }]),
  )
}
