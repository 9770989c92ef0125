/**
 * Opens a database that may be broken, and goes on when it breaks.
 *
 *   copy ──► database ──► store, sync ──► alive
 *               └─broken─► salvage ──► set aside ──► new database, with the queue of the copy ──► alive
 *
 * VT1  [I-4] The broken file is moved aside and never deleted. What waits and what was refused is restored with the same ids and
 *      texts; the rows are pulled again. What had settled is known further on as far as the broken file tells it: it is in no copy.
 * VT2  A call that met the broken file is made again to the new one, and counts once (EN1); watches go on.
 * VT3  [I-26] A copy of another user's queue is neither read nor changed: USER_MISMATCH.
 * VT4  Without its copy (it cannot be opened) the database works, and the status says so.
 * VT5  A copy may lag behind. What the broken file tells of an operation counts for more: where that is over or was refused, it does
 *      not wait any more.
 */
import { type DeviceId, EngineError, UsageError } from '@holdfast/core'
import type { RunningEngine } from '../engine.ts'
import type { Timers } from '../ports/ambient.ts'
import type { OpenDriver } from '../ports/open-driver.ts'
import { type KeptQueue, nothingKept, type QueueCopy, type ReadQueue, type Vault } from '../ports/queue-copy.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import type { Past } from '../store/store.ts'
import { createRevivingEngine } from './reviving-engine.ts'
import { type SalvagedDatabase, salvage, salvagedTogether } from './salvage.ts'
import { isCorrupt, watchfulDriver } from './watchful-driver.ts'

export interface VaultedParts {
  readonly openDriver: OpenDriver
  readonly vault: Vault
  readonly user: string
  /** The device that was here, by a mark outside of this storage; null: no mark. */
  readonly markedDevice: DeviceId | null
  readonly report: (problem: unknown) => void
  readonly timers: Timers
  /** Makes the engine over a database that is open; both belong to the engine from now on, also when this throws. */
  readonly start: (opened: OpenedDatabase) => RunningEngine
}

export interface OpenedDatabase {
  readonly driver: SqliteDriver
  readonly past: Past
  /** 'failing': it cannot be opened. */
  readonly copy: OpenedCopy | 'failing'
}

export interface OpenedCopy {
  readonly copy: QueueCopy
  /** What could be read of it. */
  readonly kept: ReadQueue
  /** A new one in place of this one, which is broken and closed by then. */
  readonly renew: () => Promise<QueueCopy>
}

export function openVaulted(parts: VaultedParts): Promise<RunningEngine> {
  const { timers, report } = parts
  return createRevivingEngine({
    timers,
    report,
    open: (onCorrupt) => open(parts, { onCorrupt, salvaged: null }),
    async setAside() {
      const salvaged = await salvage(parts.openDriver)
      await parts.vault.setAside()
      return (onCorrupt) => open(parts, { onCorrupt, salvaged })
    },
  })
}

interface Opening {
  readonly onCorrupt: () => void
  /** What the database gave that was broken and moved aside; null: there was none. */
  readonly salvaged: SalvagedDatabase | null
}

async function open(parts: VaultedParts, opening: Opening): Promise<RunningEngine> {
  const copy = await openCopy(parts)
  try {
    const renew = () => parts.vault.renewCopy()
    const opened = copy && { copy, kept: await readCopy(copy, parts), renew }
    try {
      return await openOver(parts, opened, opening)
    } catch (error) {
      if (!(await isBroken(parts.openDriver, error))) throw error
    }
    const found = await salvage(parts.openDriver)
    const salvaged = opening.salvaged === null ? found : salvagedTogether(opening.salvaged, found)
    await parts.vault.setAside()
    return await openOver(parts, opened, { ...opening, salvaged })
  } catch (error) {
    await copy?.close()
    throw error
  }
}

async function openOver(
  { openDriver, markedDevice, start }: VaultedParts,
  copy: OpenedCopy | null,
  { onCorrupt, salvaged }: Opening,
): Promise<RunningEngine> {
  const driver = watchfulDriver(await openDriver(), onCorrupt)
  const kept = copy?.kept ?? null
  const past: Past = {
    kept: salvaged === null ? kept : withSalvaged(kept, salvaged),
    broken: salvaged,
    // A browser that removes the data leaves no broken copy.
    device: copy?.kept.isWhole === false ? null : markedDevice,
  }
  return start({ driver, copy: copy ?? 'failing', past })
}

async function openCopy({ vault, report }: VaultedParts): Promise<QueueCopy | null> {
  try {
    return await vault.openCopy()
  } catch (error) {
    if (error instanceof EngineError && error.code === 'STORAGE_LOCKED') throw error
    report(error)
    return null
  }
}

async function readCopy(copy: QueueCopy, { user, report }: VaultedParts): Promise<ReadQueue> {
  let kept: ReadQueue
  try {
    kept = await copy.read()
  } catch (error) {
    report(error)
    // What is only out of reach may be read the next time, and is not replaced.
    return { ...nothingKept, isWhole: !isCorrupt(error) }
  }
  if (!kept.isWhole)
    report(new EngineError('STORAGE_CORRUPT', 'a part of the second copy of the queue cannot be read.'))
  if (kept.owner === null || kept.owner.user === user) return kept
  throw new EngineError('USER_MISMATCH', 'this database belongs to another user.')
}

/** Where both have an operation, its text is the copy's, which was read whole; its place, and that it was refused, the file's (VT5). */
function withSalvaged(kept: KeptQueue | null, { queue }: SalvagedDatabase): KeptQueue | null {
  if (queue.length === 0) return kept
  const { owner, operations } = kept ?? nothingKept
  const copied = new Map(operations.map((operation) => [operation.id, operation]))
  for (const found of queue) {
    const known = copied.get(found.id)
    const { seq, refused } = found
    copied.set(found.id, known === undefined ? found : { ...known, seq, refused: refused ?? known.refused })
  }
  return { owner, operations: [...copied.values()].sort((a, b) => a.seq - b.seq) }
}

/** What SQLite did not notice may have met our own parsers: then it is asked to look at the whole file. */
async function isBroken(openDriver: OpenDriver, error: unknown): Promise<boolean> {
  if (isCorrupt(error)) return true
  if (error instanceof UsageError) return false
  if (error instanceof EngineError && error.code !== 'MALFORMED') return false
  let driver: SqliteDriver | null = null
  try {
    driver = await openDriver()
    return driver.all('pragma quick_check(1)')[0]?.[0] !== 'ok'
  } catch (failure) {
    return isCorrupt(failure)
  } finally {
    driver?.close()
  }
}
