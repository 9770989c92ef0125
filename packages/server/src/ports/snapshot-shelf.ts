/**
 * The port to where snapshots lie: the first pages of a pull, made once for every device that holds the same scopes. Both stores keep these
 * laws; the contract suite proves it.
 *
 * SH1  A snapshot is there with all its parts or not at all. It may vanish at any moment (trimmed, or a database that was not stopped
 *      cleanly): nothing but time is lost.
 * SH2  The pages of one making show one snapshot of the database, and end when it is complete (SS4).
 * SH3  Of makings of one key one runs at a time, in all processes over the database; the others are told so and read nothing.
 * SH4  A part is found under the key of its snapshot only: for any other key it is as absent as one that never was.
 * SH5  `trim` leaves of each key the newest and of all together no more than the bounds say, the newest first.
 */
import type { SnapshotId } from '@holdfast/core'
import type { Page, PageRequest } from './server-store.ts'

export interface SnapshotShelf {
  /** The newest snapshot of this key that was made at `sinceMs` or later; null: there is none. */
  newest(key: string, sinceMs: number): Promise<ShelvedSnapshot | null>
  /** A part in this encoding, or in the one in which it was made; null: there is no such part. */
  part(address: PartAddress, encoding: PartEncoding): Promise<EncodedPart | null>
  /** Keeps a part of a snapshot in one more encoding; nothing happens when the snapshot or that encoding of it is gone or there. */
  keep(address: PartAddress, part: EncodedPart): Promise<void>
  /**
   * Reads what the scopes hold, in pages whose rows stand column by column (see `PageForm`), and keeps what `press` makes of them;
   * null: nothing. False when somebody else is making a snapshot of this key.
   */
  make(plan: SnapshotPlan, press: (pages: AsyncIterable<Page>) => Promise<PressedSnapshot | null>): Promise<boolean>
  trim(bounds: ShelfBounds): Promise<void>
}

export interface ShelvedSnapshot {
  readonly id: SnapshotId
  readonly parts: number
  readonly rows: number
}

export interface PartAddress {
  readonly id: SnapshotId
  readonly key: string
  /** From 0. */
  readonly part: number
  /** Older snapshots are as good as gone. */
  readonly sinceMs: number
}

export type PartEncoding = 'zstd' | 'gzip' | 'br'

export interface EncodedPart {
  readonly encoding: PartEncoding
  readonly bytes: Uint8Array
}

export interface SnapshotPlan {
  readonly key: string
  /** Where the first page starts, and the bounds of each. */
  readonly request: PageRequest
}

export interface PressedSnapshot {
  readonly id: SnapshotId
  readonly madeAtMs: number
  readonly rows: number
  /** In order, all in one encoding. */
  readonly parts: readonly EncodedPart[]
}

export interface ShelfBounds {
  /** Made before: removed. */
  readonly sinceMs: number
  readonly snapshotsMax: number
  /** Of all parts in all encodings. */
  readonly bytesMax: number
}
