/** Where a changed record stands in each scope that it lies in now or lay in before. */
import { type Collection, collectionOf, ownScopes, type Schema } from '@holdfast/core'
import type { FeedEntry, Scope } from '../ports/server-store.ts'
import { scopesOfRecord } from '../scope/scopes.ts'
import type { ChangedRecord } from './draft.ts'
import { rowBytes } from './row-bytes.ts'

export function feedEntries(schema: Schema, changes: readonly ChangedRecord[]): readonly FeedEntry[] {
  return changes.flatMap((change) => entriesOf(collectionOf(schema, change.collection), change))
}

function entriesOf(collection: Collection, change: ChangedRecord): FeedEntry[] {
  const { collection: name, record, before, after } = change
  const bytes = after.state === 'live' ? rowBytes(after) : 0
  const entry = (state: FeedEntry['state']) => (scope: Scope) => {
    return { scope, collection: name, record, version: after.version, state, bytes: state === 'present' ? bytes : 0 }
  }
  const holds = scopesOfRecord(collection, after.values)
  if (after.state === 'live' && isAtHome(collection, change)) return holds.map(entry('present'))
  const held = before?.state === 'live' ? scopesOfRecord(collection, before.values) : []
  // A deleted record: its last values name the scopes of devices that may have seen it under them.
  if (after.state === 'deleted') return [...new Set([...held, ...holds])].map(entry('deleted'))
  return [...holds.map(entry('present')), ...held.filter((scope) => !holds.includes(scope)).map(entry('left'))]
}

/** The scopes that hold what is about a record: those of the record; of a deleted one, its last. */
export interface Travel {
  readonly holds: readonly Scope[]
  readonly left: readonly Scope[]
  /** None of a new record: nothing is about it yet. */
  readonly entered: readonly Scope[]
}

export function travelOf(collection: Collection, { before, after }: ChangedRecord): Travel {
  const holds = scopesOfRecord(collection, after.values)
  if (before === null) return { holds, left: [], entered: [] }
  const held = scopesOfRecord(collection, before.values)
  return {
    holds,
    left: held.filter((scope) => !holds.includes(scope)),
    entered: holds.filter((scope) => !held.includes(scope)),
  }
}

/** Whether it lies where it lay; of most it is plain, without a look at scopes. */
export function isAtHome(collection: Collection, { before, after }: ChangedRecord): boolean {
  if (before === null) return true
  const [old, now] = [before.values.fields, after.values.fields]
  return Object.values(ownScopes(collection)).every((field) => old[field] === now[field])
}
