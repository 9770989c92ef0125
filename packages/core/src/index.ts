/**
 * @module @holdfast/core — pure: schema, operations, merge, clocks, wire format. No I/O, no clock, no randomness, no dependencies.
 */

// Values and ids.
export { assert, unreachable } from './assert.ts'
// Clocks and merge.
export { clockOffset, correctedTime, type DeviceClock } from './clock/corrected-time.ts'
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
  type TransactionId,
  type UserId,
} from './ids.ts'
export { canonicalJson, checkJson, isArray, isObject, type Json, type JsonObject, parseJson, sameJson } from './json.ts'
export {
  applyOperation,
  type Effect,
  type ServerRecord,
  type StampedOperation,
  stampOfField,
} from './merge/apply-operation.ts'
export { fold, type RecordValues } from './merge/fold.ts'
export { lastWriteWins } from './merge/last-write-wins.ts'
export { type FieldEdit, type FieldMerge, type FieldStamp, mergeFields } from './merge/merge-fields.ts'

// The wire.
export * from './protocol/limits.ts'
export {
  type Operation,
  type OperationKind,
  operationKinds,
  operationText,
  parseOperation,
} from './protocol/operation.ts'
export { type Outcome, parseOutcome } from './protocol/outcome.ts'
export { type Problem, parseProblem, problemText } from './protocol/problem.ts'
export {
  type ChangesText,
  type CollectionChanges,
  changeColumns,
  type GoneRecord,
  parseSyncReply,
  type SyncReply,
  syncReplyText,
} from './protocol/sync-reply.ts'
export { parseSyncRequest, type SentOperation, type SyncRequest, syncRequestText } from './protocol/sync-request.ts'
export { brokenRule, checkValue, collectionOf, fieldOf } from './schema/check-value.ts'
// What an app writes.
export {
  type Collection,
  collection,
  type Fields,
  type MergeStrategy,
  type SystemColumn,
  systemColumns,
} from './schema/collection.ts'
export { checkIncrements, checkPatch, completeNewFields } from './schema/complete-fields.ts'
export { type Field, type FieldKind, type FieldRule, t, type ValueOf } from './schema/field.ts'
export type {
  CollectionName,
  DeviceRow,
  DeviceTables,
  Increments,
  NewRow,
  RecordSync,
  RowOf,
  RowPatch,
} from './schema/rows.ts'
export { type Collections, defineSchema, type Schema } from './schema/schema.ts'

// The device store.
export {
  type DeviceTableSet,
  deviceColumn,
  deviceColumns,
  deviceTables,
  quoted,
  searchTable,
} from './store/device-tables.ts'
export { foldText, searchQuery, searchText } from './store/search-text.ts'
