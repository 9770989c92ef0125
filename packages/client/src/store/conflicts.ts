/**
 * Open conflicts on the device: what a person is shown of them, and which of them the fold needs.
 *
 * CD1  The side of this device is what it shows, unsent edits included.
 * CD2  A conflict that an unsent settlement closes is settled as far as this device is concerned; it is open again when the settlement
 *      was refused, or when the server asks again.
 */
import {
  type Conflict,
  conflictOf,
  conflictsCollection,
  type Json,
  type RecordId,
  type Settlement,
  subjectOf,
  wholeSide,
} from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { StoreContext } from './context.ts'
import type { ConflictItem } from './store.ts'
import { readSystemRows, type SystemRow } from './system-rows.ts'

/** A conflict with what it is about. */
export interface HeldConflict {
  readonly conflict: Conflict
  readonly collection: string
  readonly record: RecordId
  /** The record's version with the server's side. */
  readonly version: number
  readonly isOwn: boolean
  readonly openedAt: number
}

type Context = Pick<StoreContext, 'driver' | 'device'>

/** The conflicts of this device about these records, by record; whether or not an unsent settlement closes them. */
export function ownConflicts(
  context: Context,
  collection: string,
  records: Iterable<RecordId>,
): ReadonlyMap<RecordId, readonly HeldConflict[]> {
  const subjects = [...records].map((record) => subjectOf(collection, record))
  const held = readSystemRows(context.driver, conflictsCollection, ofSubjects, [
    context.device,
    JSON.stringify(subjects),
  ]).map((row) => heldConflict(context, row))
  return Map.groupBy(held, ({ record }) => record)
}

/** The conflicts with these ids that a person has to settle. */
export function openConflictsById(context: Context, ids: readonly RecordId[]): readonly HeldConflict[] {
  const rows = readSystemRows(context.driver, conflictsCollection, byIds, [JSON.stringify(ids)])
  return withoutSettled(context.driver, rows).map((row) => heldConflict(context, row))
}

/** What a person has to settle, oldest first. */
export function conflictItems(context: StoreContext): readonly ConflictItem[] {
  return itemsOf(context, readSystemRows(context.driver, conflictsCollection, oldestFirst, []))
}

export function conflictItemsOfRecord(
  context: StoreContext,
  collection: string,
  record: RecordId,
): readonly ConflictItem[] {
  return itemsOf(
    context,
    readSystemRows(context.driver, conflictsCollection, ofSubject, [subjectOf(collection, record)]),
  )
}

export function countConflicts(driver: SqliteDriver): number {
  return Number(driver.all(selectCount)[0]?.[0] ?? 0)
}

/** The conflicts of this device about a record that a person has to settle. */
export function ownConflictsOpen(context: Context, collection: string, record: RecordId): readonly HeldConflict[] {
  const rows = readSystemRows(context.driver, conflictsCollection, ofSubject, [subjectOf(collection, record)])
  return withoutSettled(context.driver, rows)
    .map((row) => heldConflict(context, row))
    .filter(({ isOwn }) => isOwn)
}

/** This device's own deletion of a record that others have edited, while nobody has settled which of the two stands. */
export function ownDeletion(context: Context, collection: string, record: RecordId): HeldConflict | null {
  const open = ownConflictsOpen(context, collection, record)
  return open.find(({ conflict }) => conflict.field === '' && conflict.local === null) ?? null
}

export function settlementOf({ conflict }: HeldConflict): Settlement {
  return { conflict: conflict.id, revision: conflict.revision }
}

export function heldConflict({ device }: Pick<Context, 'device'>, row: SystemRow): HeldConflict {
  const conflict = conflictOf(row.id, { values: row })
  return {
    conflict,
    collection: String(row.fields.collection),
    record: String(row.fields.record),
    version: Number(row.fields.version),
    isOwn: conflict.localBy.device === device,
    openedAt: row.createdAt,
  }
}

function itemsOf(context: StoreContext, rows: readonly SystemRow[]): readonly ConflictItem[] {
  return withoutSettled(context.driver, rows).map((row) => conflictItem(context, heldConflict(context, row)))
}

function conflictItem(context: StoreContext, held: HeldConflict): ConflictItem {
  const { conflict, collection, record, isOwn, openedAt } = held
  const { id, field, revision, base, remote, localBy, remoteBy } = conflict
  const local = localSide(context, held)
  return { id, collection, record, field, revision, base, local, remote, localBy, remoteBy, isOwn, openedAt }
}

/** The side that is not the server's, as it is now [CD1]. */
export function localSide({ tables }: Pick<StoreContext, 'tables'>, held: HeldConflict): Json {
  const { conflict, collection, record, isOwn } = held
  const table = tables.get(collection)
  if (!isOwn || table === undefined) return conflict.local
  const shown = table.read(record)?.values.fields ?? null
  if (conflict.field !== '') return shown === null ? conflict.local : (shown[conflict.field] ?? null)
  const side = wholeSide(conflict.local)
  if (side === null || shown === null) return null
  return Object.fromEntries(Object.keys(side).map((name) => [name, shown[name] ?? side[name] ?? null]))
}

function withoutSettled(driver: SqliteDriver, rows: readonly SystemRow[]): readonly SystemRow[] {
  if (rows.length === 0) return rows
  const settled = new Set(driver.all(selectSettled).map(([id]) => String(id)))
  return rows.filter(({ id }) => !settled.has(id))
}

// A settlement is an operation on the conflict's own record: the outbox is looked at there only.
const settling = `"_conflicts" as f cross join _outbox as o on o.collection = f.collection and o.record = f.record
cross join json_each(o.operation, '$.settles') as s on s.value ->> 0 = f.id`
const selectSettled = `select f.id from ${settling}`
const selectCount = `select (select count(*) from "_conflicts") - (select count(distinct f.id) from ${settling})`
const ofSubjects =
  'where c."localDevice" = ? and c.subject in (select value from json_each(?)) order by c."createdAt", c.id'
const ofSubject = 'where c.subject = ? order by c."createdAt", c.id'
const byIds = 'where c.id in (select value from json_each(?))'
const oldestFirst = 'order by c."createdAt", c.id'
