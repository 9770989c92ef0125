/** A batch as its app transactions: what takes effect, or is refused, as one. */
import { EngineError, type SentOperation } from '@holdfast/core'

export type Unit = readonly SentOperation[]

/**
 * Cuts a batch into units, in the order sent. Throws TRANSACTION_INCOMPLETE when one is not whole, in order and in one piece,
 * MALFORMED when an operation comes twice.
 */
export function unitsOf(operations: readonly SentOperation[]): readonly Unit[] {
  const units: Unit[] = []
  const ids = new Set<string>()
  const transactions = new Set<string>()
  let from = 0
  while (from < operations.length) {
    const unit = unitAt(operations, from)
    const tx = unit[0]?.operation.tx.id ?? ''
    if (transactions.has(tx)) throw incomplete()
    transactions.add(tx)
    for (const { operation } of unit) {
      if (ids.has(operation.id)) throw new EngineError('MALFORMED', 'An operation is in the batch twice.')
      ids.add(operation.id)
    }
    units.push(unit)
    from += unit.length
  }
  return units
}

function unitAt(operations: readonly SentOperation[], from: number): Unit {
  const tx = operations[from]?.operation.tx
  const unit = operations.slice(from, from + (tx?.count ?? 1))
  const isWhole = unit.every(
    ({ operation }, index) =>
      operation.tx.id === tx?.id && operation.tx.count === tx.count && operation.tx.index === index,
  )
  if (!isWhole || unit.length !== tx?.count) throw incomplete()
  return unit
}

function incomplete(): EngineError {
  return new EngineError('TRANSACTION_INCOMPLETE', 'The batch holds a part of an app transaction.')
}
