/**
 * @module @holdfast/react — hooks typed by a schema, and the sync badge with its sheet. Screens for conflicts, inbox and history are
 * entries of their own.
 *
 * The components' look is in `@holdfast/react/sync.css`; it takes the tokens `--holdfast-accent`, `--holdfast-surface`, ….
 */

// Hooks.
export {
  createHooks,
  type Hooks,
  type LiveQueryOptions,
  type ProviderProps,
  type RowResult,
} from './create-hooks.tsx'
export type { LiveResult, LiveStatus } from './queries/live-result.ts'
// Components.
export { RelativeTime } from './sync/relative-time.tsx'
export { MemoryNotice } from './sync/storage-notice.tsx'
export { SyncBadge, type SyncBadgeProps } from './sync/sync-badge.tsx'
export type { RecordNameProps, SheetLinkProps } from './sync/sync-sheet.tsx'
export type { CollectionWords, FieldWords, RecordWords } from './words/record-words.ts'
