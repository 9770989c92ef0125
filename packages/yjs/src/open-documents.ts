/**
 * The documents that were read or merged last, open: a text that is edited a thousand times in a row is decoded once. A memory of a
 * pure function, and nothing else: whatever it forgets is opened again from its text.
 *
 * OD1  Who takes a document out of it owns it until it is kept again: one on which something failed is not.
 */
import type * as Y from 'yjs'

/** Of all that is kept, as text; open, a character takes about ten bytes. One document is kept in any case. */
const keptLengthMax = 4_194_304
/** What the smallest open document takes, in characters of a large one. */
const leastLength = 1_000

export interface OpenDocuments {
  /** Null: it is not open. */
  take(document: string): Y.Doc | null
  keep(document: string, open: Y.Doc): void
}

export function createOpenDocuments(): OpenDocuments {
  /** Oldest first. */
  const kept = new Map<string, Y.Doc>()
  let length = 0

  function take(document: string): Y.Doc | null {
    const open = kept.get(document)
    if (open === undefined) return null
    kept.delete(document)
    length -= leastLength + document.length
    return open
  }

  return {
    take,
    keep(document, open) {
      take(document)
      kept.set(document, open)
      length += leastLength + document.length
      for (const oldest of kept.keys()) {
        if (length <= keptLengthMax || kept.size === 1) break
        take(oldest)
      }
    },
  }
}
