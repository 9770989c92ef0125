import { EngineError, type SharedTextType } from '@holdfast/core'
import * as Y from 'yjs'

/** Text that merges by Yjs (YATA, Nicolaescu et al. 2016): insertions and deletions of all devices stand. */
export const yText: SharedTextType = {
  documentOf(text) {
    const document = new Y.Doc({ gc: true })
    // One author for all: a create makes the same document on its device and on the server.
    document.clientID = creator
    if (text !== '') textOf(document).insert(0, text)
    return encoded(document)
  },
  read: (document) => textOf(opened(document)).toString(),
  change(document, text, author) {
    const next = opened(document)
    next.clientID = author
    const before = Y.encodeStateVector(next)
    const shared = textOf(next)
    const edit = difference(shared.toString(), text)
    next.transact(() => {
      if (edit.removed > 0) shared.delete(edit.at, edit.removed)
      if (edit.inserted !== '') shared.insert(edit.at, edit.inserted)
    })
    return toBase64(Y.encodeStateAsUpdate(next, before))
  },
  merge(document, change) {
    const merged = opened(document)
    applyUpdate(merged, change)
    return encoded(merged)
  },
}

const creator = 1

function textOf(document: Y.Doc): Y.Text {
  return document.getText('text')
}

function opened(text: string): Y.Doc {
  const document = new Y.Doc({ gc: true })
  applyUpdate(document, text)
  return document
}

function applyUpdate(document: Y.Doc, change: string): void {
  try {
    Y.applyUpdate(document, fromBase64(change))
  } catch (cause) {
    throw new EngineError('INVALID_VALUE', 'The change is not one of a shared text.', { cause })
  }
}

function encoded(document: Y.Doc): string {
  return toBase64(Y.encodeStateAsUpdate(document))
}

function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

interface Difference {
  readonly at: number
  readonly removed: number
  readonly inserted: string
}

/** The one stretch in which the texts differ; never in the middle of a surrogate pair. */
function difference(before: string, after: string): Difference {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start += 1
  if (isInPair(before, start) || isInPair(after, start)) start -= 1
  let end = 0
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
  if (isInPair(before, before.length - end) || isInPair(after, after.length - end)) end -= 1
  return { at: start, removed: before.length - end - start, inserted: after.slice(start, after.length - end) }
}

function isInPair(text: string, at: number): boolean {
  const low = text.charCodeAt(at)
  const high = text.charCodeAt(at - 1)
  return low >= 0xdc00 && low <= 0xdfff && high >= 0xd800 && high <= 0xdbff
}
