/**
 * Makes shown rows anew after the confirmed row, the operations or the conflicts of their records changed: fold(unsettled operations,
 * this device's sides of its open conflicts, confirmed row). A record whose last operation and last own conflict have gone becomes its
 * confirmed row, and nothing is kept beside it any more. What the confirmed row has already, of a server that was restored, is left out.
 */
import { fold, type Operation, type RecordId, type RecordValues } from '@holdfast/core'
import { parseRowText } from './column-values.ts'
import { dirtyRecords, forgetConfirmed, keepConfirmed, readConfirmed } from './confirmed.ts'
import { overlay } from './conflict-overlay.ts'
import { type HeldConflict, ownConflicts } from './conflicts.ts'
import { type StoreContext, type Touched, touch, type Written } from './context.ts'
import { refusedRecords } from './inbox.ts'
import { operationsOfRecords, type UnsettledOperation } from './outbox.ts'
import type { RecordTable } from './record-table.ts'

export function refold(context: StoreContext, touched: Touched, written: Written): void {
  for (const [name, records] of touched) {
    const operations = operationsByRecord(context, name, records)
    const conflicts = ownConflicts(context, name, records)
    const clean = [...records].filter((record) => !operations.has(record) && !conflicts.has(record))
    const table = context.tables.get(name)
    table?.bulk.showConfirmed(clean)
    forgetConfirmed(context.driver, name, JSON.stringify(clean))
    if (table === undefined) continue // A collection that the schema has no more: nothing is shown of it.
    for (const [record, disputed] of conflicts) keepDisputed(context, table, record, disputed)
    for (const record of new Set([...operations.keys(), ...conflicts.keys()])) {
      foldRecord(context, table, record, operations.get(record) ?? [], conflicts.get(record) ?? [])
    }
    written.add(name)
  }
}

/** Everything that is dated by the device: after its clock, or what it knows of the server's, has changed. */
export function refoldAll(context: StoreContext, written: Written): void {
  const touched: Touched = new Map()
  for (const name of context.tables.keys()) {
    for (const record of dirtyRecords(context.driver, name)) touch(touched, name, record)
  }
  refold(context, touched, written)
}

/** Rows that were just written as synced and of which an operation was refused. */
export function markRefusedRows(context: StoreContext, names: Iterable<string>): void {
  for (const name of names) {
    context.tables.get(name)?.bulk.markRefused(refusedRecords(context.driver, name))
  }
}

/** Rows of which no operation may lie in the inbox any more; `markRefusedRows` follows, for those of which another one does. */
export function unmarkRefusedRows({ tables }: StoreContext, touched: Touched): void {
  for (const [name, records] of touched) tables.get(name)?.bulk.unmarkRefused([...records])
}

/** The names of the fields that wait for the server. */
export function pendingFields(operations: readonly Operation[]): readonly string[] {
  const names = operations.flatMap(({ kind, fields }) =>
    kind === 'delete' || kind === 'restore' ? [] : Object.keys(fields),
  )
  return [...new Set(names)].sort()
}

function operationsByRecord(
  context: StoreContext,
  name: string,
  records: ReadonlySet<RecordId>,
): ReadonlyMap<RecordId, readonly UnsettledOperation[]> {
  const operations = operationsOfRecords(context, name, JSON.stringify([...records]))
  return Map.groupBy(operations, ({ operation }) => operation.record)
}

/** The first conflict about a record that was clean: what is shown of it is what is confirmed. */
function keepDisputed(
  { driver }: StoreContext,
  table: RecordTable,
  record: RecordId,
  conflicts: readonly HeldConflict[],
): void {
  const row = table.read(record)
  const version = row?.version ?? Math.max(...conflicts.map((held) => held.version))
  keepConfirmed(driver, table.name, record, { version, row: row?.text ?? null })
}

function foldRecord(
  context: StoreContext,
  table: RecordTable,
  record: RecordId,
  unsettled: readonly UnsettledOperation[],
  conflicts: readonly HeldConflict[],
): void {
  const operations = unsettled.map(({ operation }) => operation)
  const confirmed = readConfirmed(context.driver, table.name, record)
  const row = confirmed?.row ?? null
  const served: RecordValues | null = row === null ? null : parseRowText(table.collection, row)
  const settled = new Set(operations.flatMap(({ settles }) => settles.map(({ conflict }) => conflict)))
  const open = conflicts.map(({ conflict }) => conflict).filter(({ id }) => !settled.has(id))
  const start = overlay(served, open)
  const folded = unsettled.filter(({ isReflected }) => !isReflected)
  const shown = folded.reduce(
    (values, { operation }) => fold(table.collection, values, operation, context.time.dateOf(operation.time)),
    start,
  )
  if (shown === null) table.remove(record)
  else {
    // A restore in between does not make it younger.
    const values = { ...shown, createdAt: served?.createdAt ?? start?.createdAt ?? shown.createdAt }
    const sync = operations.length > 0 ? 'pending' : 'conflict'
    table.put(record, confirmed?.version ?? 0, values, pendingFields(operations), sync)
  }
}
