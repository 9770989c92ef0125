import type { BenchOptions, Result } from './harness/bench.ts'
import { latencyLines } from './harness/browser-latency.ts'
import { openBoth, setUpBrowser, targetsOf } from './harness/browser-setup.ts'

export const name = 'live-browser'
export const question = 'From the call of a write to the subscriber that has the new list of 50 rows.'

const ratioMax = 1.5

export async function run(options: BenchOptions): Promise<Result> {
  const setup = await setUpBrowser(options)
  const page = await openBoth(setup, options)
  const count = options.isQuick ? 20 : 200
  const targets = (block: number) => targetsOf(setup.rows, count, block)
  const lines = await latencyLines(
    { name: 'live list', ratioMax },
    {
      runs: options.isQuick ? 3 : 7,
      limit: (block) => page.evaluate((list) => holdfastBench.raw.live(list), targets(block)),
      ours: (block) => page.evaluate((list) => holdfastBench.ours.live(list), targets(block)),
    },
  )
  return {
    lines,
    notes: ['The limit is a raw write and then the raw list, one message after the other, in a bare worker.'],
  }
}
