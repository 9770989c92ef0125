/**
 * A record that another program has written in the server's tables, past the judge. Its values, versions and stamps are right; what SQL cannot work
 * out catches up here: the sides of open conflicts, and the documents of shared texts.
 *
 * WP1  The record's side of an open conflict is what the record is now [CF2]; of a deleted record none is open, and what its writers wanted is in
 *      decisions, as with a deletion by a device.
 * WP2  A shared text reads what its column holds: the difference is merged into the document as one edit by an author of its own, so that
 *      edits which are under way on devices stand beside it. A document that cannot take it begins anew from the text.
 */
import type { Json } from '../json.ts'
import { documentLengthMax } from '../protocol/limits.ts'
import type { Collection } from '../schema/collection.ts'
import { sharedFields } from '../schema/documents.ts'
import type { SharedTextType } from '../schema/shared-text.ts'
import { revived, sideOf } from './apply-operation.ts'
import { type Author, authorOf } from './author.ts'
import { type Conflict, moved } from './conflict.ts'
import type { Decision } from './decision.ts'
import { deletionOf } from './delete-against-edit.ts'
import { type ServerRecord, stampOfField, withOpenCount } from './server-record.ts'

/** What had been open, and is dropped with its record. */
export interface DroppedConflict {
  readonly conflict: Conflict
  readonly decision: Decision
}

export interface CaughtUp {
  /** Of the same version: nobody has seen it without this. */
  readonly record: ServerRecord
  /** Those that are open now. */
  readonly conflicts: readonly Conflict[]
  readonly dropped: readonly DroppedConflict[]
  /** Who wrote past the judge last. */
  readonly writer: Author
}

/** @param authorOfEdit the author of a field's edit: see `SharedTextType`; another one for each version. */
export function caughtUp(
  collection: Collection,
  written: ServerRecord,
  conflicts: readonly Conflict[],
  authorOfEdit: (field: string) => number,
): CaughtUp {
  const writer = newestWriter(written)
  if (written.state === 'deleted') {
    const dropped = conflicts
      .filter(({ field, local }) => field !== '' || local !== null)
      .map((conflict) => ({ conflict, decision: droppedBy(conflict, writer) }))
    return { record: withOpenCount(written, 0), conflicts: [], dropped, writer }
  }
  const open = conflicts.flatMap((conflict) => {
    const side = sideOf({ collection }, written, conflict.field)
    const by = conflict.field === '' ? writer : authorOf(stampOfField(written, conflict.field))
    return moved(revived({ collection }, conflict, side), side, by) ?? []
  })
  const record = { ...written, states: { ...written.states, ...documents(collection, written, authorOfEdit) } }
  return { record: withOpenCount(record, open.length), conflicts: open, dropped: [], writer }
}

function newestWriter(record: ServerRecord): Author {
  if (record.state === 'deleted') return authorOf(deletionOf(record))
  const [first, ...others] = Object.values(record.stamps)
  if (first === undefined) throw new Error('A record has a stamp for all of its fields.')
  return authorOf(others.reduce((newest, stamp) => (stamp.version > newest.version ? stamp : newest), first))
}

function droppedBy({ field, base, local, localBy }: Conflict, remoteBy: Author): Decision {
  const sides = { field, base, local, localBy, remote: null, remoteBy }
  return { ...sides, strategy: 'deleteWins', winner: 'remote', result: null, settledBy: null }
}

function documents(
  collection: Collection,
  { values, states }: ServerRecord,
  authorOfEdit: (field: string) => number,
): { readonly [field: string]: Json } {
  const next: Record<string, Json> = {}
  for (const name of sharedFields(collection)) {
    const [rule, document] = [collection.fields[name]?.rule, states[name]]
    if (rule?.kind !== 'shared' || typeof document !== 'string') continue
    next[name] = documentReading(rule.type, document, String(values.fields[name] ?? ''), authorOfEdit(name))
  }
  return next
}

function documentReading(type: SharedTextType, document: string, text: string, author: number): string {
  try {
    const merged = type.merge(document, type.change(document, text, author))
    if (merged.text === text && merged.document.length <= documentLengthMax) return merged.document
  } catch {
    // A document that somebody has broken by SQL: the text stands.
  }
  return type.documentOf(text)
}
