/**
 * A group of batches through the store, whatever one of its transactions does to the database: on a database error the group is
 * halved, batch by batch and then unit by unit, until the unit at fault stands alone. That one is left without an outcome, so that
 * its device keeps it and sends it again; everything else takes effect now.
 *
 * PB1  A unit is never cut.
 * PB2  What touches a record of a unit of its batch that was left out is left out too: order on a record holds. Batches of others do not wait.
 * PB3  What is wrong with the machine fails the batches whose transaction met it; what had been committed before stands, and is
 *      answered when it is sent again.
 */
import { EngineError, type OperationId } from '@holdfast/core'
import type { ServerStore } from '../ports/server-store.ts'
import { type Answer, applyPush, type Batch, type GroupPorts, type Touched } from './apply-push.ts'
import { createHeldRecords } from './held-records.ts'
import type { Unit } from './units.ts'
import { upUnit } from './up-cast.ts'

export interface BatchResult {
  readonly outcomes: ReadonlyMap<OperationId, string>
  /** Why units were left without an outcome. */
  readonly faults: readonly unknown[]
}

export interface PushPorts extends GroupPorts {
  readonly store: Pick<ServerStore, 'transact' | 'lanes'>
  /** Called after each commit that changed something. */
  readonly onCommit: (commit: GroupCommit) => void
}

export interface GroupCommit {
  readonly place: number
  readonly touched: Touched
  /** Whose batches had a part in it. */
  readonly batches: readonly Batch[]
}

/** In the order of the batches: each its result, or the EngineError for which it failed. */
export async function pushGroup(
  ports: PushPorts,
  batches: readonly Batch[],
): Promise<readonly (BatchResult | EngineError)[]> {
  const courses = batches.map((batch) => createCourse(batch, ports))
  const apply = async (parts: readonly Part[]): Promise<void> => {
    const open = parts.flatMap(({ course, units }) => course.next(units))
    if (open.length === 0) return
    const group = open.map(({ course, units }): Batch => ({ ...course.batch, units }))
    try {
      const { answers, place, touched } = await ports.store.transact((tx) => applyPush(tx, ports, group))
      if (touched.size > 0) ports.onCommit({ place, touched, batches: group })
      for (const [index, { course }] of open.entries()) course.took(answers[index] ?? none)
    } catch (error) {
      // An EngineError is about the machine, not about one unit.
      if (error instanceof EngineError) for (const { course } of open) course.fail(error)
      else if (open.length === 1 && open[0] !== undefined && open[0].units.length <= 1)
        open[0].course.leave(open[0], error)
      else for (const half of halves(open)) await apply(half)
    }
  }
  await apply(courses.map((course) => ({ course, units: course.units })))
  return courses.map((course) => course.result())
}

interface Part {
  readonly course: Course
  readonly units: readonly Unit[]
}

/** What becomes of one batch. */
interface Course {
  readonly batch: Batch
  /** The units of the batch in the form of the schema, without those that could not be brought into it. */
  readonly units: readonly Unit[]
  /** Of these units those that can be tried now, as a part; none when nothing of the batch is to be done. */
  next(units: readonly Unit[]): readonly Part[]
  took(answer: Answer): void
  leave(part: Part, fault: unknown): void
  fail(error: EngineError): void
  result(): BatchResult | EngineError
}

function createCourse(batch: Batch, { schema }: GroupPorts): Course {
  const outcomes = new Map<OperationId, string>()
  const faults: unknown[] = []
  const heldRecords = createHeldRecords(schema)
  let failure: EngineError | null = null
  const isFree = (unit: Unit): boolean => {
    if (!heldRecords.touches(unit)) return true
    heldRecords.add(unit)
    return false
  }
  const units = batch.units.flatMap((unit) => {
    try {
      return [upUnit(schema, unit)]
    } catch (fault) {
      faults.push(fault)
      heldRecords.add(unit)
      return []
    }
  })
  const course: Course = {
    batch,
    units,
    next: (units) => {
      // What follows may hang on what was not applied.
      if (failure !== null) return []
      const free = units.filter(isFree)
      const isEmpty = free.length === 0 && (batch.report === null || batch.units.length > 0)
      return isEmpty ? [] : [{ course, units: free }]
    },
    took: (answer) => {
      for (const [id, text] of answer.outcomes) outcomes.set(id, text)
      faults.push(...answer.faults)
      answer.held.forEach(heldRecords.add)
    },
    leave: ({ units }, fault) => {
      faults.push(fault)
      units.forEach(heldRecords.add)
    },
    fail: (error) => {
      failure = error
    },
    result: () => failure ?? { outcomes, faults },
  }
  return course
}

/** Batches first: a batch that is not at fault takes effect in one piece. */
function halves(parts: readonly Part[]): readonly (readonly Part[])[] {
  const [first] = parts
  if (parts.length > 1 || first === undefined) return inHalves(parts)
  return inHalves(first.units).map((units) => [{ ...first, units }])
}

function inHalves<T>(all: readonly T[]): readonly (readonly T[])[] {
  const half = Math.ceil(all.length / 2)
  return [all.slice(0, half), all.slice(half)]
}

const none: Answer = { outcomes: new Map(), held: [], faults: [] }
