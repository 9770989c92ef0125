/** Repetitions and their summary. */
import type { Figure } from './bench.ts'

export function figure(values: readonly number[]): Figure {
  return {
    median: percentile(values, 0.5),
    min: Math.min(...values),
    max: Math.max(...values),
    runs: values.length,
  }
}

/** The smallest value that at least `share` of the values do not pass. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (value === undefined) throw new Error('There is nothing to summarise.')
  return value
}

export interface Alternated<T> {
  readonly limit: readonly T[]
  readonly ours: readonly T[]
}

/** Limit, ours, limit, ours, …: whatever else the machine does meets both alike. */
export async function alternate<T>(
  runs: number,
  measures: { readonly limit: (run: number) => Promise<T>; readonly ours: (run: number) => Promise<T> },
): Promise<Alternated<T>> {
  const limit: T[] = []
  const ours: T[] = []
  for (let run = 0; run < runs; run += 1) {
    limit.push(await measures.limit(run))
    ours.push(await measures.ours(run))
  }
  return { limit, ours }
}

/** Milliseconds. */
export async function timed(work: () => Promise<unknown> | undefined): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** One block of calls per run: the median over the runs of each run's p50, and of each run's p99. */
export function latencyFigures(blocks: readonly (readonly number[])[]): { readonly p50: Figure; readonly p99: Figure } {
  return {
    p50: figure(blocks.map((block) => percentile(block, 0.5))),
    p99: figure(blocks.map((block) => percentile(block, 0.99))),
  }
}
