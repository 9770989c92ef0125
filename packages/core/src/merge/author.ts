/**
 * Who wrote something, on which device, when. A writer is a user on a device: an id of a device is what its sender says it is, so under
 * that of another user's device it is another writer.
 */
import type { FieldStamp } from './field-stamp.ts'

export interface Author {
  readonly user: string
  readonly device: string
  /** By the device's own clock, in milliseconds since 1970. */
  readonly at: number
  /** The same by the server's clock. */
  readonly correctedAt: number
}

export type Writer = Pick<Author, 'user' | 'device'>

export function isSameWriter(one: Writer, other: Writer): boolean {
  return one.device === other.device && one.user === other.user
}

export function authorOf({ user, device, at, stamp }: FieldStamp): Author {
  return { user, device, at, correctedAt: stampMs(stamp) }
}

/** The corrected time that a stamp begins with. */
function stampMs(stamp: string): number {
  return Number(stamp.split('.', 1)[0])
}
