/** Who wrote something, on which device, when. */
import type { FieldStamp } from './field-stamp.ts'

export interface Author {
  readonly user: string
  readonly device: string
  /** By the device's own clock, in milliseconds since 1970. */
  readonly at: number
  /** The same by the server's clock. */
  readonly correctedAt: number
}

export function authorOf({ user, device, at, stamp }: FieldStamp): Author {
  return { user, device, at, correctedAt: stampMs(stamp) }
}

/** The corrected time that a stamp begins with. */
function stampMs(stamp: string): number {
  return Number(stamp.split('.', 1)[0])
}
