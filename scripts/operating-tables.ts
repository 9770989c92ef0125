// The tables of docs/operating.md, from what the server reads and counts: `npm run operating-tables` writes them anew.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { definitions } from '../packages/server/src/metrics/metrics.ts'
import { allVariables, variables } from '../packages/server/src/operate/variables.ts'

export const operatingPage = path.join(import.meta.dirname, '../docs/operating.md')

/** The page with its tables as they have to be. */
export function withTables(page: string): string {
  const variableRows = Object.entries({ ...variables, ...allVariables }).map(
    ([name, { meaning, default: byDefault }]) => [`\`${name}\``, byDefault === null ? '' : `\`${byDefault}\``, meaning],
  )
  const metricRows = Object.values(definitions).map(({ name, labelNames, help }) => [
    `\`${name}\``,
    labelNames.join(', '),
    help,
  ])
  return [
    { mark: 'variables', head: ['variable', 'default', 'meaning'], rows: variableRows },
    { mark: 'metrics', head: ['metric', 'labels', 'what it tells'], rows: metricRows },
  ].reduce((text, { mark, head, rows }) => {
    const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |\n`)
    const [before = '', rest = ''] = text.split(`<!-- ${mark} -->\n`)
    const after = rest.split(`<!-- end of ${mark} -->`)[1] ?? ''
    return `${before}<!-- ${mark} -->\n${lines.join('')}<!-- end of ${mark} -->${after}`
  }, page)
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|')
}

if (import.meta.main) writeFileSync(operatingPage, withTables(readFileSync(operatingPage, 'utf8')))
