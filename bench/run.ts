/**
 * npm run bench                       lists the benches
 * npm run bench -- NAME [NAME …]      runs them; `all` runs all
 *   --quick                           a small slice, to see that they work
 *   --write                           puts the results into docs/performance.md
 *
 * The last line of the output is one JSON object.
 */
import { parseArgs } from 'node:util'
import type { Bench, BenchOptions } from './harness/bench.ts'
import { cleanUp } from './harness/clean-up.ts'
import { describeMachine } from './harness/machine.ts'
import { jsonText, type Report, tableText } from './harness/report.ts'
import { writeDocs } from './harness/write-docs.ts'

// Loaded when asked for: one bench need not pay for the browser or Postgres of another.
const benches: { readonly [name: string]: () => Promise<Bench> } = {
  'first-sync-node': () => import('./first-sync-node.bench.ts'),
  'first-sync-browser': () => import('./first-sync-browser.bench.ts'),
  'write-browser': () => import('./write-browser.bench.ts'),
  'query-browser': () => import('./query-browser.bench.ts'),
  'live-browser': () => import('./live-browser.bench.ts'),
  'cold-start-browser': () => import('./cold-start-browser.bench.ts'),
  backlog: () => import('./backlog.bench.ts'),
  burst: () => import('./burst.bench.ts'),
  'idle-sync': () => import('./idle-sync.bench.ts'),
  'pull-scaling': () => import('./pull-scaling.bench.ts'),
  size: () => import('./size.bench.ts'),
  conflicts: () => import('./conflicts.bench.ts'),
  snapshot: () => import('./snapshot.bench.ts'),
  propagation: () => import('./propagation.bench.ts'),
  'external-copy': () => import('./external-copy.bench.ts'),
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)))
}

process.exitCode = await main(positionals.includes('all') ? Object.keys(benches) : positionals)

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !Object.hasOwn(benches, name))
  if (names.length === 0 || unknown.length > 0) {
    if (unknown.length > 0) console.error(`There is no bench ${unknown.join(', ')}.\n`)
    await list()
    return unknown.length > 0 ? 1 : 0
  }
  const reports: Report[] = []
  const failed: string[] = []
  for (const name of names) {
    try {
      const report = await runOne(name)
      if (report !== null) reports.push(report)
      if (report !== null && names.length > 1) console.log(tableText(report), jsonText(report))
    } catch (error) {
      failed.push(name)
      console.error(`${name} failed:`, error)
    } finally {
      await cleanUp()
    }
  }
  const [report] = reports
  if (flags.write) writeDocs(reports)
  if (report !== undefined && names.length === 1) {
    console.log(tableText(report))
    console.log(jsonText(report))
  } else {
    console.log(
      JSON.stringify({ bench: 'all', results: reports.map((one) => JSON.parse(jsonText(one)) as unknown), failed }),
    )
  }
  return failed.length === 0 ? 0 : 1
}

async function runOne(name: string): Promise<Report | null> {
  const bench = await benches[name]?.()
  if (bench === undefined) return null
  const machine = describeMachine()
  const options: BenchOptions = {
    isQuick: flags.quick,
    log: (message) => process.stderr.write(`  ${name}: ${message}\n`),
  }
  return { bench, result: await bench.run(options), machine, isQuick: flags.quick }
}

async function list(): Promise<void> {
  console.log('npm run bench -- NAME [--quick] [--write], with one of these names, or all:\n')
  for (const [name, load] of Object.entries(benches)) console.log(`  ${name.padEnd(20)} ${(await load()).question}`)
}
