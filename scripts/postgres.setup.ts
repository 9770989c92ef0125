// One Postgres for all test files of a Vitest project. Each file creates its own database on it:
// `const url = inject('postgresUrl')`.

import type { TestProject } from 'vitest/node'
import { type Postgres, startPostgres } from './postgres.ts'

let postgres: Postgres | undefined

export async function setup(project: TestProject): Promise<void> {
  postgres = await startPostgres()
  project.provide('postgresUrl', postgres.url)
}

export async function teardown(): Promise<void> {
  await postgres?.stop()
}
