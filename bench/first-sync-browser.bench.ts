import type { BenchOptions, Result } from './harness/bench.ts'
import { identityOf, setUpBrowser } from './harness/browser-setup.ts'
import { figure } from './harness/measure.ts'

export const name = 'first-sync-browser'
export const question = 'An empty browser → 100,000 leads durable in OPFS, counted and listed.'

const rowPathMax = 1.3
const filePathMax = 2.5

export async function run(options: BenchOptions): Promise<Result> {
  const setup = await setUpBrowser(options)
  const { rowsUrl, fileUrl } = setup.files
  const runs = options.isQuick ? 3 : 5
  const byRows: number[] = []
  const byFile: number[] = []
  const ours: number[] = []
  // The first round warms disk, server and browser for all three alike, and is not counted.
  for (let run = 0; run <= runs; run += 1) {
    options.log(`run ${run} of ${runs}`)
    const directory = `raw-${run}`
    const identity = await identityOf(`manager-${run}`)
    // A page each: what one leaves in memory is not the other's.
    const rowsMs = await inPage((page) =>
      page.evaluate((source) => holdfastBench.raw.firstSyncByRows(source.directory, source.rowsUrl), {
        directory: `${directory}-rows`,
        rowsUrl,
      }),
    )
    const oursMs = await inPage((page) => page.evaluate((who) => holdfastBench.ours.firstSync(who), identity))
    const fileMs = await inPage((page) =>
      page.evaluate((source) => holdfastBench.raw.firstSyncByFile(source.directory, source.fileUrl), {
        directory: `${directory}-file`,
        fileUrl,
      }),
    )
    if (run === 0) continue
    byRows.push(rowsMs)
    ours.push(oursMs)
    byFile.push(fileMs)
  }

  async function inPage<T>(work: (page: Awaited<ReturnType<typeof setup.browser.newPage>>) => Promise<T>): Promise<T> {
    const page = await setup.browser.newPage(setup.url)
    try {
      return await work(page)
    } finally {
      await page.close()
    }
  }

  return {
    lines: [
      {
        name: 'by rows',
        unit: 'ms',
        ours: figure(ours),
        limit: figure(byRows),
        limitName: 'row path',
        target: { kind: 'ratio', max: rowPathMax },
      },
      {
        name: 'beside a ready file',
        unit: 'ms',
        ours: figure(ours),
        limit: figure(byFile),
        limitName: 'file path',
        target: { kind: 'ratio', max: filePathMax },
      },
    ],
    notes: [
      'Row path: a bare worker fetches the same rows uncompressed, hands the bytes to json_each, then makes indexes and search, in one transaction on the same VFS and settings.',
      'File path: a bare worker streams a ready database into OPFS and opens it. Ours brings rows, from a snapshot where one is ready, because a file is larger on the wire and is no database of the device (docs/decisions/snapshot.md).',
      'All three start their worker and SQLite within the time.',
    ],
  }
}
