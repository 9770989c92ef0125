/**
 * The documents that were read or merged last, open: a text that is edited a thousand times in a row is decoded once. A memory of a
 * pure function, and nothing else: whatever it forgets is opened again from its text.
 *
 * OD1  Who takes a document out of it owns it until it is kept again: one on which something failed is not.
 */
import type * as Y from 'yjs'

/** A batch, or a fold, is about few records at a time. */
const keptMax = 4

export interface OpenDocuments {
  /** Null: it is not open. */
  take(document: string): Y.Doc | null
  keep(document: string, open: Y.Doc): void
}

export function createOpenDocuments(): OpenDocuments {
  /** Oldest first. */
  const kept: { readonly document: string; readonly open: Y.Doc }[] = []
  return {
    take(document) {
      const place = kept.findIndex((entry) => entry.document === document)
      return place < 0 ? null : (kept.splice(place, 1)[0]?.open ?? null)
    },
    keep(document, open) {
      kept.push({ document, open })
      if (kept.length > keptMax) kept.shift()
    },
  }
}
