import type { BenchOptions, Result } from './harness/bench.ts'
import { latencyLines } from './harness/browser-latency.ts'
import { openBoth, queriesOf, setUpBrowser } from './harness/browser-setup.ts'

export const name = 'query-browser'
export const question = 'A list of 50 rows of 100,000, and a search by name, from the call to the rows in the tab.'

const ratioMax = 1.3
const typed = [
  'mona',
  'sal',
  'youssef has',
  'karim el',
  'dina f',
  'hana ibr',
  'ahmed',
  'tarek sh',
  'laila g',
  'omar za',
]

export async function run(options: BenchOptions): Promise<Result> {
  const setup = await setUpBrowser(options)
  const page = await openBoth(setup, options)
  const runs = options.isQuick ? 3 : 7
  const count = options.isQuick ? 30 : 300
  const asked = (block: number) => queriesOf(setup.rows, count, block)
  const searches = Array.from({ length: count / 3 }, (_, index) => ({ typed: typed[index % typed.length] ?? '' }))

  options.log('list')
  const list = await latencyLines(
    { name: 'list', ratioMax },
    {
      runs,
      limit: (block) => page.evaluate((all) => holdfastBench.raw.list(all), asked(block)),
      ours: (block) => page.evaluate((all) => holdfastBench.ours.list(all), asked(block)),
    },
  )
  options.log('search')
  const found = await page.evaluate(() => holdfastBench.ours.found({ typed: 'mona' }))
  if (found === 0) throw new Error('The search finds nothing.')
  const search = await latencyLines(
    { name: 'name search', ratioMax },
    {
      runs,
      limit: () => page.evaluate((all) => holdfastBench.raw.search(all), searches),
      ours: () => page.evaluate((all) => holdfastBench.ours.search(all), searches),
    },
  )
  return {
    lines: [...list, ...search],
    notes: [
      'The limit runs the same SQL in a bare worker, has SQLite make one JSON text of the answer, and parses it in the tab.',
      'Ours builds the query by Kysely for each call, as an app does.',
    ],
  }
}
