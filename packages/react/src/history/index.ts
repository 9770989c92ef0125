/**
 * @module @holdfast/react/history — what was decided about a record, and what did not stand.
 *
 * The look is in `@holdfast/react/records.css`, above `@holdfast/react/sync.css`.
 */
export { RecordHistory, type RecordHistoryProps } from './record-history.tsx'
