/** The records of units that were left without an outcome. What touches one of them waits too, so that the order on it holds. */
import type { Schema } from '@holdfast/core'
import { recordKey } from './draft.ts'
import { referencesOf } from './references.ts'
import type { Unit } from './units.ts'

export interface HeldRecords {
  add(unit: Unit): void
  /** Whether a unit changes one of them, or refers to one. */
  touches(unit: Unit): boolean
  /** `recordKey`s. */
  keys(): ReadonlySet<string>
}

/** @param earlier `recordKey`s to begin with */
export function createHeldRecords({ collections }: Schema, earlier: Iterable<string> = []): HeldRecords {
  const held = new Set(earlier)
  return {
    add: (unit) => {
      for (const { operation } of unit) held.add(recordKey(operation.collection, operation.record))
    },
    touches: (unit) =>
      held.size > 0 &&
      unit.some(({ operation }) => {
        const { collection: name } = operation
        const collection = Object.hasOwn(collections, name) ? collections[name] : undefined
        const targets = collection === undefined ? [] : referencesOf(collection, operation)
        return [operation, ...targets].some(({ collection, record }) => held.has(recordKey(collection, record)))
      }),
    keys: () => held,
  }
}
