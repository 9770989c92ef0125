/**
 * @module @holdfast/react/conflicts — what a person has to decide: the list of open conflicts, and the merge screen of a record.
 *
 * The look is in `@holdfast/react/records.css`, above `@holdfast/react/sync.css`.
 */
export { ConflictList, type ConflictListProps } from './conflict-list.tsx'
export { ConflictNotice, type ConflictNoticeProps } from './conflict-notice.tsx'
export { MergeScreen, type MergeScreenProps } from './merge-screen.tsx'
