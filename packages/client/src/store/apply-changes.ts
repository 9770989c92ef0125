/**
 * What the server sent about records: rows and goners. Those of clean records go straight to where they are shown, in bulk;
 * those of records with unsettled operations replace the confirmed row and are folded later.
 */
import {
  type CollectionChanges,
  type ConflictFields,
  conflictsCollection,
  type GoneRecord,
  isSystemCollection,
  type RecordId,
} from '@holdfast/core'
import { dirtyRecords, moveConfirmed } from './confirmed.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { rememberDeletions } from './deletions.ts'
import { conflictsGone } from './left-conflicts.ts'
import { forgetReflected } from './outbox.ts'
import { noteLeft } from './purge.ts'
import { markRefusedRows } from './refold.ts'

export function applyChanges(
  context: StoreContext,
  pages: readonly CollectionChanges[],
  nowMs: number,
  touched: Touched,
  written: Written,
): void {
  for (const changes of pages) {
    if (changes.rows.length === 0 && changes.gone.length === 0) continue
    if (changes.collection === conflictsCollection) meetConflicts(context, changes, nowMs, touched, written)
    applyCollection(context, changes, touched, written)
  }
  markRefusedRows(
    context,
    pages.map(({ collection }) => collection),
  )
}

/** The records of this device's conflicts are shown by them. */
function meetConflicts(
  context: StoreContext,
  { columns, rows, gone }: CollectionChanges,
  nowMs: number,
  touched: Touched,
  written: Written,
): void {
  const place = (column: keyof ConflictFields) => columns.indexOf(column)
  const [collection, record, device] = [place('collection'), place('record'), place('localDevice')]
  for (const row of rows) {
    if (row[device] === context.device) touch(touched, String(row[collection]), String(row[record]))
  }
  conflictsGone(context, gone, nowMs, touched, written)
}

function applyCollection(context: StoreContext, changes: CollectionChanges, touched: Touched, written: Written): void {
  const { collection: name, columns, rows, gone } = changes
  const table = context.tables.get(name)
  if (table === undefined) return // A collection that a newer server has and this app does not know.
  const dirty = dirtyRecords(context.driver, name)
  const isDirty = (record: RecordId) => dirty.has(record)
  const isDirtyRow = (row: CollectionChanges['rows'][number]) => isDirty(String(row[0]))

  table.bulk.upsert(columns, dirty.size === 0 ? rows : rows.filter((row) => !isDirtyRow(row)))
  if (!isSystemCollection(name)) rememberDeletions(context.driver, name, gone)
  table.bulk.remove(gone.filter(({ record }) => !isDirty(record)))
  noteLeft(context, changes, written)
  if (dirty.size > 0) {
    moveConfirmed(context.driver, name, [
      ...rows.filter(isDirtyRow).map((row) => confirmedRow(row, table.bulk.rowText(columns, row))),
      ...gone
        .filter(({ record }) => isDirty(record))
        .map(({ record, version }: GoneRecord) => [record, version, null] as const),
    ])
    const moved = [...rows.map(([id]) => String(id)), ...gone.map(({ record }) => record)].filter(isDirty)
    if (moved.length > 0) forgetReflected(context.driver, { collection: name, records: JSON.stringify(moved) })
    for (const row of rows) if (isDirtyRow(row)) touch(touched, name, String(row[0]))
    for (const { record } of gone) if (isDirty(record)) touch(touched, name, record)
  }
  written.add(name)
}

function confirmedRow(row: CollectionChanges['rows'][number], text: string): readonly [string, number, string] {
  return [String(row[0]), Number(row[1]), text]
}
