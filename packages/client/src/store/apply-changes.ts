/**
 * What the server sent about records: rows and goners. Those of clean records go straight to where they are shown, in bulk;
 * those of records with unsettled operations replace the confirmed row and are folded later.
 */
import type { CollectionChanges, GoneRecord, RecordId } from '@holdfast/core'
import { dirtyRecords, moveConfirmed } from './confirmed.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { rememberDeletions } from './deletions.ts'
import { markRefusedRows } from './refold.ts'

export function applyChanges(
  context: StoreContext,
  pages: readonly CollectionChanges[],
  touched: Touched,
  written: Written,
): void {
  for (const changes of pages) {
    if (changes.rows.length === 0 && changes.gone.length === 0) continue
    applyCollection(context, changes, touched, written)
  }
  markRefusedRows(
    context,
    pages.map(({ collection }) => collection),
  )
}

function applyCollection(context: StoreContext, changes: CollectionChanges, touched: Touched, written: Written): void {
  const { collection: name, columns, rows, gone } = changes
  const table = context.tables.get(name)
  if (table === undefined) return // A collection that a newer server has and this app does not know.
  const dirty = dirtyRecords(context.driver, name)
  const isDirty = (record: RecordId) => dirty.has(record)
  const isDirtyRow = (row: CollectionChanges['rows'][number]) => isDirty(String(row[0]))

  table.bulk.upsert(columns, dirty.size === 0 ? rows : rows.filter((row) => !isDirtyRow(row)))
  rememberDeletions(context.driver, name, gone)
  table.bulk.remove(gone.filter(({ record }) => !isDirty(record)))
  if (dirty.size > 0) {
    moveConfirmed(context.driver, name, [
      ...rows.filter(isDirtyRow).map((row) => confirmedRow(row, table.bulk.rowText(columns, row))),
      ...gone
        .filter(({ record }) => isDirty(record))
        .map(({ record, version }: GoneRecord) => [record, version, null] as const),
    ])
    for (const row of rows) if (isDirtyRow(row)) touch(touched, name, String(row[0]))
    for (const { record } of gone) if (isDirty(record)) touch(touched, name, record)
  }
  written.add(name)
}

function confirmedRow(row: CollectionChanges['rows'][number], text: string): readonly [string, number, string] {
  return [String(row[0]), Number(row[1]), text]
}
