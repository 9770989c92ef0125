/**
 * A driver that fails at its n-th call, to sweep all calls of a scenario: n = 1, 2, … until the failure is not reached.
 *
 *   'fault'  the call throws STORAGE_FAILED and has had no effect; the transaction is rolled back (law D4); the driver lives on
 *   'kill'   the call throws and so does every later one: what a killed process leaves is what was committed before
 */
import { EngineError } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'

export interface FailingDriver extends SqliteDriver {
  /** Counts calls from here on and fails at the n-th. */
  arm(how: 'fault' | 'kill', n: number): void
  /** No failure from here on. */
  disarm(): void
  readonly wasReached: boolean
}

export function failingDriver(inner: SqliteDriver): FailingDriver {
  let armed: { readonly how: 'fault' | 'kill'; readonly n: number } | null = null
  let calls = 0
  let wasReached = false
  let isDead = false

  function step<T>(call: () => T): T {
    if (isDead) throw new EngineError('STORAGE_FAILED', 'the process is dead.')
    calls += 1
    if (armed === null || calls !== armed.n) return call()
    wasReached = true
    isDead = armed.how === 'kill'
    inner.exec('rollback')
    throw new EngineError('STORAGE_FAILED', `made to fail at call ${calls}.`)
  }

  return {
    arm: (how, n) => {
      armed = { how, n }
      calls = 0
      wasReached = false
    },
    disarm: () => {
      armed = null
    },
    get wasReached() {
      return wasReached
    },
    exec: (sql) => step(() => inner.exec(sql)),
    run: (sql, parameters) => step(() => inner.run(sql, parameters)),
    all: (sql, parameters) => step(() => inner.all(sql, parameters)),
    columns: (sql) => step(() => inner.columns(sql)),
    defineFunction: (name, body) => inner.defineFunction(name, body),
    close: () => {
      if (!isDead) inner.close()
    },
  }
}
