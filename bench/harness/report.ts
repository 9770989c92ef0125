/** How results look on a terminal: a table for people, one JSON object for programs. */
import { type Bench, type Figure, isMet, type Line, type Result, ratioOf, type Target } from './bench.ts'
import { type Machine, machineText } from './machine.ts'

export interface Report {
  readonly bench: Bench
  readonly result: Result
  readonly machine: Machine
  readonly isQuick: boolean
}

export function tableText({ bench, result, machine, isQuick }: Report): string {
  const head = ['', 'ours', 'limit', 'ratio', 'target', 'met', 'ours min–max', 'limit min–max', 'runs']
  const rows = result.lines.map((line) => [
    line.name,
    valueText(line, line.ours.median),
    line.limit === null ? '–' : valueText(line, line.limit.median) + (line.limitName ? ` (${line.limitName})` : ''),
    ratioText(line),
    targetText(line.target, line.unit),
    metText(line),
    rangeText(line, line.ours),
    line.limit === null ? '–' : rangeText(line, line.limit),
    String(line.ours.runs),
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)))
  const format = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return [
    '',
    `${bench.name}: ${bench.question}`,
    ...(isQuick ? ['A quick run: it shows that the bench works, and its figures mean nothing.'] : []),
    '',
    format(head).trimEnd(),
    ...rows.map((row) => format(row).trimEnd()),
    '',
    ...result.notes,
    machineText(machine),
    '',
  ].join('\n')
}

export function jsonText({ bench, result, machine, isQuick }: Report): string {
  const [main] = result.lines
  return JSON.stringify({
    bench: bench.name,
    ...lineJson(main),
    quick: isQuick,
    lines: result.lines.map((line) => ({ name: line.name, ...lineJson(line) })),
    machine,
  })
}

function lineJson(line: Line) {
  const ratio = ratioOf(line)
  return {
    ours: rounded(line.ours.median),
    limit: line.limit && rounded(line.limit.median),
    ratio: ratio && rounded(ratio),
    unit: line.unit,
    target: line.target.kind === 'none' ? null : { [line.target.kind]: line.target.max },
    met: isMet(line),
    runs: line.ours.runs,
    range: [rounded(line.ours.min), rounded(line.ours.max)],
    limitRange: line.limit && [rounded(line.limit.min), rounded(line.limit.max)],
  }
}

export function valueText({ unit }: Pick<Line, 'unit'>, value: number): string {
  return `${numberText(value)} ${unit}`
}

export function ratioText(line: Line): string {
  const ratio = ratioOf(line)
  return ratio === null ? '–' : numberText(ratio)
}

export function targetText(target: Target, unit: Line['unit']): string {
  switch (target.kind) {
    case 'ratio':
      return `≤ ${target.max} × limit`
    case 'absolute':
      return `≤ ${target.max.toLocaleString('en')} ${unit}`
    case 'none':
      return '–'
  }
}

export function metText(line: Line): string {
  const met = isMet(line)
  if (met === null) return '–'
  return met ? 'yes' : 'NO'
}

function rangeText(line: Line, { min, max }: Figure): string {
  return `${numberText(min)}–${valueText(line, max)}`
}

/** Three digits that count, which is more than the machine's noise allows. */
function numberText(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(rounded(value))
}

function rounded(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3 + Math.max(0, Math.floor(Math.log10(Math.abs(value))) - 2)))
}
