/** A bench: one question, answered by our figure beside the raw limit of the same machine in the same run. */

export interface Bench {
  readonly name: string
  readonly question: string
  run(options: BenchOptions): Promise<Result>
}

export interface BenchOptions {
  /** A small slice that shows that the bench works; its figures mean nothing. */
  readonly isQuick: boolean
  /** Tells whoever waits what is under way. */
  log(message: string): void
}

export interface Result {
  /** The first line is the bench's main figure. */
  readonly lines: readonly [Line, ...Line[]]
  /** What a reader must know to read the figures, a sentence each. */
  readonly notes: readonly string[]
}

export interface Line {
  readonly name: string
  readonly unit: 'ms' | 's' | 'bytes' | 'kB' | 'kB gzip' | 'MB' | '%' | 'edits' | 'values'
  readonly ours: Figure
  /** Null where only an absolute target exists. */
  readonly limit: Figure | null
  /** What `limit` is, where it is not the raw limit: a peer. */
  readonly limitName?: string
  readonly target: Target
}

/** The median of some runs, and how far they lay apart. */
export interface Figure {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: number
}

export type Target =
  | { readonly kind: 'ratio'; readonly max: number }
  | { readonly kind: 'absolute'; readonly max: number }
  /** Measured for orientation. */
  | { readonly kind: 'none' }

export function ratioOf({ ours, limit }: Line): number | null {
  return limit === null ? null : ours.median / limit.median
}

/** Null where there is no target. */
export function isMet(line: Line): boolean | null {
  switch (line.target.kind) {
    case 'ratio': {
      const ratio = ratioOf(line)
      return ratio !== null && ratio <= line.target.max
    }
    case 'absolute':
      return line.ours.median <= line.target.max
    case 'none':
      return null
  }
}
