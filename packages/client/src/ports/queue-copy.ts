/**
 * The port to the second copy of the queue: what the server has not taken (operations that wait, and refused ones), kept beside
 * the main database, so that they outlive it when it breaks. The main database is the truth; the copy follows it.
 *
 * QC1  `write` has its whole effect or none, and what it resolved for outlives a kill of the process. Its calls take effect in order.
 * QC2  `read` answers what was written, text for text, in the order of `seq`; a copy that was never written has no owner.
 *      A copy that is damaged answers what can still be read, and says that this is not all.
 * QC3  Putting what is there replaces it, and removing what is not there is no error: a change may be written twice.
 * QC4  A copy belongs to one database of one user; two copies know nothing of each other.
 * QC5  After `purge`, what was removed is in no file of the copy, as far as its storage lets anybody say so.
 */
import type { DeviceId, OperationId, RefusalNote, UserId } from '@holdfast/core'

export interface QueueCopy {
  /** Rejects with an EngineError where the storage fails; STORAGE_CORRUPT when nothing can be read at all. */
  read(): Promise<ReadQueue>
  /** Rejects with an EngineError where the storage fails (STORAGE_CORRUPT: the copy is broken); nothing of the change is kept then. */
  write(change: QueueChange): Promise<void>
  /** What was removed shall not be readable in the files any more. Rejects as `write` does. */
  purge(): Promise<void>
  close(): Promise<void>
}

export interface KeptQueue {
  readonly owner: QueueOwner | null
  readonly operations: readonly KeptOperation[]
}

export interface ReadQueue extends KeptQueue {
  /** False: the copy is damaged, and held more. */
  readonly isWhole: boolean
}

export const nothingKept: KeptQueue = { owner: null, operations: [] }

/** Whose database it copies, and which device that was. */
export interface QueueOwner {
  readonly user: UserId
  readonly device: DeviceId
}

export interface KeptOperation {
  readonly id: OperationId
  /** Orders the queue; it may differ from the operation's own where it was restored before. */
  readonly seq: number
  /** As the operation was written. */
  readonly text: string
  /** Null: it waits. */
  readonly refused: RefusalNote | null
}

export interface QueueChange {
  readonly owner: QueueOwner
  readonly put: readonly KeptOperation[]
  readonly remove: readonly OperationId[]
}

/** The port to what stands beside a database that outlives its process. */
export interface Vault {
  /** Opens the copy, or makes it. STORAGE_LOCKED while another process has it. */
  openCopy(): Promise<QueueCopy>
  /** Makes a new copy in place of one that is broken; that one is closed by then, and what could be read of it is in the database. */
  renewCopy(): Promise<QueueCopy>
  /** Moves the broken database aside, whole and never deleted, so that the next opening makes a new one. It is closed by then. */
  setAside(): Promise<void>
  /** Deletes database and copy for good, and what was set aside; everything is closed by then. */
  wipe(): Promise<void>
}
