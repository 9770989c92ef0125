/**
 * A batch through the store, whatever one of its transactions does to the database: on a database error the batch is halved
 * until the unit at fault stands alone. That one is left without an outcome, so that its device keeps it, sends it again and
 * counts; everything else takes effect now.
 *
 * PB1  A unit is never cut.
 * PB2  What touches a record of a unit that was left out is left out too: order on a record holds.
 */
import { EngineError, type OperationId, type Schema } from '@holdfast/core'
import type { Scope, ServerStore } from '../ports/server-store.ts'
import { applyPush, type PushResult } from './apply-push.ts'
import { recordKey } from './draft.ts'
import type { Bench } from './judge.ts'
import { referencesOf } from './references.ts'
import type { Unit } from './units.ts'

export interface BatchResult {
  readonly outcomes: ReadonlyMap<OperationId, string>
  readonly commits: readonly { readonly place: number; readonly touched: ReadonlySet<Scope> }[]
  /** Why units were left without an outcome. */
  readonly faults: readonly unknown[]
}

export async function pushBatch(store: ServerStore, bench: Bench, units: readonly Unit[]): Promise<BatchResult> {
  const results: PushResult[] = []
  const faults: unknown[] = []
  const heldRecords = new Set<string>()

  const apply = async (part: readonly Unit[]): Promise<void> => {
    const free = part.filter((unit) => !holds(bench.schema, heldRecords, unit))
    if (free.length === 0) return
    try {
      results.push(await store.transact((tx) => applyPush(tx, bench, free)))
    } catch (error) {
      // An EngineError is about the machine or the request, not about one unit.
      if (error instanceof EngineError) throw error
      if (free.length > 1) {
        const half = Math.ceil(free.length / 2)
        await apply(free.slice(0, half))
        await apply(free.slice(half))
      } else {
        faults.push(error)
        for (const unit of free) hold(heldRecords, unit)
      }
    }
  }

  await apply(units)
  const outcomes = new Map(results.flatMap((result) => [...result.outcomes]))
  if (outcomes.size === 0 && faults.length > 0) {
    throw new EngineError('SERVER_ERROR', 'The database refused the batch.', { cause: faults[0] })
  }
  const commits = results.filter((result) => result.touched.size > 0)
  return { outcomes, commits, faults }
}

function holds(schema: Schema, heldRecords: Set<string>, unit: Unit): boolean {
  const isHeld = unit.some(({ operation }) => {
    const collection = Object.hasOwn(schema.collections, operation.collection)
      ? schema.collections[operation.collection]
      : undefined
    const targets = collection === undefined ? [] : referencesOf(collection, operation)
    return [operation, ...targets].some(({ collection: name, record }) => heldRecords.has(recordKey(name, record)))
  })
  if (isHeld) hold(heldRecords, unit)
  return isHeld
}

function hold(heldRecords: Set<string>, unit: Unit): void {
  for (const { operation } of unit) heldRecords.add(recordKey(operation.collection, operation.record))
}
