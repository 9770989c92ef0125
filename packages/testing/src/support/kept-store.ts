/** Databases of the server that are backed up and restored, as an operator does it: with the server stopped. */
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { SqlRow, TestDatabase } from './store-kind.ts'

export interface KeptStore {
  readonly name: string
  create(): Promise<KeptDatabase>
}

export interface KeptDatabase extends TestDatabase {
  /** In place of the backup before. */
  backUp(): Promise<void>
  restore(): Promise<void>
}

/** The backup is a copy of the database file. */
export const keptEmbedded: KeptStore = {
  name: 'embedded',
  create: async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-kept-'))
    const file = path.join(directory, 'holdfast.db')
    const backup = path.join(directory, 'backup')
    return {
      address: directory,
      read: async (sql) => {
        const database = new DatabaseSync(file, { timeout: 5_000 })
        try {
          return database.prepare(sql).all()
        } finally {
          database.close()
        }
      },
      backUp: async () => {
        rmSync(backup, { force: true })
        const database = new DatabaseSync(file)
        database.exec(`vacuum into '${backup}'`)
        database.close()
      },
      restore: async () => {
        for (const name of [file, `${file}-wal`, `${file}-shm`]) rmSync(name, { force: true })
        copyFileSync(backup, file)
      },
      drop: async () => rmSync(directory, { recursive: true, force: true }),
    }
  },
}

/**
 * The backup is a copy of the database.
 *
 * @param url of a cluster in which each test gets databases of its own.
 */
export function keptOnPostgres(url: string): KeptStore {
  return {
    name: 'Postgres',
    create: async () => {
      const name = `kept_${randomBytes(6).toString('hex')}`
      const backup = `${name}_backup`
      await ask(url, `create database ${name}`)
      const address = new URL(url)
      address.pathname = `/${name}`
      const dropped = (database: string) => ask(url, `drop database if exists ${database} with (force)`)
      return {
        address: address.href,
        read: (sql) => ask(address.href, sql),
        backUp: async () => {
          await dropped(backup)
          await ask(url, `create database ${backup} template ${name}`)
        },
        restore: async () => {
          await dropped(name)
          await ask(url, `create database ${name} template ${backup}`)
        },
        drop: async () => {
          await dropped(name)
          await dropped(backup)
        },
      }
    },
  }
}

/** One statement, and no transaction around it: `create database` wants none. */
async function ask(url: string, sql: string): Promise<readonly SqlRow[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}
