import type { Vault } from './queue-copy.ts'
import type { SqliteDriver } from './sqlite-driver.ts'

/**
 * Opens the database that it was made for, and creates it where there is none.
 * Throws STORAGE_LOCKED while another connection holds the file, STORAGE_UNAVAILABLE where there is nothing to store in,
 * STORAGE_CORRUPT when the file is no database or a broken one.
 */
export interface OpenDriver {
  (): Promise<SqliteDriver>
  /** Left out where nothing outlives the process anyway. */
  readonly vault?: Vault
}
