/**
 * Snapshots on Postgres: two tables without a log, so that every process serves what one has made and nobody pays for its durability.
 * They are empty after a crash, which SH1 allows. Laws: see ports/snapshot-shelf.ts.
 */
import { createHash } from 'node:crypto'
import { parseSnapshotId } from '@holdfast/core'
import type { Page, PageRequest } from '../ports/server-store.ts'
import type { EncodedPart, PartEncoding, PressedSnapshot, SnapshotShelf } from '../ports/snapshot-shelf.ts'
import type { Session, Sessions } from './postgres-sessions.ts'

export function createPostgresShelf(
  sessions: Sessions,
  readWhole: (session: Session, request: PageRequest) => AsyncIterable<Page>,
): SnapshotShelf {
  return {
    newest: async (key, sinceMs) => {
      const [row] = await sessions.read((session) => session.all(newestSql, [key, sinceMs]))
      if (row === undefined) return null
      return { id: parseSnapshotId(row[0]), parts: Number(row[1]), rows: Number(row[2]) }
    },

    part: async ({ id, key, part, sinceMs }, encoding) => {
      const [row] = await sessions.read((session) => session.all(partSql, [id, key, sinceMs, part, encoding]))
      return row === undefined ? null : encodedPart(row)
    },

    keep: async ({ id, key, part }, { encoding, bytes }) => {
      await sessions.write((session) => session.all(keepSql, [id, key, part, encoding, bytes]))
    },

    // The lock ends with the transaction that reads: the parts are there before it does.
    make: ({ key, request }, press) =>
      sessions.read(async (session) => {
        const [row] = await session.all('select pg_try_advisory_xact_lock($1)', [lockOf(key)])
        if (row?.[0] !== true) return false
        const pressed = await press(readWhole(session, request))
        if (pressed !== null) await sessions.write((writing) => insert(writing, key, pressed))
        return true
      }),

    trim: async ({ sinceMs, snapshotsMax, bytesMax }) => {
      await sessions.write(async (session) => {
        await session.all(trimOldSql, [sinceMs])
        await session.all(trimManySql, [snapshotsMax, bytesMax])
      })
    },
  }
}

async function insert(session: Session, key: string, { id, madeAtMs, rows, parts }: PressedSnapshot): Promise<void> {
  // Sent together: one round trip.
  await Promise.all([
    session.all(insertSql, [id, key, madeAtMs, parts.length, rows]),
    ...parts.map(({ encoding, bytes }, part) => session.all(insertPartSql, [id, part, encoding, bytes])),
  ])
}

function encodedPart([encoding, bytes]: readonly unknown[]): EncodedPart {
  if (!(bytes instanceof Uint8Array)) throw new Error('Postgres answers bytea as bytes.')
  return { encoding: encoding as PartEncoding, bytes }
}

/** A number of 52 bits, as JavaScript can say it. Two keys with one number only wait for each other. */
function lockOf(key: string): number {
  return Number.parseInt(createHash('sha256').update(`snapshot ${key}`).digest('hex').slice(0, 13), 16)
}

const newestSql = `select id, parts, "rows" from _snapshots where key = $1 and "madeAt" >= $2
  order by "madeAt" desc, id limit 1`
const partSql = `select p.encoding, p.bytes from _snapshots s join _snapshot_parts p on p.snapshot = s.id
  where s.id = $1 and s.key = $2 and s."madeAt" >= $3 and p.part = $4 order by p.encoding = $5 desc limit 1`
const insertSql = 'insert into _snapshots (id, key, "madeAt", parts, "rows") values ($1, $2, $3, $4, $5)'
const insertPartSql = 'insert into _snapshot_parts (snapshot, part, encoding, bytes) values ($1, $2, $3, $4)'
const keepSql = `insert into _snapshot_parts (snapshot, part, encoding, bytes)
  select s.id, $3, $4, $5 from _snapshots s where s.id = $1 and s.key = $2 for key share on conflict do nothing`
const trimOldSql = 'delete from _snapshots where "madeAt" < $1'
const trimManySql = `delete from _snapshots where id in (select id from (
  select s.id, row_number() over w as n, sum(p.bytes) over w as bytes
  from _snapshots s cross join lateral
    (select coalesce(sum(octet_length(bytes)), 0) as bytes from _snapshot_parts where snapshot = s.id) p
  window w as (order by s."madeAt" desc, s.id rows unbounded preceding)
) ranked where n > $1 or bytes > $2)`

/** Made beside the engine's other tables. */
export const snapshotTables: readonly (readonly [relation: string, sql: string])[] = [
  [
    '_snapshots',
    `create unlogged table _snapshots (
  id text primary key,
  -- Scopes, generation and shape of the rows, hashed: who has the same key may have it.
  key text not null,
  "madeAt" bigint not null,
  parts integer not null,
  "rows" integer not null
)`,
  ],
  [
    '_snapshot_parts',
    `create unlogged table _snapshot_parts (
  snapshot text not null references _snapshots (id) on delete cascade,
  -- From 0.
  part integer not null,
  -- 'zstd' | 'gzip' | 'br'
  encoding text not null,
  bytes bytea not null,
  primary key (snapshot, part, encoding)
)`,
  ],
]
