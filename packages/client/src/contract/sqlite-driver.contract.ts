import { describe, it } from 'vitest'
import { type SqliteDriverCase, sqliteDriverCases } from './sqlite-driver.cases.ts'

export interface SqliteDriverSuite {
  /** What holds the database: the cases that need a file are skipped for memory. */
  readonly storage: 'file' | 'memory'
  /** Runs the case on a new database: here, or in the thread where the driver lives. */
  readonly runCase: (driverCase: SqliteDriverCase) => Promise<void>
}

/** The law of `SqliteDriver` as tests: the whole test file of a driver that has no more to say. */
export function describeSqliteDriver(name: string, suite: SqliteDriverSuite): void {
  describe(`SqliteDriver: ${name}`, () => {
    for (const driverCase of sqliteDriverCases) {
      it(driverCase.name, { timeout: 30_000 }, async (context) => {
        context.skip(
          driverCase.needs === 'file' && suite.storage === 'memory',
          'Memory does not outlive its connection.',
        )
        await suite.runCase(driverCase)
      })
    }
  })
}
