/**
 * @module @holdfast/core — pure: schema, operations, merge, clocks, wire format. No I/O, no clock, no randomness, no dependencies.
 */

// Values and ids.
export { assert, unreachable } from './assert.ts'
// Clocks and merge.
export {
  type ClockEpochs,
  clockSetBy,
  deviceClock,
  type EarlierEpoch,
  measured,
  nextEpoch,
  noEpochs,
  offsetOfEpoch,
} from './clock/clock-epochs.ts'
export {
  type AgreedClock,
  agreedClock,
  type ClockReading,
  correctedTime,
  type DeviceClock,
  type EarlierOffsets,
  skewMsMin,
} from './clock/corrected-time.ts'
export { driftMsMax, type Hlc, hlcZero, pulledBack, stampOf, tick } from './clock/hlc.ts'
export { EngineError, type ErrorCode, errors, isErrorCode, UsageError } from './errors.ts'
export {
  type DeviceId,
  type Generation,
  isRecordId,
  type OperationId,
  parseDeviceId,
  parseGeneration,
  parseOperationId,
  parseRecordId,
  parseTransactionId,
  parseUserId,
  type RecordId,
  recordIdLengthMax,
  type TransactionId,
  type UserId,
} from './ids.ts'
export {
  canonicalJson,
  checkJson,
  isArray,
  isObject,
  type Json,
  type JsonObject,
  jsonDepthMax,
  parseJson,
  sameJson,
} from './json.ts'
export {
  applyOperation,
  type Disputed,
  type Effect,
  type StampedOperation,
  type Taken,
} from './merge/apply-operation.ts'
export type { Author } from './merge/author.ts'
export { type Conflict, type Settlement, wholeSide } from './merge/conflict.ts'
export type { Decision } from './merge/decision.ts'
export type { FieldStamp } from './merge/field-stamp.ts'
export { fold, type RecordValues } from './merge/fold.ts'
export { lastWriteWins } from './merge/last-write-wins.ts'
export { type Edit, type Edited, type Merge, MergeFault, mergeEdit, plainFields } from './merge/merge-edit.ts'
export { openCountOf, type ServerRecord, stampOfField, withOpenCount } from './merge/server-record.ts'
export {
  closedRow,
  conflictOf,
  conflictRow,
  decisionRow,
  isSameConflict,
  resultOf,
  type Subject,
} from './merge/system-rows.ts'
export { textSet, textsOf } from './merge/text-set.ts'
export { type Causality, compareVectors, joinVectors, seenOf, type VersionVector } from './merge/version-vector.ts'
export { type CaughtUp, caughtUp, type DroppedConflict } from './merge/written-past.ts'

// The wire.
export * from './protocol/limits.ts'
export {
  type Operation,
  type OperationKind,
  operationKinds,
  operationText,
  parseOperation,
  replacedMax,
} from './protocol/operation.ts'
export { type Outcome, parseOutcome } from './protocol/outcome.ts'
export { type Problem, parseProblem, problemText, type Restart, RestartError } from './protocol/problem.ts'
export {
  parseRefusal,
  parseRescue,
  type RefusalNote,
  type RescueFile,
  type RescueItem,
  rescueText,
  rescueVersion,
} from './protocol/rescue.ts'
export { parseSnapshotId, type SnapshotId, type SnapshotOffer } from './protocol/snapshot-offer.ts'
export { parseSnapshotPart, type SnapshotPart, snapshotPartText } from './protocol/snapshot-part.ts'
export {
  type ChangesText,
  type CollectionChanges,
  changeColumns,
  type GoneRecord,
  type PreviousDevice,
  parseSyncReply,
  type SyncReply,
  syncReplyText,
} from './protocol/sync-reply.ts'
export {
  type PullKind,
  parseSyncRequest,
  type SentOperation,
  type SyncRequest,
  syncRequestText,
} from './protocol/sync-request.ts'
export { changesDown, changesUp, partId } from './schema/changes-form.ts'
export { brokenRule, canonical, checkValue, collectionOf, fieldOf, isOfKind } from './schema/check-value.ts'
// What an app writes.
export {
  type Collection,
  collection,
  type Fields,
  ownScopes,
  type ScopeRule,
  type SystemColumn,
  systemColumns,
} from './schema/collection.ts'
export {
  checkIncrements,
  checkPatch,
  checkSharedTexts,
  checkTexts,
  completeNewFields,
} from './schema/complete-fields.ts'
export { documentColumn, sharedFields, wireColumns } from './schema/documents.ts'
export {
  type Field,
  type FieldKind,
  type FieldRule,
  instantMax,
  instantMin,
  t,
  type ValueOf,
} from './schema/field.ts'
export {
  type Causal,
  type Clash,
  type ClashRule,
  type ClashStrategy,
  causal,
  type DeleteStrategy,
  type MergeFunction,
  type MergeOption,
  type MergeStrategy,
  type WholeRecord,
  wholeRecord,
} from './schema/merge-strategy.ts'
export {
  changed,
  currentNames,
  type FieldMove,
  formerFields,
  isLossless,
  isSameForm,
  lastMoved,
  MigrationFault,
  type Migrations,
  movesBetween,
  nameBefore,
  type OnFault,
  questionsUp,
  renamed,
  renamedMembers,
  split,
  upFields,
  upOperation,
} from './schema/migration.ts'
export type {
  CollectionName,
  DeviceRow,
  DeviceTables,
  Increments,
  NewRow,
  RecordSync,
  RowOf,
  RowPatch,
  SetTexts,
  SharedTexts,
} from './schema/rows.ts'
export { type Collections, defineSchema, type Schema, type SchemaOptions } from './schema/schema.ts'
export type { SharedTextType } from './schema/shared-text.ts'
export {
  type ConflictFields,
  conflictsCollection,
  type DecisionFields,
  decisionsCollection,
  isSystemCollection,
  subjectOf,
  systemCollections,
  withSystemCollections,
} from './schema/system-collections.ts'

export {
  isOutdated,
  movedRow,
  notedVersion,
  parseTablesVersion,
  type TableMoves,
  type TablesVersion,
  tableMoves,
  tablesKey,
} from './schema/table-moves.ts'

// The device store.
export { type DeclaredTable, declaredTable } from './store/declared-columns.ts'
export {
  type DeviceTableSet,
  deviceColumn,
  deviceColumns,
  deviceTables,
  quoted,
  searchTable,
} from './store/device-tables.ts'
export { foldText, searchQuery, searchText } from './store/search-text.ts'
