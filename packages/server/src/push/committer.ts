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
 */
import { batchOperationsMax, EngineError, type UserId } from '@holdfast/core'
import type { Batch } from './apply-push.ts'
import { type BatchResult, type PushPorts, pushGroup } from './push-group.ts'

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
  /** Whose batches are in a group that is under way. */
  const busy = new Set<UserId>()
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
    while (groups < store.lanes && hasFree(waiting, busy)) {
      await gather()
      const group = nextGroup([...waiting], busy)
      if (group.length === 0) break
      groups += 1
      void run(group)
    }
    isGathering = false
  }

  const run = async (group: readonly Waiting[]): Promise<void> => {
    for (const one of group) {
      waiting.delete(one)
      busy.add(one.user)
    }
    const end = () => {
      groups -= 1
      for (const { user } of group) busy.delete(user)
    }
    try {
      const results = await pushGroup(
        ports,
        group.map(({ batch }) => batch),
      )
      end()
      for (const [index, { resolve, reject }] of group.entries()) {
        const result = results[index]
        if (result === undefined || result instanceof EngineError) reject(result)
        else resolve(result)
      }
    } catch (error) {
      end()
      for (const { reject } of group) reject(error)
    }
    void pump()
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
