/**
 * Text that merges by Yjs (YATA, Nicolaescu et al. 2016): insertions and deletions of all devices stand.
 *
 *   document   base64 of a Yjs update that holds all of it, of one root text; and those of later changes, each after a comma, until they
 *              are so many that all of it is written anew: what a change costs depends on the change, hardly on the document
 *   change     `stretches:base64`: of its writer's text the stretches that it replaces (`at-deleted+inserted`, in UTF-16 code units,
 *              separated by commas), and a Yjs update of that and nothing else
 */
import { EngineError, type SharedTextType } from '@holdfast/core'
import * as Y from 'yjs'
import { fromBase64, toBase64 } from './base64.ts'
import { type Difference, differences } from './differences.ts'
import { createOpenDocuments } from './open-documents.ts'

export const yText: SharedTextType = {
  documentOf(text) {
    const document = new Y.Doc()
    document.clientID = creatorOf(text)
    if (text !== '') textOf(document).insert(0, text)
    return encoded(document)
  },
  change(document, text, author) {
    const next = opened(document)
    const shared = textOf(next)
    const stretches = differences(shared.toString(), text)
    next.clientID = author
    const update = updateOf(next, () => {
      let shift = 0
      for (const { at, removed, inserted } of stretches) {
        if (removed > 0) shared.delete(at + shift, removed)
        if (inserted !== '') shared.insert(at + shift, inserted)
        shift += inserted.length - removed
      }
    })
    next.clientID = nobody
    const base64 = toBase64(update ?? emptyUpdate)
    // As it is now: it is merged next.
    documents.keep(update === null ? document : grown(document, base64), next)
    return `${stretches.map(stretchText).join()}:${base64}`
  },
  merge(document, change) {
    const { update, base64 } = parseChange(change)
    const next = grown(document, base64)
    const made = documents.take(next)
    if (made !== null) return kept(next, made)
    const merged = opened(document)
    const isNew = updateOf(merged, () => Y.applyUpdate(merged, update)) !== null
    const { pendingStructs, pendingDs } = merged.store
    if (pendingStructs !== null || pendingDs !== null)
      throw invalid('The change builds on one that the text does not have.')
    return kept(isNew ? next : document, merged)
  },
  written(was, change) {
    const { stretches, inserted } = parseChange(change)
    let [text, from, taken] = ['', 0, 0]
    for (const { at, removed, added } of stretches) {
      text += was.slice(from, at) + inserted.slice(taken, taken + added)
      from = at + removed
      taken += added
    }
    return text + was.slice(from)
  },
  without(document, was, change) {
    const { stretches, removed, own } = parseChange(change)
    const lost = stretches.map((stretch) => was.slice(stretch.at, stretch.at + stretch.removed)).join('')
    let [text, restored] = ['', 0]
    // What was deleted keeps its place among the items, in the order that it had.
    const open = opened(document)
    for (let item = textOf(open)._start; item !== null; item = item.right) {
      if (item.deleted) {
        const length = common(removed, item)
        text += lost.slice(restored, restored + length)
        restored += length
      } else if (common(own, item) === 0 && item.content instanceof Y.ContentString) text += item.content.str
    }
    documents.keep(document, open)
    return text
  },
}

/** The same author for the same text: a create makes the same document on its device and on the server, and no other text's. FNV-1a. */
function creatorOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

const authorMax = 2 ** 32 - 1
const rootName = 'text'

function textOf(document: Y.Doc): Y.Text {
  return document.getText(rootName)
}

const documents = createOpenDocuments()
/** No author: Yjs gives a document whose own number comes from elsewhere another one, and says so on the console. */
const nobody = authorMax + 1

function opened(document: string): Y.Doc {
  const known = documents.take(document)
  if (known !== null) return known
  const made = new Y.Doc()
  made.clientID = nobody
  made.transact(() => {
    for (const part of document.split(',')) Y.applyUpdate(made, fromBase64(part))
  })
  return made
}

function kept(document: string, open: Y.Doc): { readonly document: string; readonly text: string } {
  const head = document.indexOf(',')
  const isLong = head >= 0 && (document.length - head) * tailsPerDocument > head
  const next = isLong ? encoded(open) : document
  documents.keep(next, open)
  return { document: next, text: textOf(open).toString() }
}

/** The changes since a document was last written as a whole take an eighth of its length at most. */
const tailsPerDocument = 8

function grown(document: string, base64: string): string {
  return `${document},${base64}`
}

