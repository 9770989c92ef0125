import { type RescueFile, rescueText } from '@holdfast/core'
import type { KeptOperation } from '../ports/queue-copy.ts'

/** A file for a person to keep, or to bring to the server (`POST /rescue`). */
export interface RescueExport {
  /** A name for the file: of the day, and without the user's. */
  readonly name: string
  /** JSON, see core's rescue.ts. */
  readonly text: string
  /** The operations in it. */
  readonly count: number
}

export function rescueExport(
  head: Omit<RescueFile, 'items'>,
  queue: readonly Pick<KeptOperation, 'text' | 'refused'>[],
): RescueExport {
  const time = new Date(head.exportedAt).toISOString().slice(0, 19).replaceAll(/[:T]/g, '-')
  return {
    name: `holdfast-rescue-${time}-${head.device.slice(-6)}.json`,
    text: rescueText({ ...head, items: queue.map(({ text, refused }) => ({ text, refused })) }),
    count: queue.length,
  }
}
