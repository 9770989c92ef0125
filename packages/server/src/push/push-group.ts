/**
 * A group of batches through the store, whatever one of its transactions does to the database: on a database error the group is
 * halved, batch by batch and then unit by unit, until the unit at fault stands alone. That one is left without an outcome, so that
 * its device keeps it and sends it again; everything else takes effect now.
 *
 * PB1  A unit is never cut.
 * PB2  What touches a record of a unit of its batch that was left out is left out too: order on a record holds. Batches of others do not wait.
 * PB3  What is wrong with the machine fails the batches whose transaction met it; what had been committed before stands, and is
 *      answered when it is sent again.
 * PB4  A batch is answered when it is done, and what is left of one that has to be cut is not done with its group, but in slices, as a
 *      `Cutting`. One that costs too many transactions is failed as a whole, and its device comes back with a smaller one.
 * PB5  Whatever is cut, a unit gets the outcome that it would have had in one piece: what hangs on a refused creation is blocked by it.
 * PB6  What a device tells of itself is stored also when nothing that it has sent is.
 * PB7  Where another program keeps a record locked, the batch that writes it fails, and no other one: those of its group go one by one, and
 *      none of them waits for long once more.
 */
import { EngineError, type OperationId } from '@holdfast/core'
import { RecordsHeld } from '../ports/records-held.ts'
import type { ServerStore } from '../ports/server-store.ts'
import type { Aftermath } from './aftermath.ts'
import { type Answer, applyPush, type Batch, type GroupPorts, type Touched } from './apply-push.ts'
import { createHeldRecords } from './held-records.ts'
import type { Unit } from './units.ts'
import { upUnit } from './up-cast.ts'

