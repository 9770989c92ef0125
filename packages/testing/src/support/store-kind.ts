/**
 * The two stores of the server as the tests choose between them: each makes empty databases, names them to another process, and
 * is read past our own code, by plain SQL.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { postgres, type StoreFactory, sqlite } from '@holdfast/server'
import pg from 'pg'

export interface StoreKind {
  readonly name: string
  create(): Promise<TestDatabase>
}

export type SqlRow = Readonly<Record<string, unknown>>

export interface TestDatabase {
  /** What `storeAt` takes, in this process or another. */
  readonly address: string
  read(sql: string): Promise<readonly SqlRow[]>
  drop(): Promise<void>
}

export function storeAt(address: string): StoreFactory {
  return address.startsWith('postgres:') ? postgres(address) : sqlite(address)
}

export const embedded: StoreKind = {
  name: 'embedded',
  create: async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-trouble-'))
    return {
      address: directory,
      read: async (sql) => {
        const database = new DatabaseSync(path.join(directory, 'holdfast.db'), { timeout: 5_000 })
        try {
          return database.prepare(sql).all()
        } finally {
          database.close()
        }
      },
      drop: async () => rmSync(directory, { recursive: true, force: true }),
    }
  },
}

/** @param url of a database in which each test gets a schema of its own. */
export function onPostgres(url: string): StoreKind {
  return {
    name: 'Postgres',
    create: async () => {
      const schema = `trouble_${randomBytes(6).toString('hex')}`
      await ask(url, `create schema ${schema}`)
      const address = new URL(url)
      address.searchParams.set('options', `-c search_path=${schema}`)
      return {
        address: address.href,
        read: (sql) => ask(address.href, sql),
        drop: async () => void (await ask(url, `drop schema ${schema} cascade`)),
      }
    },
  }
}

async function ask(url: string, sql: string): Promise<readonly SqlRow[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}
