/** The law of each port as tests, for whoever writes an adapter. */

export { type SqliteDriverCase, sqliteDriverCases } from './sqlite-driver.cases.ts'
export { describeSqliteDriver, type SqliteDriverSuite } from './sqlite-driver.contract.ts'
