/** The law of each port as tests, for whoever writes an adapter. */

export { type FailingDriver, failingDriver } from './failing-driver.ts'
export { type QueueCopyCase, queueCopyCases } from './queue-copy.cases.ts'
export { type SqliteDriverCase, sqliteDriverCases } from './sqlite-driver.cases.ts'
export { describeSqliteDriver, type SqliteDriverSuite } from './sqlite-driver.contract.ts'
export { brokenInvariants } from './store-invariants.ts'
