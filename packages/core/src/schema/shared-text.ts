/**
 * The port to a collaborative text type (`yText` of @holdfast/yjs): core knows no library. Documents and changes are texts, so
 * that they travel and are stored like any other value.
 *
 * TX1  `merge` is commutative, associative and idempotent: documents that hold the same changes read the same.
 * TX2  `documentOf(text)` is the same document wherever it is made: what a device edits before its create has arrived fits the server's.
 * TX3  `merge` takes what `change` makes and nothing else: anything else is INVALID_VALUE, and so is a change that builds on one that
 *      the document does not hold.
 * TX4  Changes that are merged one after the other cost what they are, not what the document is; the answer is the same, whatever
 *      was merged before.
 */
export interface SharedTextType {
  /** The document of a new record's text. */
  documentOf(text: string): string
  /**
   * The change that makes the document read `text`. `author` is a whole number from 2 to 2^32 − 1, and no two changes are made with the
   * same one: a change that was refused leaves no trace in the document, and what its author wrote next would pass for it.
   */
  change(document: string, text: string, author: number): string
  /** The document with the change, and what it reads (TX3). */
  merge(document: string, change: string): { readonly document: string; readonly text: string }
  /** What its writer wrote, who saw `was`. */
  written(was: string, change: string): string
  /** What the document reads without the change, whose writer saw `was`: what it deleted is there again, all else stays. */
  without(document: string, was: string, change: string): string
}
