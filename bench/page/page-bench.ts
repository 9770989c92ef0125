/** What the page offers to the bench that drives it. All times are milliseconds, taken in the page. */
import type { Identity } from './open-ours.ts'

export interface PageBench {
  readonly raw: {
    /** An empty directory → all rows stored, counted and listed. */
    firstSyncByRows(directory: string, rowsUrl: string): Promise<number>
    firstSyncByFile(directory: string, fileUrl: string): Promise<number>
    /** Opens what `firstSyncByRows` left, for the calls below. */
    open(directory: string): Promise<void>
    close(): Promise<void>
    write(targets: readonly Target[]): Promise<readonly number[]>
    list(asked: readonly ListQuery[]): Promise<readonly number[]>
    search(asked: readonly SearchQuery[]): Promise<readonly number[]>
    /** A write, then the list that shows it. */
    live(targets: readonly Target[]): Promise<readonly number[]>
  }
  readonly ours: {
    firstSync(identity: Identity): Promise<number>
    /** Opens the client and waits until it has everything. */
    open(identity: Identity): Promise<void>
    close(): Promise<void>
    /** Each write awaited; the time is that until it is saved on the device. */
    write(targets: readonly Target[]): Promise<readonly number[]>
    list(asked: readonly ListQuery[]): Promise<readonly number[]>
    search(asked: readonly SearchQuery[]): Promise<readonly number[]>
    /** From the call of a write to the listener that has the new list. */
    live(targets: readonly Target[]): Promise<readonly number[]>
    /** Sync goes on in the background of writes only where the bench says so. */
    pause(): Promise<void>
    /** The bytes of the last answer, to see that both answered the same. */
    names(asked: ListQuery): Promise<readonly string[]>
    found(asked: SearchQuery): Promise<number>
  }
  readonly dexie: {
    load(rowsUrl: string): Promise<void>
  }
}

/** The lead that a write changes. */
export interface Target {
  readonly id: string
  readonly owner: string
  readonly stage: string
}

export interface ListQuery {
  readonly owner: string
  readonly stage: string
}

export interface SearchQuery {
  readonly typed: string
}

declare global {
  var holdfastBench: PageBench
}
