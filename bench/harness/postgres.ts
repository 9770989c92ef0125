/** A Postgres that writes through to the disk, as in production, with a database for whoever asks. */
import pg from 'pg'
import { startPostgres } from '../../scripts/postgres.ts'
import { afterBench } from './clean-up.ts'

export interface Databases {
  /** Makes a database, empty or as a copy of another, to which nobody may be connected. Answers its URL. */
  create(name: string, template?: string): Promise<string>
  /** Waits until everything that was written before lies in the data files, so that no run pays for another. */
  checkpoint(): Promise<void>
  /** Makes a copied database one that may be served, under the generation of its original. */
  adopt(url: string): Promise<void>
  /** What autovacuum would have done a minute after the rows came. */
  analyze(name: string): Promise<void>
}

export async function startDatabases(): Promise<Databases> {
  const postgres = await startPostgres({ durable: true })
  afterBench(() => postgres.stop())
  const urlOf = (name: string) => Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href
  const run = async (sql: string, url = postgres.url) => {
    const client = new pg.Client(url)
    await client.connect()
    await client.query(sql)
    await client.end()
  }
  return {
    async create(name, template) {
      await run(`drop database if exists ${name} with (force)`)
      await run(`create database ${name}${template === undefined ? '' : ` template ${template}`}`)
      return urlOf(name)
    },
    checkpoint: () => run('checkpoint'),
    adopt: (url) => run(adoptSql, url),
    analyze: (name) => run('vacuum analyze', urlOf(name)),
  }
}

const adoptSql = `update _meta set value = (select system_identifier::text from pg_control_system()) || ':' ||
  (select oid::text from pg_database where datname = current_database()) where key = 'identity'`
