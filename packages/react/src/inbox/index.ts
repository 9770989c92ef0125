/**
 * @module @holdfast/react/inbox — what the server refused: why, and what can be done about it.
 *
 * The look is in `@holdfast/react/records.css`, above `@holdfast/react/sync.css`.
 */
export { InboxScreen, type InboxScreenProps } from './inbox-screen.tsx'
export { RefusalNotice, type RefusalNoticeProps } from './refusal-notice.tsx'
export { useRefusalReason } from './use-refusal-reason.ts'
