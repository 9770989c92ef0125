/**
 * The committer: batches that are under way together share a transaction. While one group is in the database, what arrives waits,
 * and goes as the next group: a lone batch waits for nobody, and under load a commit and its statements are paid once for many.
 *
 * GC1  A group takes everything that waits, up to 5,000 operations, and at most one batch of each user: two devices of one user may hold
 *      copies of the same operation. A user's batches are never in two groups at a time.
 * GC2  The oldest batch is always in the next group, and beside it the others from the smallest on: nobody waits for ever, and a
 *      single write does not wait behind backlogs, for which there is no room beside the oldest.
 * GC3  Nothing waits for company that is not there yet: when a lane of the store is free, a group goes at the end of the first turn of
 *      the event loop that brings nobody else. (An embedded transaction holds the loop: without that turn, those whose bytes have
 *      arrived would go one by one, a commit each.)
 * GC4  A batch is answered when it is done. What goes on by itself (PB4) does so in slices of a lane, in turn with the groups of others.
 */
import { batchOperationsMax, EngineError, type UserId } from '@holdfast/core'
import type { Batch } from './apply-push.ts'
import { type BatchAnswer, type BatchResult, type Cutting, type PushPorts, pushGroup } from './push-group.ts'

export interface Committer {
  /** Resolves when the batch's effects are durable. Throws EngineError when the machine failed. */
  push(batch: Batch): Promise<BatchResult>
}

interface Waiting {
  readonly batch: Batch
  readonly user: UserId
  readonly operations: number
  resolve(result: BatchResult): void
  reject(error: unknown): void
}

export function createCommitter(ports: PushPorts): Committer {
  const { store, system } = ports
  const waiting = new Set<Waiting>()
  /** Whose batches are in a group that is under way, or go on by themselves. */
  const busy = new Set<UserId>()
  const open = new Map<Batch, Waiting>()
  const cuttings: Cutting[] = []
  let isCuttingNext = false
  let groups = 0
  let isGathering = false

  /** Turns go by as long as they bring somebody, and there is room in the group. */
  const gather = async (): Promise<void> => {
    let known = 0
    for (let turns = 0; known < waiting.size && turns < turnsMax; turns += 1) {
      known = waiting.size
      await system.breathe()
    }
  }

  const pump = async (): Promise<void> => {
    if (isGathering) return
    isGathering = true
    while (groups < store.lanes && (cuttings.length > 0 || hasFree(waiting, busy))) {
      const cutting = isCuttingNext || !hasFree(waiting, busy) ? cuttings.shift() : undefined
      isCuttingNext = cutting === undefined && cuttings.length > 0
      if (cutting !== undefined) {
        groups += 1
        void slice(cutting)
        continue
      }
      await gather()
      const group = nextGroup([...waiting], busy)
      if (group.length === 0) break
      groups += 1
      void run(group)
    }
    isGathering = false
  }

  const answer = ({ batch, result }: BatchAnswer): void => {
    const one = open.get(batch)
    if (one === undefined) return
    open.delete(batch)
    busy.delete(one.user)
    if (result instanceof EngineError) one.reject(result)
    else one.resolve(result)
  }

  const run = async (group: readonly Waiting[]): Promise<void> => {
    const batches = group.map(({ batch }) => batch)
    for (const one of group) {
      waiting.delete(one)
      busy.add(one.user)
      open.set(one.batch, one)
    }
    try {
      cuttings.push(...(await pushGroup(ports, batches, answer)))
    } catch (error) {
      for (const batch of batches) breakOff(batch, error)
    }
    groups -= 1
    void pump()
  }

  const slice = async (cutting: Cutting): Promise<void> => {
    const beganMs = system.monotonicMs()
    try {
      let done: BatchAnswer | null = null
      while (done === null && system.monotonicMs() - beganMs < sliceMsMax) done = await cutting.step()
      if (done === null) cuttings.push(cutting)
      else answer(done)
    } catch (error) {
      breakOff(cutting.batch, error)
    }
    groups -= 1
    void pump()
  }

  /** A defect of ours. */
  const breakOff = (batch: Batch, error: unknown): void => {
    const one = open.get(batch)
    open.delete(batch)
    if (one !== undefined) busy.delete(one.user)
    one?.reject(error)
  }

  return {
    push: (batch) =>
      new Promise((resolve, reject) => {
        const operations = batch.units.reduce((sum, unit) => sum + unit.length, 0)
        waiting.add({ batch, user: batch.bench.user.userId, operations, resolve, reject })
        void pump()
      }),
  }
}

/** In a storm every turn brings somebody; those who came first are not to wait for the last. */
const turnsMax = 100

/** Milliseconds that a batch that goes on by itself has a lane before others have it. */
const sliceMsMax = 50

function hasFree(waiting: ReadonlySet<Waiting>, busy: ReadonlySet<UserId>): boolean {
  for (const { user } of waiting) if (!busy.has(user)) return true
  return false
}

/** From what waits, the oldest first, and the users who have to wait. */
export function nextGroup<T extends Pick<Waiting, 'user' | 'operations'>>(
  waiting: readonly T[],
  busy: ReadonlySet<UserId>,
): readonly T[] {
  const users = new Set(busy)
  const own = waiting.filter(({ user }) => {
    const isFirst = !users.has(user)
    users.add(user)
    return isFirst
  })
  const [oldest, ...others] = own
  if (oldest === undefined) return []
  const group = [oldest]
  let room = Math.max(batchOperationsMax - oldest.operations, roomMin)
  for (const one of others.toSorted((a, b) => a.operations - b.operations)) {
    if (one.operations > room) break
    room -= one.operations
    group.push(one)
  }
  return group
}

/** Operations for which there is room beside an oldest batch that is full itself. */
const roomMin = 500