/** What `write` makes of the document; null: nothing that it does not hold. */
function updateOf(document: Y.Doc, write: () => void): Uint8Array | null {
  let update: Uint8Array | null = null
  const hear = (made: Uint8Array) => {
    update = made
  }
  document.on('update', hear)
  document.transact(write)
  document.off('update', hear)
  return update
}

function encoded(document: Y.Doc): string {
  return toBase64(Y.encodeStateAsUpdate(document))
}

/** Characters by author and count. */
interface Range {
  readonly client: number
  readonly clock: number
  readonly length: number
}

interface Stretch {
  readonly at: number
  readonly removed: number
  readonly added: number
}

interface Change {
  /** Of its writer's text. */
  readonly stretches: readonly Stretch[]
  readonly update: Uint8Array
  readonly base64: string
  /** The characters that it brings, and those that it deletes. */
  readonly own: readonly Range[]
  readonly inserted: string
  readonly removed: readonly Range[]
}

const emptyUpdate = Uint8Array.of(0, 0)

function stretchText({ at, removed, inserted }: Difference): string {
  return `${at}-${removed}+${inserted.length}`
}

// Commas are not optional: a pattern that could cut the digits in two ways would take forever to refuse some texts.
const changePattern = /^((?:\d{1,7}-\d{1,7}\+\d{1,7}(?:,(?!:)|(?=:)))*):([A-Za-z0-9+/]*={0,2})$/

function parseChange(change: string): Change {
  const [, listed, base64] = changePattern.exec(change) ?? []
  if (listed === undefined || base64 === undefined) throw invalid(noChange)
  const update = attempt(() => fromBase64(base64))
  // Looked at item by item before Yjs takes it: what `applyUpdate` allocates it takes from counts in the bytes.
  const { structs, ds } = attempt(() => Y.decodeUpdate(update))
  const items = structs.map(insertedText)
  const removed = [...ds.clients].flatMap(([client, deletions]) =>
    deletions.map(({ clock, len }) => ({ client, clock, length: len })),
  )
  const parsed: Change = {
    stretches: [...listed.matchAll(/(\d+)-(\d+)\+(\d+)/g)].map(([, at, gone, added]) => ({
      at: Number(at),
      removed: Number(gone),
      added: Number(added),
    })),
    update,
    base64,
    own: items.map(({ range }) => range),
    inserted: items.map(({ text }) => text).join(''),
    removed,
  }
  if (!isWhole(parsed)) throw invalid(noChange)
  return parsed
}

/** Each stretch has its characters in the update, by one author. Many authors at one place would also take Yjs very long to order. */
function isWhole({ stretches, own, removed }: Change): boolean {
  const added = stretches.flatMap((stretch) => (stretch.added > 0 ? [stretch.added] : []))
  return (
    stretches.length <= stretchesMax &&
    own.length === added.length &&
    own.every(({ client, length }, index) => client === own[0]?.client && length === added[index]) &&
    sum(removed.map(({ length }) => length)) === sum(stretches.map((stretch) => stretch.removed))
  )
}

/** More than `differences` ever finds. */
const stretchesMax = 1_000

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, next) => total + next, 0)
}

/** A struct that inserts plain text into the one root; INVALID_VALUE for whatever else Yjs knows. */
function insertedText(struct: Y.Item | Y.AbstractStruct): { readonly range: Range; readonly text: string } {
  if (!(struct instanceof Y.Item) || !(struct.content instanceof Y.ContentString)) throw invalid(noChange)
  const { id, content, parentSub } = struct
  // Of a struct that was just decoded: the root's name, whatever its type says.
  const parent: unknown = struct.parent
  // An item with a neighbour has its parent from it.
  const isOfRoot = parent === rootName || (parent === null && (struct.origin ?? struct.rightOrigin) !== null)
  if (!isOfRoot || parentSub !== null || content.str === '' || id.client > authorMax) throw invalid(noChange)
  return { range: { client: id.client, clock: id.clock, length: content.str.length }, text: content.str }
}

function attempt<T>(decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    throw invalid(noChange, cause)
  }
}

const noChange = 'The change is not one of a shared text.'

function invalid(problem: string, cause?: unknown): EngineError {
  return new EngineError('INVALID_VALUE', problem, { cause })
}

/** How many of the item's characters lie in the ranges. */
function common(ranges: readonly Range[], { id, length }: Y.Item): number {
  return ranges.reduce((sum, range) => {
    if (range.client !== id.client) return sum
    const from = Math.max(range.clock, id.clock)
    const to = Math.min(range.clock + range.length, id.clock + length)
    return sum + Math.max(0, to - from)
  }, 0)
}
