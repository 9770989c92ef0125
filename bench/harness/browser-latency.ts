/** Latency benches in a browser: blocks of calls, limit and ours in turn, p50 and p99 of each. */
import type { Line } from './bench.ts'
import { alternate, latencyFigures } from './measure.ts'

export interface Calls {
  readonly runs: number
  /** One block of calls; answers each call's milliseconds. `block` counts from 0, which is a warm-up. */
  readonly limit: (block: number) => Promise<readonly number[]>
  readonly ours: (block: number) => Promise<readonly number[]>
}

export interface LatencyTarget {
  readonly name: string
  readonly ratioMax: number
}

export async function latencyLines(target: LatencyTarget, { runs, limit, ours }: Calls): Promise<[Line, Line]> {
  await limit(0)
  await ours(0)
  const blocks = await alternate(runs, { limit: (run) => limit(run + 1), ours: (run) => ours(run + 1) })
  const [raw, our] = [latencyFigures(blocks.limit.map(spread)), latencyFigures(blocks.ours.map(spread))]
  const lineOf = (share: 'p50' | 'p99'): Line => ({
    name: `${target.name}, ${share}`,
    unit: 'ms',
    ours: our[share],
    limit: raw[share],
    target: { kind: 'ratio', max: target.ratioMax },
  })
  return [lineOf('p50'), lineOf('p99')]
}

/** A page's clock ticks 10 times a millisecond: equal readings are spread evenly over their tick, as they lay in truth. */
function spread(times: readonly number[]): readonly number[] {
  const sorted = times.map((time) => Math.round(time / tickMs)).toSorted((a, b) => a - b)
  return sorted.map((ticks, index) => {
    const first = sorted.indexOf(ticks)
    const count = sorted.lastIndexOf(ticks) - first + 1
    return Math.max(0, ticks + (index - first + 0.5) / count - 0.5) * tickMs
  })
}

const tickMs = 0.1
