/**
 * The author of an edit that became a conflict takes it back: then there is nothing left to ask. The draft that would make the own side
 * what it was before settles the conflict instead, and what the server has stands.
 */
import { type Json, type JsonObject, sameJson, wholeSide } from '@holdfast/core'
import { type HeldConflict, localSide, ownConflictsOpen, settlementOf } from './conflicts.ts'
import type { StoreContext } from './context.ts'
import { operationsOfRecords } from './outbox.ts'
import type { OperationDraft } from './store.ts'

type Update = OperationDraft & { readonly fields: { readonly [field: string]: Json } }

/**
 * @param update the only draft about its record.
 * @param was what the writer of the edit had seen: a form may have shown an older value than the one that its undo goes back to.
 */
export function withdrawing(
  context: Pick<StoreContext, 'driver' | 'schema' | 'device' | 'tables'>,
  update: Update,
  was: JsonObject,
): OperationDraft {
  const { collection, record } = update
  // What is not sent yet changes the own side when it arrives, and not the record: it has to be taken back in the same way.
  const isClear = operationsOfRecords(context, collection, JSON.stringify([record])).length === 0
  const withdrawn = isClear
    ? ownConflictsOpen(context, collection, record).filter((held) => isWithdrawn(context, held, update.fields, was))
    : []
  if (withdrawn.length === 0) return update
  const settles = withdrawn.map(settlementOf)
  const whole = withdrawn.find(({ conflict }) => conflict.field === '')
  if (whole?.conflict.remote === null) return { ...update, kind: 'delete', fields: {}, settles }
  const names = withdrawn.map(({ conflict }) => conflict.field)
  const fields = whole === undefined ? without(update.fields, names) : {}
  return { ...update, fields, settles }
}

function isWithdrawn(
  context: Pick<StoreContext, 'tables'>,
  held: HeldConflict,
  fields: JsonObject,
  was: JsonObject,
): boolean {
  const { field, base, remote } = held.conflict
  if (field !== '')
    return Object.hasOwn(fields, field) && [fields, was].some((values) => sameJson(values[field] ?? null, base))
  const side = wholeSide(localSide(context, held))
  const before = wholeSide(base)
  if (side === null || before === null) return false
  // Of a record that lives again, the own side holds what others wrote beside it.
  const served = wholeSide(remote) ?? before
  return Object.keys(side).every((name) =>
    [before, served].some((values) =>
      [fields, Object.hasOwn(fields, name) ? was : fields].some((back) =>
        sameJson(back[name] ?? side[name] ?? null, values[name] ?? null),
      ),
    ),
  )
}

function without(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
}
