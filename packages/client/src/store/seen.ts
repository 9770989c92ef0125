/**
 * What the writer of an update saw: what its form had shown, where that is not what is shown now.
 *
 * SE1  What the writer left as it was shown is not written: it may have changed since.
 * SE2  What the writer saw is the operation's `was`, so that the server finds what came in between. Of a record that is judged as a whole
 *      everything that was seen counts, but for what this device has written since.
 * SE3  What is shown at that moment is kept beside the operation: an undo goes back to it, and never to the older value.
 */
import {
  type Collection,
  checkValue,
  deviceColumns,
  fieldOf,
  type Json,
  type JsonObject,
  type OperationId,
  plainFields,
  sameJson,
} from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { CheckedDraft } from './check-draft.ts'
import { intentOf } from './intent.ts'
import { type OperationSource, parseOperationText } from './outbox.ts'
import type { ShownRow } from './record-table.ts'

/** What a form showed, without what no update writes: a row as a query answers it may be given as it is. */
export function checkSeen(
  name: string,
  collection: Collection,
  given: { readonly [field: string]: unknown },
): JsonObject {
  const written = new Set(plainFields(collection))
  const columns = new Set(deviceColumns(collection))
  const seen: Record<string, Json> = {}
  for (const [fieldName, value] of Object.entries(given)) {
    if (value === undefined || (columns.has(fieldName) && !Object.hasOwn(collection.fields, fieldName))) continue
    const field = fieldOf(name, collection, fieldName)
    // A field that a record has never had is shown as null, whatever its rule.
    if (written.has(fieldName)) seen[fieldName] = value === null ? null : checkValue(name, fieldName, field, value)
  }
  return seen
}

export interface Sight {
  /** What the operation writes. */
  readonly fields: JsonObject
  readonly was: JsonObject
  /** Of these fields, what is shown in place of what was seen [SE3]; empty for most. */
  readonly before: JsonObject
}

/** Null: nothing is left to write. */
export function sightOf(source: OperationSource, checked: CheckedDraft, row: ShownRow): Sight | null {
  const { draft, table, seen } = checked
  const { collection } = table
  const shown = row.values.fields
  const changed = intentOf(checked, row.values)
  if (Object.keys(changed).length === 0 && draft.settles === undefined) return null
  const isWhole = draft.kind === 'update' && collection.merge.kind === 'record'
  const names = isWhole ? plainFields(collection) : Object.keys(changed)
  const isStale = (name: string) => seen[name] !== undefined && !sameJson(seen[name], shown[name] ?? null)
  const older = names.filter(
    (name) => isStale(name) && (Object.hasOwn(changed, name) || !isOwnValue(source, draft, name, shown[name] ?? null)),
  )
  const stood = pick(shown, names)
  // A record that is judged as a whole is shown as its form left it, and never as a mixture.
  return {
    fields: isWhole ? { ...pick(seen, older), ...changed } : changed,
    was: { ...stood, ...pick(seen, older) },
    before: pick(shown, older),
  }
}

/** Without what the writer left as it was shown [SE1]. */
export function withoutLeft(checked: CheckedDraft): CheckedDraft {
  const { fields, seen } = checked
  const isLeft = (name: string, value: Json) => seen[name] !== undefined && sameJson(seen[name], value)
  const meant = Object.entries(fields).filter(([name, value]) => !isLeft(name, value))
  return { ...checked, fields: Object.fromEntries(meant) }
}

/** Whether this device has written what is shown: it never conflicts with itself. */
function isOwnValue(
  { driver, schema }: OperationSource,
  { collection, record }: CheckedDraft['draft'],
  field: string,
  shown: Json,
): boolean {
  for (const [text] of driver.all(selectWritten, [collection, record, collection, record])) {
    const { fields } = parseOperationText(schema, String(text))
    const value = fields[field]
    if (value !== undefined) return sameJson(value, shown)
  }
  return false
}

export function keepBefore(driver: SqliteDriver, operation: OperationId, before: JsonObject): void {
  if (Object.keys(before).length > 0) driver.run(insertBefore, [operation, JSON.stringify(before)])
}

/** What was shown where the operation's writer had seen something older. */
export function readBefore(driver: SqliteDriver, operation: OperationId): JsonObject {
  const text = driver.all(selectBefore, [operation])[0]?.[0]
  return text === undefined ? {} : JSON.parse(String(text))
}

/** Forgets it with the operation. */
export function pruneBefore(driver: SqliteDriver): void {
  driver.run(deleteBefore)
}

function pick(values: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, values[name] ?? null]))
}

const insertBefore = 'insert into _before (operation, fields) values (?, ?)'
const selectBefore = 'select fields from _before where operation = ?'
const deleteBefore = `delete from _before where operation not in (select id from _outbox)
and operation not in (select id from _inbox) and operation not in (select id from _settled)`
// The newest first. The second half reads every settled operation: only for a form over a record that is judged as a whole, and changed
// meanwhile.
const selectWritten = `select operation from (
  select seq, operation from _outbox where collection = ? and record = ?
  union all select seq, operation from _settled
  where operation ->> 'collection' = ? and operation ->> 'record' = ? and outcome ->> 'kind' <> 'rejected'
) order by seq desc`
