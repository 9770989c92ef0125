import type { LiveAnswer } from '@holdfast/client'

/**
 *   loading   the database has not answered yet; `rows` are then the last ones known, from memory, or none
 *   partial   answered, but the first sync still runs: what is missing here may only not have come yet
 *   complete  answered from all the data that this device holds
 */
export type LiveStatus = 'loading' | 'partial' | 'complete'

export interface LiveResult<Row> {
  readonly rows: readonly Row[]
  readonly status: LiveStatus
}

/** One object for all: the server's snapshot and a query's first one are then equal. */
export const nothingYet: LiveResult<never> = Object.freeze({ rows: Object.freeze([]), status: 'loading' })

export function resultOf<Row>(answer: LiveAnswer<Row>): LiveResult<Row> {
  return { rows: answer.rows, status: statusOf(answer) }
}

function statusOf(answer: LiveAnswer<unknown>): LiveStatus {
  if (answer.completeness === 'complete') return 'complete'
  // Before the first page has come, "no rows" says nothing; rows written here are worth showing.
  return answer.completeness === 'empty' && answer.rows.length === 0 ? 'loading' : 'partial'
}
