/** Where a changed record stands in each scope that it lies in now or lay in before. */
import { type Collection, collectionOf, type Schema } from '@holdfast/core'
import type { FeedEntry, Scope } from '../ports/server-store.ts'
import { scopesOfRecord } from '../scope/scopes.ts'
import type { ChangedRecord } from './draft.ts'

export function feedEntries(schema: Schema, changes: readonly ChangedRecord[]): readonly FeedEntry[] {
  return changes.flatMap((change) => entriesOf(collectionOf(schema, change.collection), change))
}

function entriesOf(collection: Collection, { collection: name, record, before, after }: ChangedRecord): FeedEntry[] {
  const entry = (state: FeedEntry['state']) => (scope: Scope) => {
    return { scope, collection: name, record, version: after.version, state }
  }
  const held = before?.state === 'live' ? scopesOfRecord(collection, before.values) : []
  const holds = scopesOfRecord(collection, after.values)
  // A deleted record: its last values name the scopes of devices that may have seen it under them.
  if (after.state === 'deleted') return [...new Set([...held, ...holds])].map(entry('deleted'))
  return [...holds.map(entry('present')), ...held.filter((scope) => !holds.includes(scope)).map(entry('left'))]
}
