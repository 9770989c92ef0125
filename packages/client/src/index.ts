/**
 * @module @holdfast/client — the replica on the device: open it, write, query, watch, search; it syncs by itself.
 */
export { systemAmbient } from './ambient/system-ambient.ts'
export type {
  Client,
  CollectionWriter,
  Conflicts,
  Discarded,
  FixOptions,
  History,
  Inbox,
  KeyValueStore,
  LiveAnswer,
  QueryBuilder,
  Rescue,
  ResendOptions,
  Resent,
  SignOutOptions,
  SyncControl,
  TransactionWriter,
  UpdateOptions,
  Write,
} from './client.ts'
export { type NodeClientOptions, openClient, type TabClientOptions } from './open-client.ts'
// Ports: what the engine takes from its surroundings, each with its law.
export type { Ambient, Clock, Random, Timers } from './ports/ambient.ts'
export type { BackgroundWake } from './ports/background-wake.ts'
export { type Connectivity, type ConnectivityEvent, noConnectivity } from './ports/connectivity.ts'
export type { Leases } from './ports/lease.ts'
export type { OpenDriver } from './ports/open-driver.ts'
export type { KeptOperation, KeptQueue, QueueChange, QueueCopy, QueueOwner, Vault } from './ports/queue-copy.ts'
export type { SqliteDriver, SqliteRow, SqliteValue } from './ports/sqlite-driver.ts'
export type {
  PartRequest,
  PokeEnding,
  PokeListener,
  PokeRequest,
  SyncAnswer,
  Transport,
  TransportRequest,
} from './ports/transport.ts'
export { matches } from './query/matches.ts'
export type {
  Completeness,
  ConflictItem,
  DecisionItem,
  DiscardedGroup,
  Explanation,
  InboxFile,
  InboxGroup,
  InboxItem,
  LeftOut,
  Notice,
  Side,
  WaitingItem,
} from './store/store.ts'
export type { PauseReason, QueueCopyState, StatusCommon, StorageKind, SyncStatus } from './sync/sync-status.ts'
export type { TokenOption } from './token-source.ts'
export { createHttpTransport, type HttpTransportOptions } from './transports/http.ts'
export { browserQueueCopy, type ExportRescueOptions, exportRescue } from './vault/export-rescue.ts'
export type { RescueExport } from './vault/rescue-export.ts'
