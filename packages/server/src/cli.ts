#!/usr/bin/env node
/**
 *   holdfast serve APP      serves the app whose module this is (export const app = defineApp({ schema, scopes, rules }))
 *   holdfast migrate APP    brings the database to the schema of the app, and ends
 *   holdfast restored APP   says that the database was restored from a backup, or moved: devices send again what it does not have
 *   holdfast config         prints the configuration in effect, secrets masked
 *
 * The configuration is the environment: docs/operating.md.
 */
import { EngineError, UsageError } from '@holdfast/core'
import { runCommand } from './operate/commands.ts'

try {
  process.exitCode = await runCommand(process.argv.slice(2), process.env)
} catch (error) {
  if (!(error instanceof UsageError || error instanceof EngineError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
