/**
 * A snapshot that is being loaded: which part comes next. It is a value of `_meta` and moves in the transaction that stores a part, so
 * that a killed app goes on at the next one. Every part brings the cursor after it: a snapshot that is gone is dropped, and ordinary pages
 * go on from there.
 */

import type { Generation, SyncReply } from '@holdfast/core'
import { isObject, parseSnapshotId, type SnapshotId, type SnapshotOffer, type SnapshotPart } from '@holdfast/core'

export interface SnapshotLoad extends SnapshotOffer {
  readonly id: SnapshotId
  /** The part that comes next, from 0. */
  readonly next: number
  /** Rows that have come. */
  readonly loaded: number
}

export function startLoad(offer: SnapshotOffer): SnapshotLoad {
  return { ...offer, next: 0, loaded: 0 }
}

/** Null after the last part. */
export function afterPart(load: SnapshotLoad, { changes }: SnapshotPart): SnapshotLoad | null {
  const next = load.next + 1
  if (next === load.parts) return null
  return { ...load, next, loaded: load.loaded + changes.reduce((sum, { rows }) => sum + rows.length, 0) }
}

/** A part as the page that it is, on the way to the last one. */
export function pageOfPart(
  { cursor, changes }: SnapshotPart,
  { generation, serverTimeMs }: { readonly generation: Generation; readonly serverTimeMs: number },
): SyncReply {
  return {
    generation,
    serverTimeMs,
    outcomes: [],
    changes,
    cursor,
    more: true,
    through: 0,
    behind: false,
    remaining: null,
    serverSchema: null,
    previous: null,
    snapshot: null,
  }
}

export function parseLoad(value: unknown): SnapshotLoad | null {
  if (!isObject(value)) return null
  return {
    id: parseSnapshotId(value.id),
    parts: Number(value.parts),
    rows: Number(value.rows),
    next: Number(value.next),
    loaded: Number(value.loaded),
  }
}
