import {
  parseJson,
  parseOperation,
  type RescueFile,
  rescueBytesMax,
  rescueOperationsMax,
  rescueText,
} from '@holdfast/core'
import type { KeptOperation } from '../ports/queue-copy.ts'

/** A file for a person to keep, or to bring to the server (`POST /rescue`). */
export interface RescueExport {
  /** A name for the file: of the day, and without the user's; where there are several, with its number. */
  readonly name: string
  /** JSON, see core's rescue.ts. */
  readonly text: string
  /** The operations in it. */
  readonly count: number
}

type Item = Pick<KeptOperation, 'text' | 'refused'>

/** One file at least, and several where one would be more than the server takes (RF2). What is no operation any more is left out. */
export function rescueExport(head: Omit<RescueFile, 'items'>, queue: readonly Item[]): readonly RescueExport[] {
  const time = new Date(head.exportedAt).toISOString().slice(0, 19).replaceAll(/[:T]/g, '-')
  const name = `holdfast-rescue-${time}-${head.device.slice(-6)}`
  const parts = partsOf(unitsOf(queue))
  return parts.map((items, index) => ({
    name: parts.length === 1 ? `${name}.json` : `${name}-${index + 1}-of-${parts.length}.json`,
    text: rescueText({ ...head, items }),
    count: items.length,
  }))
}

/** App transactions, or what is left of them, in the order in which each begins. */
function unitsOf(queue: readonly Item[]): readonly (readonly Item[])[] {
  const known = queue.flatMap(({ text, refused }) => {
    const tx = transactionOf(text)
    return tx === null ? [] : [{ tx, item: { text, refused } }]
  })
  return [...Map.groupBy(known, ({ tx }) => tx).values()].map((unit) => unit.map(({ item }) => item))
}

/** Null for a text that is damaged: it would make the server refuse the whole file. */
function transactionOf(text: string): string | null {
  try {
    return parseOperation(parseJson(text, 'an operation')).tx.id
  } catch {
    return null
  }
}

function partsOf(units: readonly (readonly Item[])[]): readonly (readonly Item[])[] {
  const parts: Item[][] = [[]]
  let bytes = headBytesMax
  for (const unit of units) {
    const more = unit.reduce((sum, item) => sum + bytesOf(item), 0)
    const last = parts.at(-1) ?? []
    const fits = last.length + unit.length <= rescueOperationsMax && bytes + more <= rescueBytesMax
    if (fits || last.length === 0) {
      last.push(...unit)
      bytes += more
    } else {
      parts.push([...unit])
      bytes = headBytesMax + more
    }
  }
  return parts
}

/** A clock says up to a thousand epochs. */
const headBytesMax = 100_000
/** What stands around an operation in a file. */
const frameBytes = 40

function bytesOf({ text, refused }: Item): number {
  return (
    encoder.encode(text).length + (refused === null ? 0 : encoder.encode(JSON.stringify(refused)).length) + frameBytes
  )
}

const encoder = new TextEncoder()
