/** From the engine's answer, one text of arrays, to plain objects. */
import { parseJson } from '@holdfast/core'
import type { StoreAnswer } from '../store/store.ts'
import type { ColumnKind, ColumnKinds } from './query-plan.ts'

/** Rows as `Row`: what a query was typed as is what the engine answers for it. */
export function decodeRows<Row>({ columns, rows }: StoreAnswer, kinds: ColumnKinds): readonly Row[] {
  const plan = columns.map((name, index) => ({ name, index, kind: kinds.get(name) ?? 'plain' }))
  const shown = plan.filter(({ kind }) => kind !== 'hidden')
  const given = parseJson(rows, 'the answer of a query') as readonly (readonly unknown[])[]
  return given.map((values) => {
    const row: Record<string, unknown> = {}
    for (const { name, index, kind } of shown) row[name] = decoded(values[index], kind)
    return row as Row
  })
}

function decoded(value: unknown, kind: ColumnKind): unknown {
  switch (kind) {
    case 'plain':
    case 'hidden':
      return value
    case 'boolean':
      return value === null ? null : value === 1
    case 'json':
      return typeof value === 'string' ? parseJson(value, 'a value of JSON') : value
  }
}
