/**
 * Keeps the second copy of the queue in step with the store.
 *
 * CK1  A write does not wait for the copy, and does not fail with it: what could not be copied is told and tried again.
 * CK2  Changes are copied in the order of their commits, those of a moment together; a look costs what changed.
 * CK3  At opening the copy is compared with the store as a whole: what a killed process had not copied is made up for.
 * CK4  A copy that is broken is made anew from the store, whole; what could be read of it is in the store by then. While the last
 *      attempt has failed, that is told.
 * CK5  [I-23] When records have left the device, what had been removed from the copy before is made unreadable there too.
 */
import type { OperationId } from '@holdfast/core'
import type { Timers } from '../ports/ambient.ts'
import type { KeptOperation, KeptQueue, QueueCopy, QueueOwner } from '../ports/queue-copy.ts'
import { purgedMark } from '../store/purge.ts'
import type { Store } from '../store/store.ts'
import type { OpenedCopy } from './open-vaulted.ts'
import { isCorrupt } from './watchful-driver.ts'

export interface CopyKeeper {
  /** Copies what is not copied yet, as far as that is possible, and closes the copy. The store must still be open. */
  stop(): Promise<void>
}

export interface CopyKeeperParts {
  readonly store: Pick<Store, 'user' | 'device' | 'queue' | 'takeQueueChanges' | 'onCommit'>
  readonly timers: Timers
  readonly report: (problem: unknown) => void
  /** Told after each attempt whether it went well. */
  readonly told: (isWorking: boolean) => void
}

/** Writes of one moment (a form, an import) make one change of the copy; a person's next write comes later. */
const gatherMs = 30
const retryMsMin = 1_000
const retryMsMax = 60_000

/** @param opened belongs to the keeper from now on; what the store has to restore of it, it has by now. */
export function createCopyKeeper({ store, timers, report, told }: CopyKeeperParts, opened: OpenedCopy): CopyKeeper {
  const { kept, renew } = opened
  const owner: QueueOwner = { user: store.user, device: store.device }
  /** Null while a broken one is closed and no other is there yet. */
  let copy: QueueCopy | null = opened.copy
  let isBroken = !kept.isWhole
  /** Not copied yet, by id; null: to be removed. */
  let open = differences(store.queue(), kept)
  let isOwner = kept.owner?.user === owner.user && kept.owner.device === owner.device
  let failures = 0
  /** Records have left since the copy was purged. */
  let isPurgeDue = false
  let cancel: (() => void) | null = null
  let running: Promise<void> = Promise.resolve()

  function gather(): void {
    const { put, remove } = store.takeQueueChanges()
    for (const operation of put) open.set(operation.id, operation)
    for (const id of remove) open.set(id, null)
  }

  function wholeQueue(): Map<OperationId, KeptOperation | null> {
    return new Map(store.queue().map((operation) => [operation.id, operation]))
  }

  async function workingCopy(): Promise<QueueCopy> {
    if (copy !== null && !isBroken) return copy
    const broken = copy
    copy = null
    await broken?.close().catch(() => {}) // What is broken may not close in order either.
    const renewed = await renew()
    copy = renewed
    isBroken = false
    return renewed
  }

  async function flush(): Promise<void> {
    gather()
    if (open.size === 0 && isOwner && !isBroken && !isPurgeDue) return
    const writing = isBroken ? wholeQueue() : open
    const isPurging = isPurgeDue
    open = new Map()
    isPurgeDue = false
    try {
      const writable = await workingCopy()
      await writable.write({
        owner,
        put: [...writing.values()].filter((operation) => operation !== null),
        remove: [...writing].flatMap(([id, operation]) => (operation === null ? [id] : [])),
      })
      isOwner = true
      if (isPurging) await writable.purge()
      failures = 0
      told(true)
    } catch (error) {
      // What has changed meanwhile is newer.
      open = new Map([...writing, ...open])
      isPurgeDue ||= isPurging
      isBroken ||= isCorrupt(error)
      told(false)
      if (failures === 0) report(error)
      failures += 1
      flushIn(Math.min(retryMsMin * 2 ** (failures - 1), retryMsMax))
    }
  }

  function flushIn(delayMs: number): void {
    if (cancel !== null) return
    cancel = timers.after(delayMs, () => {
      cancel = null
      running = running.then(flush).catch(report)
    })
  }

  const stopCommits = store.onCommit((tables) => {
    if (tables.has(purgedMark)) isPurgeDue = true
    if (tables.has('_outbox') || tables.has('_inbox') || isPurgeDue) flushIn(gatherMs)
  })
  if (open.size > 0 || !isOwner || isBroken) flushIn(0)

  return {
    async stop() {
      stopCommits()
      cancel?.()
      await running
      await flush().catch(report) // A store that is broken cannot tell what has changed.
      cancel?.()
      await copy?.close()
    },
  }
}

function differences(queue: readonly KeptOperation[], kept: KeptQueue): Map<OperationId, KeptOperation | null> {
  const copied = new Map(kept.operations.map((operation) => [operation.id, operation]))
  const open = new Map<OperationId, KeptOperation | null>()
  for (const operation of queue) {
    const other = copied.get(operation.id)
    copied.delete(operation.id)
    const isSame = other?.seq === operation.seq && (other.refused === null) === (operation.refused === null)
    if (!isSame) open.set(operation.id, operation)
  }
  for (const id of copied.keys()) open.set(id, null)
  return open
}
