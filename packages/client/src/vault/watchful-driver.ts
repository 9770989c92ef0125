import { EngineError } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'

export function isCorrupt(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'STORAGE_CORRUPT'
}

/** A driver that tells when the file turns out to be broken, whoever met it and whatever became of the error. */
export function watchfulDriver(driver: SqliteDriver, onCorrupt: () => void): SqliteDriver {
  function watched<A extends readonly unknown[], T>(call: (...given: A) => T): (...given: A) => T {
    return (...given) => {
      try {
        return call(...given)
      } catch (error) {
        if (isCorrupt(error)) onCorrupt()
        throw error
      }
    }
  }
  return {
    exec: watched(driver.exec),
    run: watched(driver.run),
    all: watched(driver.all),
    columns: watched(driver.columns),
    defineFunction: driver.defineFunction,
    close: driver.close,
  }
}
