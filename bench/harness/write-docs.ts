/** Puts results into the table of docs/performance.md, between two marks; rows of benches that did not run stay as they are. */
import { readFileSync, writeFileSync } from 'node:fs'
import { causes } from '../causes.ts'
import { isMet, type Line } from './bench.ts'
import { machineText } from './machine.ts'
import { metText, type Report, ratioText, targetText, valueText } from './report.ts'

const file = new URL('../../docs/performance.md', import.meta.url)
const begin = '<!-- bench results: written by npm run bench -- all --write -->'
const end = '<!-- end of bench results -->'
const head = [
  '| bench | what | ours | limit | ratio | target | met | runs | taken | cause of a miss |',
  '|---|---|---|---|---|---|---|---|---|---|',
]

export function writeDocs(reports: readonly Report[]): void {
  const text = readFileSync(file, 'utf8')
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`docs/performance.md lacks the marks "${begin}" and "${end}".`)
  const written = new Set(reports.map(({ bench }) => bench.name))
  const kept = text
    .slice(from, to)
    .split('\n')
    .filter((line) => line.startsWith('| `') && !written.has(/^\| `([^`]+)`/.exec(line)?.[1] ?? ''))
  const rows = [...kept, ...reports.flatMap(rowsOf)].sort(byBench)
  writeFileSync(
    file,
    `${text.slice(0, from)}${[begin, ...machineLines(reports), ...head, ...rows].join('\n')}\n${text.slice(to)}`,
  )
}

function machineLines(reports: readonly Report[]): readonly string[] {
  const machine = reports[0]?.machine
  return machine === undefined ? [''] : ['', `Last run: ${machineText(machine)}.`, '']
}

function rowsOf({ bench, result, machine, isQuick }: Report): readonly string[] {
  return result.lines.map((line) =>
    row([
      `\`${bench.name}\``,
      line.name,
      valueText(line, line.ours.median),
      line.limit === null
        ? '–'
        : `${valueText(line, line.limit.median)}${line.limitName ? ` (${line.limitName})` : ''}`,
      ratioText(line),
      targetText(line.target, line.unit),
      metText(line),
      String(line.ours.runs),
      isQuick ? `${machine.date}, quick: means nothing` : machine.date,
      isMet(line) === false ? causeOf(bench.name, line) : '',
    ]),
  )
}

function causeOf(bench: string, line: Line): string {
  return causes[bench]?.[line.name] ?? 'not looked into yet'
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

// The order of the benches; rows of one bench stay in theirs, because sorting is stable.
function byBench(a: string, b: string): number {
  return order(a) - order(b)
}

const names = [
  'first-sync-node',
  'first-sync-browser',
  'write-browser',
  'query-browser',
  'live-browser',
  'cold-start-browser',
  'backlog',
  'idle-sync',
  'pull-scaling',
  'size',
]

function order(line: string): number {
  return names.findIndex((name) => line.startsWith(`| \`${name}\``))
}
