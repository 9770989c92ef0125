/** Where a changed record stands in each scope that it lies in now or lay in before. */
import type { FeedEntry, Scope } from '../ports/server-store.ts'
import type { ChangedRecord } from './draft.ts'
import { rowBytes } from './row-bytes.ts'

export function feedEntries(changes: readonly ChangedRecord[]): readonly FeedEntry[] {
  return changes.flatMap(entriesOf)
}

function entriesOf(change: ChangedRecord): readonly FeedEntry[] {
  const { before, after } = change
  const { holds, left, entered } = travelOf(change)
  const entries = entriesAbout(change)
  // Scopes that knew it as deleted, or not at all, have nothing to see leave.
  const leaving = before?.state === 'live' ? left.map(entries('left')) : []
  if (after.state === 'deleted')
    return before?.version === after.version ? [] : [...holds.map(entries('deleted')), ...leaving]
  const shown = before?.version === after.version ? entered : holds
  return [...shown.map(entries('present')), ...leaving]
}

function entriesAbout({ collection, record, after }: ChangedRecord) {
  const bytes = after.state === 'live' ? rowBytes(after) : 0
  return (state: FeedEntry['state']) =>
    (scope: Scope): FeedEntry => {
      return { scope, collection, record, version: after.version, state, bytes: state === 'present' ? bytes : 0 }
    }
}

/** The scopes that hold what is about a record: those of the record; of a deleted one, its last. */
export interface Travel {
  readonly holds: readonly Scope[]
  readonly left: readonly Scope[]
  readonly entered: readonly Scope[]
}

export function travelOf({ held, holds }: Pick<ChangedRecord, 'held' | 'holds'>): Travel {
  if (held === holds) return { holds, left: [], entered: [] }
  return {
    holds,
    left: held.filter((scope) => !holds.includes(scope)),
    entered: holds.filter((scope) => !held.includes(scope)),
  }
}
