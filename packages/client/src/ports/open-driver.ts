import type { SqliteDriver } from './sqlite-driver.ts'

/**
 * Opens the database that it was made for, and creates it where there is none.
 * Throws STORAGE_LOCKED while another connection holds the file, STORAGE_UNAVAILABLE where there is nothing to store in.
 */
export type OpenDriver = () => Promise<SqliteDriver>
