/**
 * An add-wins set of texts (observed-remove set, Shapiro et al. 2011). Each text is held by marks, one per device that added it:
 * the record's version with that device's last `add`. A `remove` takes away the marks that its writer had seen, and those of its
 * own device; a text with a mark left stays. The server numbers versions, so they serve as the set's unique tags.
 *
 * TS1  An `add` that a concurrent `remove` had not seen stands, in whichever order they arrive.
 * TS2  Both are idempotent: to add what is there, or to remove what is not, changes no value.
 */
import { isArray, isObject, type Json } from '../json.ts'

/** Text → device → version. */
export type SetMarks = { readonly [text: string]: { readonly [device: string]: number } }

export interface SetEdit {
  readonly texts: readonly string[]
  readonly device: string
  /** The record's version that the writer had seen; null: of another generation, so that nothing of it counts as seen. */
  readonly baseVersion: number | null
  /** The record's version with this edit. */
  readonly version: number
}

/** Sorted by code unit, each once. */
export function textSet(texts: Iterable<string>): readonly string[] {
  return [...new Set(texts)].sort()
}

export function addTexts(marks: SetMarks, { texts, device, version }: SetEdit): SetMarks {
  const next = new Map(Object.entries(marks))
  for (const text of texts) next.set(text, { ...next.get(text), [device]: version })
  return Object.fromEntries(next)
}

export function removeTexts(marks: SetMarks, { texts, device, baseVersion }: SetEdit): SetMarks {
  const next = new Map(Object.entries(marks))
  for (const text of texts) {
    const unseen = Object.entries(next.get(text) ?? {}).filter(
      ([by, version]) => by !== device && (baseVersion === null || version > baseVersion),
    )
    if (unseen.length === 0) next.delete(text)
    else next.set(text, Object.fromEntries(unseen))
  }
  return Object.fromEntries(next)
}

/** The marks of a stored set; texts without any (those of a create, or of another writer) were added by `first`. */
export function marksOf(
  state: Json | undefined,
  value: Json | undefined,
  first: { readonly device: string; readonly version: number },
): SetMarks {
  const known = isObject(state) ? (state as SetMarks) : {}
  return Object.fromEntries(
    textsOf(value).map((text) => [text, ownMark(known, text) ?? { [first.device]: first.version }]),
  )
}

export function textsOf(value: Json | undefined): readonly string[] {
  return isArray(value) ? value.map(String) : []
}

function ownMark(marks: SetMarks, text: string): SetMarks[string] | null {
  return Object.hasOwn(marks, text) ? (marks[text] ?? null) : null
}
