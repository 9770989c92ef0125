/** Both stores of the server, seeded once and copied for each run, so that every run meets the same rows. */
import { cpSync } from 'node:fs'
import path from 'node:path'
import { postgres, sqlite } from '@holdfast/server'
import type { Lead } from '../workload.ts'
import { type Databases, startDatabases } from './postgres.ts'
import { scratchDirectory } from './scratch.ts'
import { seed } from './seed.ts'
import type { StoreChoice } from './server.ts'

export interface SeededStore {
  readonly kind: StoreChoice['kind']
  /** A copy of its own for each name; the name is a word. */
  copy(name: string): Promise<StoreChoice>
}

export async function seedEmbedded(rows: readonly Lead[]): Promise<SeededStore> {
  const root = scratchDirectory('embedded')
  const template = path.join(root, 'template')
  await seed(sqlite(template), rows)
  return {
    kind: 'embedded',
    async copy(name) {
      const directory = path.join(root, name)
      cpSync(template, directory, { recursive: true })
      return { kind: 'embedded', directory }
    },
  }
}

export async function seedPostgres(rows: readonly Lead[], databases?: Databases): Promise<SeededStore> {
  const all = databases ?? (await startDatabases())
  await seed(postgres(await all.create('template_seeded')), rows)
  await all.analyze('template_seeded')
  return {
    kind: 'postgres',
    async copy(name) {
      const url = await all.create(`seeded_${name}`, 'template_seeded')
      // A copy is another database: it is told that it is served as what it is.
      await all.adopt(url)
      await all.checkpoint()
      return { kind: 'postgres', url }
    },
  }
}
