/**
 * @module @holdfast/server — authorizes, merges and serves changes: one fetch handler over a store.
 */
export { createServer, type Server, type ServerOptions } from './create-server.ts'
export { createDemo, type Demo, type Person, type SignedIn } from './demo/sign-in.ts'
export { type Authenticate, type JwtOptions, jwt, type TokenClaims } from './http/authenticate.ts'
export { defaultLimits, type Limits } from './http/limits.ts'
export { type AppDefinition, defineApp } from './operate/define-app.ts'
export type {
  Claim,
  DeviceReport,
  FeedEntry,
  Fork,
  NewGeneration,
  Page,
  PageRequest,
  Pruned,
  Scope,
  ScopePosition,
  ServerStore,
  Standing,
  StoredOperation,
  StoreFactory,
  StoreTransaction,
} from './ports/server-store.ts'
export type { System } from './ports/system.ts'
export type { RescueOutcome, RescueReport } from './rescue/import-rescue.ts'
export type { Denial, RuleInput, Rules } from './scope/rules.ts'
export type { GrantedScopes } from './scope/scopes.ts'
export type { User } from './scope/user.ts'
export { type SeedRecord, seedRecords } from './seed-records.ts'
export { type ServeOptions, type Serving, serve } from './serve.ts'
export { type PostgresOptions, postgres } from './store/postgres.ts'
export { sqlite } from './store/sqlite.ts'