export interface BatchResult {
  readonly outcomes: ReadonlyMap<OperationId, string>
  /** Why units were left without an outcome. */
  readonly faults: readonly unknown[]
  /** Whether the store has what the device tells of itself. */
  readonly isReported: boolean
  /** For what the same sender sends after it. */
  readonly left: Aftermath
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

export interface BatchAnswer {
  readonly batch: Batch
  /** An EngineError: what it failed for. */
  readonly result: BatchResult | EngineError
}

/** What is left of a batch that goes on by itself. */
export interface Cutting {
  readonly batch: Batch
  /** Runs the next transaction; null: there is more to do. */
  step(): Promise<BatchAnswer | null>
}

/** Applies batches; each is given to `answer` as soon as it is done. Answers what goes on by itself, in the order of the batches. */
export async function pushGroup(
  ports: PushPorts,
  batches: readonly Batch[],
  answer: (answer: BatchAnswer) => void,
): Promise<readonly Cutting[]> {
  const cuttings: Cutting[] = []
  const courses = batches.map((batch) => createCourse(batch, ports))
  let work: readonly Parts[] = [courses.map((course) => ({ course, units: course.units }))]
  for (let parts = work[0]; parts !== undefined; parts = work[0]) {
    const next = await attempt(ports, parts)
    const left = new Set(next.flat().map(({ course }) => course))
    for (const { course } of parts) {
      if (left.has(course)) continue
      const last = course.last()
      if (last === null) answer(course.answer())
      else cuttings.push(createCutting(ports, course, [[last]]))
    }
    const [alone] = left
    // Others do not wait for it [PB4].
    if (alone !== undefined && left.size === 1) cuttings.push(createCutting(ports, alone, next))
    work = [...(left.size > 1 ? next : []), ...work.slice(1)]
  }
  return cuttings
}

function createCutting(ports: PushPorts, course: Course, begun: readonly Parts[]): Cutting {
  let work = begun
  let transactions = 0
  return {
    batch: course.batch,
    step: async () => {
      const [parts, ...others] = work
      transactions += 1
      // A rescue file has nobody who would bring it in smaller pieces.
      if (transactions > cutsMax && course.batch.device !== null) {
        course.fail(new EngineError('SERVER_ERROR', 'Too many units of one batch are refused by the database.'))
        work = []
      } else if (parts !== undefined) work = [...(await attempt(ports, parts)), ...others]
      if (work.length > 0) return null
      const last = course.last()
      if (last === null) return course.answer()
      work = [[last]]
      return null
    },
  }
}

/** Transactions that are spent on one batch: a few seconds. Some forty units among 5,000 are found with it. */
export const cutsMax = 512

/** More than the second after which Postgres looks for a deadlock, which is told as one: then the work is run again. */
const groupLockMsMax = 2_000
const loneLockMsMax = 200

interface Part {
  readonly course: Course
  readonly units: readonly Unit[]
}

/** What goes in one transaction, at most one part of a course. */
type Parts = readonly Part[]

/** One transaction; answers what is to be tried in its place, or after it. */
async function attempt(ports: PushPorts, parts: Parts): Promise<readonly Parts[]> {
  const open = parts.flatMap(({ course, units }) => course.next(units))
  const [first] = open
  if (first === undefined) return []
  const group = open.map(({ course, units }) => course.batchOf(units))
  try {
    const { answers, place, touched } = await ports.store.transact(
      (tx) => applyPush(tx, ports, group),
      first.course.lockMsMax(),
    )
    if (touched.size > 0) ports.onCommit({ place, touched, batches: group })
    const rest = open.flatMap(({ course, units }, index) => {
      const answer = answers[index] ?? none
      course.took(answer)
      const isBegun = answer.unjudged.length < units.length
      return answer.unjudged.length === 0 ? [] : [{ course, units: answer.unjudged, isBegun }]
    })
    // Others do not wait for the one that has had the time.
    const inTurn = [rest.filter(({ isBegun }) => !isBegun), rest.filter(({ isBegun }) => isBegun)]
    return inTurn.filter(({ length }) => length > 0)
  } catch (error) {
    if (error instanceof RecordsHeld && open.length > 1) {
      for (const { course } of open) course.waited()
      return open.map((part) => [part])
    }
    // Any other EngineError is about the machine, not about one unit.
    if (error instanceof EngineError) for (const { course } of open) course.fail(error)
    else if (open.length > 1) return inHalves(open)
    else if (first.units.length > 1) return inHalves(first.units).map((units) => [{ ...first, units }])
    else first.course.leave(first, error)
    return []
  }
}

/** What becomes of one batch. */
interface Course {
  readonly batch: Batch
  /** The units of the batch in the form of the schema, without those that could not be brought into it. */
  readonly units: readonly Unit[]
  /** Of these units those that can be tried now, as a part; none when nothing of the batch is to be done. */
  next(units: readonly Unit[]): Parts
  /** The batch with these units, after what became of others of it. */
  batchOf(units: readonly Unit[]): Batch
  /** Milliseconds that its next transaction may wait for records that others hold. */
  lockMsMax(): number
  /** It has waited in vain, perhaps for what only another batch wants. */
  waited(): void
  took(answer: Answer): void
  leave(part: Part, fault: unknown): void
  fail(error: EngineError): void
  /** After all of its units, once: what the device tells of itself, when no transaction took it [PB6]. */
  last(): Part | null
  answer(): BatchAnswer
}

function createCourse(batch: Batch, { schema }: GroupPorts): Course {
  const outcomes = new Map<OperationId, string>()
  const faults: unknown[] = []
  const heldRecords = createHeldRecords(schema, batch.earlier.held)
  let refused = batch.earlier.refused
  let isReported = false
  let isLast = false
  let failure: EngineError | null = null
  let lockMsMax = groupLockMsMax
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
  const isToTell = () => batch.report !== null && !isReported
  const course: Course = {
    batch,
    units,
    next: (units) => {
      // What follows may hang on what was not applied.
      if (failure !== null) return []
      const free = units.filter(isFree)
      const isForReport = isToTell() && (isLast || batch.units.length === 0)
      return free.length === 0 && !isForReport ? [] : [{ course, units: free }]
    },
    batchOf: (units) => ({
      ...batch,
      units,
      report: isReported ? null : batch.report,
      earlier: { refused, held: heldRecords.keys() },
    }),
    lockMsMax: () => lockMsMax,
    waited: () => {
      lockMsMax = loneLockMsMax
    },
    took: (answer) => {
      for (const [id, text] of answer.outcomes) outcomes.set(id, text)
      faults.push(...answer.faults)
      answer.held.forEach(heldRecords.add)
      refused = answer.refused
      isReported ||= batch.report !== null
    },
    leave: ({ units }, fault) => {
      faults.push(fault)
      units.forEach(heldRecords.add)
    },
    fail: (error) => {
      // The operations have their outcomes by then.
      if (isLast) faults.push(error)
      else failure = error
    },
    last: () => {
      if (isLast || failure !== null || !isToTell() || batch.units.length === 0) return null
      isLast = true
      return { course, units: [] }
    },
    answer: () => {
      const left = { refused, held: heldRecords.keys() }
      return { batch, result: failure ?? { outcomes, faults, isReported, left } }
    },
  }
  return course
}

function inHalves<T>(all: readonly T[]): readonly (readonly T[])[] {
  const half = Math.ceil(all.length / 2)
  return [all.slice(0, half), all.slice(half)]
}

const none: Answer = { outcomes: new Map(), held: [], refused: new Map(), faults: [], unjudged: [] }
