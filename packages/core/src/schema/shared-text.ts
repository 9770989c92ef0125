/**
 * The port to a collaborative text type (`yText` of @holdfast/yjs): core knows no library. Documents and changes are texts
 * (base64), so that they travel and are stored like any other value.
 *
 * TX1  `merge` is commutative, associative and idempotent: documents that hold the same changes read the same.
 * TX2  `documentOf(text)` is the same document wherever it is made: what a device edits before its create has arrived fits the server's.
 */
export interface SharedTextType {
  /** The document of a new record's text. */
  documentOf(text: string): string
  /** What the document reads. */
  read(document: string): string
  /** The change that makes the document read `text`; `author` is a whole number from 2 to 2^32 − 1, different on every device. */
  change(document: string, text: string, author: number): string
  /** The document with the change; EngineError INVALID_VALUE when `change` is none. */
  merge(document: string, change: string): string
}
