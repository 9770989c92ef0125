/** Another program: psql, where this machine has it. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

/** The path of psql; null: there is none. */
export function findPsql(): string | null {
  const system = '/usr/lib/postgresql'
  const versions = existsSync(system) ? readdirSync(system).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...versions.map((version) => path.join(system, version, 'bin')),
    ...(process.env.PATH ?? '').split(path.delimiter),
  ]
  return folders.map((folder) => path.join(folder, 'psql')).find((file) => existsSync(file)) ?? null
}

/** Runs a script, each of whose statements is a transaction unless it says otherwise; stops and throws at the first error. */
export async function runPsql(psql: string, url: string, script: string): Promise<string> {
  // It reads `+` as itself, and not as a space.
  const address = url.replaceAll('+', '%20')
  const running = promisify(execFile)(psql, [
    address,
    '--no-psqlrc',
    '--quiet',
    '--tuples-only',
    '--set',
    'ON_ERROR_STOP=1',
  ])
  running.child.stdin?.end(script)
  return (await running).stdout
}
