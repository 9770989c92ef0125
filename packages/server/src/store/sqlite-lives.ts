/** Which life of the embedded database this is, and whether it is the database that was served here. See lineage.ts, sqlite-identity.ts. */
import { parseGeneration, UsageError } from '@holdfast/core'
import type { Fork } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import { type CurrentLife, lifeOf } from './lineage.ts'
import type { Connection } from './sqlite-connection.ts'
import { readIdentity, writeIdentity } from './sqlite-identity.ts'

export function readLife(connection: Connection): CurrentLife {
  const generation = parseGeneration(metaOf(connection, 'generation'))
  const lives = connection.all('select id, parent, fork, at from _generations', []).map(([id, parent, fork, at]) => ({
    id: String(id),
    parent: parent === null ? null : String(parent),
    fork: Number(fork),
    bornMs: Number(at),
  }))
  return lifeOf(lives, generation)
}

/**
 * The identity of the database, inside the transaction of its opening. A new database gets one; another one than was served here is
 * refused, unless `restored` says that an operator knows.
 */
export function meetIdentity(
  writer: Connection,
  {
    directory,
    system,
    restored,
  }: { readonly directory: string; readonly system: System; readonly restored: Fork | null },
): void {
  const identity = metaOf(writer, 'identity')
  if (identity === null) {
    const generation = newId(system)
    const database = newId(system)
    // First: a file without its database is one that was not finished, a database without its file was brought here.
    writeIdentity(directory, { database, place: 0 })
    setMeta(writer, 'identity', database)
    setMeta(writer, 'generation', generation)
    writer.run(addLifeSql, [generation, null, 0, system.nowMs()])
    return
  }
  if (restored !== null) {
    setMeta(writer, 'identity', newId(system))
    startLife(writer, restored, system)
    return
  }
  const known = readIdentity(directory)
  const place = Number(metaOf(writer, 'place'))
  if (known?.database === identity && known.place <= place) return
  throw new UsageError(
    `The database in ${directory} is not as it was served here: it was copied, or restored from a backup. Say so with "holdfast restored": devices then send again what the backup does not have. Or put the newer database back.`,
  )
}

/** After the commit of what `meetIdentity` did, and whenever the file is to know a later commit. */
export function keepIdentity(connection: Connection, directory: string): void {
  const [database, place] = [metaOf(connection, 'identity'), metaOf(connection, 'place')]
  if (database !== null) writeIdentity(directory, { database, place: Number(place) })
}

/** Inside a transaction. */
export function startLife(writer: Connection, fork: Fork, system: System): void {
  const parent = metaOf(writer, 'generation')
  const generation = newId(system)
  const common = fork === 'head' ? Number(metaOf(writer, 'place')) : 0
  writer.run(addLifeSql, [generation, parent, common, system.nowMs()])
  setMeta(writer, 'generation', generation)
}

export function metaOf(connection: Connection, key: string): string | null {
  const value = connection.first('select value from _meta where key = ?', [key])?.[0]
  return value === undefined ? null : String(value)
}

export function setMeta(writer: Connection, key: string, value: string): void {
  writer.run('insert into _meta (key, value) values (?, ?) on conflict do update set value = excluded.value', [
    key,
    value,
  ])
}

function newId(system: System): string {
  return Buffer.from(system.randomBytes(6)).toString('hex')
}

const addLifeSql = 'insert into _generations (id, parent, fork, at) values (?, ?, ?, ?)'
