/** Where a text differs from the one before it, by whole words: what stands between the beginning and the end that they share. */
export interface ChangedPart {
  readonly before: string
  readonly changed: string
  readonly after: string
}

export function changedPart(base: string, text: string): ChangedPart {
  const from = wordsOf(base)
  const to = wordsOf(text)
  const most = Math.min(from.length, to.length)
  let start = 0
  while (start < most && from[start] === to[start]) start += 1
  let end = 0
  while (end < most - start && from.at(-1 - end) === to.at(-1 - end)) end += 1
  const until = to.length - end
  return {
    before: to.slice(0, start).join(''),
    changed: to.slice(start, until).join(''),
    after: to.slice(until).join(''),
  }
}

/** Words and what stands between them. */
function wordsOf(text: string): readonly string[] {
  return text.match(/\s+|[^\s]+/g) ?? []
}
