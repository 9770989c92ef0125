/** Databases of the server that are backed up and restored, as an operator does it: with the server stopped. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
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
export const keptEmbedded: KeptStore = { name: 'embedded', create: () => createEmbedded([]) }

/** With what tells a copy from the database: nothing on this machine knows that it was set back. */
export const setBackEmbedded: KeptStore = { name: 'embedded', create: () => createEmbedded(['identity.json']) }

/** @param beside files that are kept with the database. */
async function createEmbedded(beside: readonly string[]): Promise<KeptDatabase> {
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
      for (const name of beside) copyFileSync(path.join(directory, name), path.join(directory, `${name}.backup`))
    },
    restore: async () => {
      for (const name of [file, `${file}-wal`, `${file}-shm`]) rmSync(name, { force: true })
      copyFileSync(backup, file)
      for (const name of beside) copyFileSync(path.join(directory, `${name}.backup`), path.join(directory, name))
    },
    drop: async () => rmSync(directory, { recursive: true, force: true }),
  }
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

/** A cluster of its own that is stopped and started again on its files. */
export type StartCluster = (options: { readonly directory: string }) => Promise<{
  readonly url: string
  stop(): Promise<void>
}>

/** The backup is a copy of a cluster's files: nothing in the database tells that it was set back. */
export const setBackOnPostgres = (startCluster: StartCluster): KeptStore => ({
  name: 'Postgres',
  create: async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-cluster-'))
    // Postgres may run as another user.
    chmodSync(directory, 0o755)
    const [live, backup] = [path.join(directory, 'live'), path.join(directory, 'backup')]
    let cluster = await startCluster({ directory: live })
    const whileStopped = async (work: () => void) => {
      await cluster.stop()
      work()
      cluster = await startCluster({ directory: live })
    }
    const copy = (from: string, to: string) => {
      rmSync(to, { recursive: true, force: true })
      // With owner and rights: Postgres wants its own.
      execFileSync('cp', ['-a', from, to])
    }
    return {
      get address() {
        return cluster.url
      },
      read: (sql) => ask(cluster.url, sql),
      backUp: () => whileStopped(() => copy(live, backup)),
      restore: () => whileStopped(() => copy(backup, live)),
      drop: async () => {
        await cluster.stop()
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
})

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
