import type { BenchOptions, Result } from './harness/bench.ts'
import { latencyLines } from './harness/browser-latency.ts'
import { identityOf, openBoth, setUpBrowser, targetsOf } from './harness/browser-setup.ts'

export const name = 'write-browser'
export const question = 'One durable write (row and operation), awaited in the tab, beside 100,000 rows.'

const ratioMax = 1.3

export async function run(options: BenchOptions): Promise<Result> {
  const setup = await setUpBrowser(options)
  const leader = await openBoth(setup, options)
  const runs = options.isQuick ? 3 : 7
  const count = options.isQuick ? 30 : 400
  const targets = (block: number) => targetsOf(setup.rows, count, block)
  const limit = (block: number) => leader.evaluate((list) => holdfastBench.raw.write(list), targets(block))

  options.log('the leader tab')
  const leading = await latencyLines(
    { name: 'leader tab', ratioMax },
    { runs, limit, ours: (block) => leader.evaluate((list) => holdfastBench.ours.write(list), targets(block)) },
  )
  options.log('a follower tab')
  const follower = await setup.browser.newPage(setup.url)
  await follower.evaluate((who) => holdfastBench.ours.open(who), await identityOf('manager'))
  const following = await latencyLines(
    { name: 'follower tab', ratioMax },
    {
      runs,
      limit: (block) => limit(100 + block),
      ours: (block) => follower.evaluate((list) => holdfastBench.ours.write(list), targets(200 + block)),
    },
  )
  return {
    lines: [...leading, ...following],
    notes: [
      'The limit is an update of the row and an insert into the outbox in one transaction in a bare worker, by one message there and one back; synchronous=FULL in both.',
      'Sync is paused. The median of each block of calls is taken, then the median of the blocks; p99 alike.',
      'The limit of the follower tab is that of the leader tab: the way through another tab is what ours adds.',
    ],
  }
}
