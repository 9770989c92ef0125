/**
 * A batch through the store, whatever one of its transactions does to the database: on a database error the batch is halved
 * until the unit at fault stands alone. That one is left without an outcome, so that its device keeps it and sends it again;
 * everything else takes effect now.
 *
 * PB1  A unit is never cut.
 * PB2  What touches a record of a unit that was left out is left out too: order on a record holds.
 */
import { EngineError, type OperationId } from '@holdfast/core'
import type { Scope, ServerStore } from '../ports/server-store.ts'
import { applyPush, type PushResult } from './apply-push.ts'
import { createHeldRecords } from './held-records.ts'
import type { Bench } from './judge.ts'
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
  const heldRecords = createHeldRecords(bench.schema)
  const isFree = (unit: Unit): boolean => {
    if (!heldRecords.touches(unit)) return true
    heldRecords.add(unit)
    return false
  }

  const apply = async (part: readonly Unit[]): Promise<void> => {
    const free = part.filter(isFree)
    if (free.length === 0) return
    try {
      const result = await store.transact((tx) => applyPush(tx, bench, free))
      results.push(result)
      faults.push(...result.faults)
      for (const unit of result.held) heldRecords.add(unit)
    } catch (error) {
      // An EngineError is about the machine or the request, not about one unit.
      if (error instanceof EngineError) throw error
      if (free.length > 1) {
        const half = Math.ceil(free.length / 2)
        await apply(free.slice(0, half))
        await apply(free.slice(half))
      } else {
        faults.push(error)
        free.forEach(heldRecords.add)
      }
    }
  }

  await apply(units)
  const outcomes = new Map(results.flatMap((result) => [...result.outcomes]))
  const commits = results.filter((result) => result.touched.size > 0)
  return { outcomes, commits, faults }
}
