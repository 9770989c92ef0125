/**
 * How much may wait [L-4]. A device that is away for very long, or an app that writes in a loop, is told at the write: what was saved is never
 * dropped to make room.
 */
import { EngineError } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'

export interface OutboxBounds {
  readonly operationsMax: number
  /** Of their texts. */
  readonly bytesMax: number
}

export const outboxBounds: OutboxBounds = { operationsMax: 100_000, bytesMax: 256 * 1_048_576 }

export interface OutboxRoom {
  /** Before an operation is added, inside its transaction. OUTBOX_FULL when there is no room for it. */
  take(bytes: number): void
  /** After operations have come into the outbox that nobody wrote: what waits again, or was restored. */
  look(): void
}

/**
 * Counts up from what there was when it looked last, and looks again only when that would be too much: a write costs nothing for it. What
 * was settled meanwhile, and what was rolled back, is found then. What comes back by itself is never refused; it counts for the next write.
 */
export function createOutboxRoom(driver: SqliteDriver, { operationsMax, bytesMax }: OutboxBounds): OutboxRoom {
  const look = (): { operations: number; bytes: number } => {
    const [row] = driver.all(selectSize)
    return { operations: Number(row?.[0]), bytes: Number(row?.[1]) }
  }
  let known = look()
  const isFull = (bytes: number) => known.operations + 1 > operationsMax || known.bytes + bytes > bytesMax

  return {
    take: (bytes) => {
      if (isFull(bytes)) known = look()
      if (isFull(bytes)) {
        throw new EngineError(
          'OUTBOX_FULL',
          `${known.operations} changes wait to be sent, of ${known.bytes} bytes; this device keeps ${operationsMax}, of ${bytesMax} bytes.`,
        )
      }
      known = { operations: known.operations + 1, bytes: known.bytes + bytes }
    },
    look: () => {
      known = look()
    },
  }
}

// The length of a text is known without reading it.
const selectSize = 'select count(*), coalesce(sum(octet_length(operation)), 0) from _outbox'
