/** Who wrote a field last: the record's version with that write, its stamp, and the time by the clock of its device. */
export interface FieldStamp {
  readonly version: number
  /** `noDevice`: a merge function made the value, of what `user` and another wrote; no device has seen it. */
  readonly device: string
  readonly user: string
  readonly stamp: string
  readonly at: number
}

export const noDevice = ''
