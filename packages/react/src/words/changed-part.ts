/** Where a text differs from another one, by whole words. Pure. */
export interface TextPart {
  readonly text: string
  /** Whether the other text lacks it. */
  readonly isChanged: boolean
}

/** So many comparisons are made at most; of longer texts all between their common beginning and end counts as changed. */
const comparisonsMax = 1_000_000

/** All of `text`, in order; parts that differ and parts that do not take turns. */
export function changedParts(base: string, text: string): readonly TextPart[] {
  const from = wordsOf(base)
  const to = wordsOf(text)
  const most = Math.min(from.length, to.length)
  let start = 0
  while (start < most && from[start] === to[start]) start += 1
  let end = 0
  while (end < most - start && from.at(-1 - end) === to.at(-1 - end)) end += 1
  const until = to.length - end
  const shared = sharedWords(from.slice(start, from.length - end), to.slice(start, until))
  return inParts(
    to.map((word, index) => ({ word, isChanged: index >= start && index < until && !shared.has(index - start) })),
  )
}

/** The places of `to` that are in a longest common row of words. */
function sharedWords(from: readonly string[], to: readonly string[]): ReadonlySet<number> {
  if (from.length * to.length > comparisonsMax) return new Set()
  const width = to.length + 1
  const lengths = new Uint32Array((from.length + 1) * width)
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0
  for (let i = from.length - 1; i >= 0; i -= 1) {
    for (let j = to.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = from[i] === to[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const shared = new Set<number>()
  for (let i = 0, j = 0; i < from.length && j < to.length; ) {
    if (from[i] === to[j]) {
      shared.add(j)
      i += 1
      j += 1
    } else if (at(i + 1, j) >= at(i, j + 1)) i += 1
    else j += 1
  }
  return shared
}

interface Word {
  readonly word: string
  readonly isChanged: boolean
}

/** A space that both have between two words that differ is marked with them: a mark in pieces reads worse. */
function inParts(words: readonly Word[]): readonly TextPart[] {
  const parts: { text: string; isChanged: boolean }[] = []
  words.forEach(({ word, isChanged }, index) => {
    const isBetween = word.trim() === '' && words[index - 1]?.isChanged === true && words[index + 1]?.isChanged === true
    const last = parts.at(-1)
    if (last?.isChanged === (isChanged || isBetween)) last.text += word
    else parts.push({ text: word, isChanged: isChanged || isBetween })
  })
  return parts
}

/** Words and what stands between them. */
function wordsOf(text: string): readonly string[] {
  return text.match(/\s+|[^\s]+/g) ?? []
}
