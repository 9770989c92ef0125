/**
 * What of a text became another: by words first, so that edits in several places are several stretches and what lies between is left
 * alone; within a stretch by characters.
 *
 * DF1  With each stretch replaced, `before` is `after`.
 * DF2  No stretch begins or ends in the middle of a surrogate pair.
 */
export interface Difference {
  /** In `before`, ascending. */
  readonly at: number
  readonly removed: number
  readonly inserted: string
}

/** Words that differ: beyond it the texts have little in common, and one stretch says it as well. */
const stepsMax = 300

export function differences(before: string, after: string): readonly Difference[] {
  // Not from the end as well: a full stop belongs to the sentence before what was appended.
  const start = commonStart(before, after)
  const [left, right] = [wordsOf(before.slice(start)), wordsOf(after.slice(start))]
  const found = wordStretches(left, right) ?? [{ from: 0, to: left.length, rightFrom: 0, rightTo: right.length }]
  return found.flatMap(({ from, to, rightFrom, rightTo }) => {
    const removed = left.slice(from, to).join('').length
    const at = start + left.slice(0, from).join('').length
    return trimmed({ at, removed, inserted: right.slice(rightFrom, rightTo).join('') }, before) ?? []
  })
}

function wordsOf(text: string): readonly string[] {
  return text.match(/[\p{L}\p{M}\p{N}]+|\s+|./gsu) ?? []
}

/** Without what both sides begin and end with; null when nothing is left. */
function trimmed({ at, removed, inserted }: Difference, before: string): Difference | null {
  const given = before.slice(at, at + removed)
  const shorter = Math.min(given.length, inserted.length)
  const start = commonStart(given, inserted)
  let end = 0
  while (end < shorter - start && given.at(-1 - end) === inserted.at(-1 - end)) end += 1
  if (isInPair(given, given.length - end) || isInPair(inserted, inserted.length - end)) end -= 1
  if (start + end === given.length && start + end === inserted.length) return null
  return { at: at + start, removed: given.length - start - end, inserted: inserted.slice(start, inserted.length - end) }
}

function commonStart(one: string, other: string): number {
  const shorter = Math.min(one.length, other.length)
  let start = 0
  while (start < shorter && one[start] === other[start]) start += 1
  return isInPair(one, start) || isInPair(other, start) ? start - 1 : start
}

function isInPair(text: string, at: number): boolean {
  const low = text.charCodeAt(at)
  const high = text.charCodeAt(at - 1)
  return low >= 0xdc00 && low <= 0xdfff && high >= 0xd800 && high <= 0xdbff
}

/** Words `from` to `to` on the left became those of the right. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly rightFrom: number
  readonly rightTo: number
}

/** Myers 1986, greedy: the fewest words deleted and inserted. Null: more than `stepsMax`. */
function wordStretches(left: readonly string[], right: readonly string[]): readonly Stretch[] | null {
  /** Per number of steps: how far on the left each diagonal has come. */
  const trace: (readonly number[])[] = []
  const reach: number[] = []
  const of = (diagonal: number) => reach[diagonal + stepsMax + 1] ?? 0
  for (let steps = 0; steps <= stepsMax; steps += 1) {
    trace.push([...reach])
    for (let diagonal = -steps; diagonal <= steps; diagonal += 2) {
      const isDown = diagonal === -steps || (diagonal !== steps && of(diagonal - 1) < of(diagonal + 1))
      let x = isDown ? of(diagonal + 1) : of(diagonal - 1) + 1
      while (x < left.length && x - diagonal < right.length && left[x] === right[x - diagonal]) x += 1
      reach[diagonal + stepsMax + 1] = x
      if (x >= left.length && x - diagonal >= right.length) return walkedBack(trace, left.length, right.length)
    }
  }
  return null
}

function walkedBack(trace: readonly (readonly number[])[], x: number, y: number): readonly Stretch[] {
  const stretches: Stretch[] = []
  for (let steps = trace.length - 1; steps > 0; steps -= 1) {
    const of = (diagonal: number) => trace[steps]?.[diagonal + stepsMax + 1] ?? 0
    const diagonal = x - y
    const isDown = diagonal === -steps || (diagonal !== steps && of(diagonal - 1) < of(diagonal + 1))
    const fromDiagonal = isDown ? diagonal + 1 : diagonal - 1
    const [fromX, fromY] = [of(fromDiagonal), of(fromDiagonal) - fromDiagonal]
    const [toX, toY] = isDown ? [fromX, fromY + 1] : [fromX + 1, fromY]
    const last = stretches[0]
    // Steps with nothing in common between them are one stretch.
    if (last !== undefined && last.from === toX && last.rightFrom === toY) {
      stretches[0] = { ...last, from: fromX, rightFrom: fromY }
    } else stretches.unshift({ from: fromX, to: toX, rightFrom: fromY, rightTo: toY })
    x = fromX
    y = fromY
  }
  return stretches
}
