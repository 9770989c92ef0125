/**
 * What units leave behind for those of the same sender that follow in another transaction: which records are not there, or not as their
 * writer left them. Nothing of it is stored.
 */
import type { OperationId } from '@holdfast/core'

export interface Aftermath {
  /** `recordKey` → the refused operation because of which the record was not created [J3]. */
  readonly refused: ReadonlyMap<string, OperationId>
  /** `recordKey`s of units without an outcome [PB2]. */
  readonly held: ReadonlySet<string>
}

export const noAftermath: Aftermath = { refused: new Map(), held: new Set() }
