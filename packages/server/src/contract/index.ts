/** @module @holdfast/server/contract — the laws of the server's store as a test suite, for who writes another store. Needs vitest. */
export { describeServerStore, type StoreUnderTest } from './server-store.contract.ts'
