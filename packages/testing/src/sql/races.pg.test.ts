/** Programs and devices at the same few records at the same time: whatever comes of it, rows, sidecars, feed and devices say the same. */
import type { Operation } from '@holdfast/core'
import type pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld, type SqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'
import type { WireDevice, Write } from '../support/wire-device.ts'

const [turns, ids] = [60, 6]

test.each([1, 2, 3])(
  '[PW1] [PW4] [OW1] [I-16] creations, edits, moves and deletions of the same records by both (seed %i)',
  { timeout: 60_000 },
  async (seed) => {
    const w = await createSqlWorld(onPostgres(inject('postgresUrl')), sqlSchema, onTestFinished)
    const devices = ['manager', 'manager', 'agent:a'].map(w.wireDevice)
    const programs = await Promise.all([w.connect(), w.connect(), w.connect()])
    for (const device of devices) await device.sync()
    await Promise.all([
      ...programs.map((program, index) => runProgram(program, createSeededRandom(seed * 10 + index).next)),
      ...devices.map((device, index) => runDevice(device, createSeededRandom(seed * 100 + index).next)),
    ])
    for (const device of [...devices, ...devices]) await device.sync()
    expect(await contradictions(w)).toEqual([])
    const [met] = await w.read(
      `select count(*) filter (where state = 'live')::int as live, count(*) filter (where state = 'deleted')::int as deleted from _sidecar_leads`,
    )
    expect(Math.min(Number(met?.live), Number(met?.deleted))).toBeGreaterThan(2)
    const rows = (
      await w.read(
        'select l.id, s.version::int, owner, name, visits::int from leads l join _sidecar_leads s using (id) order by id',
      )
    ).map((row) => JSON.stringify(row))
    const held = (device: WireDevice) =>
      [...device.held('leads')]
        .map(
          ([
            id,
            {
              version,
              values: { fields },
            },
          ]) => JSON.stringify({ id, version, owner: fields.owner, name: fields.name, visits: fields.visits }),
        )
        .sort()
    for (const device of devices.slice(0, 2)) expect(held(device)).toEqual(rows)
    expect(devices[2] === undefined ? [] : held(devices[2])).toEqual(rows.filter((row) => row.includes('"owner":"a"')))
  },
)

test('[SS9] [I-28] a parent that was deleted long ago stays when a child of it is being written while the server forgets', {
  timeout: 30_000,
}, async () => {
  const { server, sql, read, connect } = await createSqlWorld(
    onPostgres(inject('postgresUrl')),
    sqlSchema,
    onTestFinished,
  )
  const ids = (table: string) => read(`select id from ${table} order by id`)
  await sql(`insert into leads (id) values ('held'), ('gone')`)
  await sql('delete from leads')
  await server.store.noteDay(10)
  await server.store.forgetBefore(11)
  const program = await connect()
  await program.query('begin')
  await program.query(`insert into calls (id, lead) values ('c1', 'held')`)
  // Does not wait for it either.
  expect(await server.store.prune()).toMatchObject({ entries: 1, records: 1 })
  await program.query('commit')
  expect(await ids('_sidecar_leads')).toEqual([{ id: 'held' }])
  await sql(`update calls set text = 'later'`)
})

async function runProgram(program: pg.Client, next: () => number): Promise<void> {
  const below = (max: number) => Math.floor(next() * max)
  for (let turn = 0; turn < turns; turn += 1) {
    const id = `l${below(ids)}-${below(4)}`
    const owner = ['a', 'b', 'c'][below(3)]
    const sql = [
      `insert into leads (id, owner, name) values ('${id}', '${owner}', 'sql') on conflict (id) do update set owner = excluded.owner`,
      `insert into leads (id, owner) values ('${id}', '${owner}') on conflict do nothing`,
      `update leads set owner = '${owner}' where id = '${id}'`,
      `update leads set visits = visits + 1, name = 'sql ${turn}' where id = '${id}'`,
      `delete from leads where id = '${id}'`,
      `begin; update leads set visits = visits + 1 where id = '${id}'; select pg_sleep(0.002); update leads set owner = '${owner}' where id = '${id}'; commit`,
    ][below(10) === 0 ? 4 : ([0, 1, 2, 3, 5][below(5)] ?? 0)]
    await program.query(String(sql)).catch(async (error: Error) => {
      await program.query('rollback')
      // The id of a record that somebody has deleted meanwhile: it is never given again.
      if (!error.message.includes('never given again')) throw error
    })
  }
}

async function runDevice(device: WireDevice, next: () => number): Promise<void> {
  const below = (max: number) => Math.floor(next() * max)
  for (let turn = 0; turn < turns; turn += 1) {
    const writes = Array.from({ length: 1 + below(3) }, (): Operation | undefined => {
      const record = `l${below(ids)}-${below(4)}`
      const seen = device.held('leads').has(record)
      const common = { collection: 'leads', record, at: Date.now() }
      const owner = ['a', 'b', 'c'][below(3)] ?? 'a'
      const edits: readonly Omit<Write, keyof typeof common>[] = [
        { kind: 'update', fields: { owner } },
        { kind: 'update', fields: { name: `device ${turn}` } },
        { kind: 'increment', fields: { visits: 1 } },
        { kind: 'delete' },
      ]
      const edit = edits[below(12) === 0 ? 3 : below(3)]
      if (!seen || edit === undefined)
        return device.write({ ...common, kind: 'create', fields: { ...empty, owner, name: 'device' } })[0]
      return device.write({ ...common, ...edit })[0]
    })
    await device.sync(writes.filter((operation) => operation !== undefined))
  }
}

const empty = { rank: null, hot: null, weight: null, stage: 'new', met: null, info: null, note: '', tags: [], body: '' }

/** Rows without a living sidecar and the other way round; entries of the feed that are not what the rows say. */
async function contradictions({ read }: SqlWorld): Promise<readonly unknown[]> {
  return read(`
    select 'row' as what, coalesce(l.id, s.id) as id from leads l full join (select * from _sidecar_leads where state = 'live') s using (id)
    where l.id is null or s.id is null
    union all
    select 'feed', coalesce(f.record, w.id) from (
      select f.record, f.scope, f.version from _feed f where f.collection = 'leads' and f.state = 'present'
    ) f full join (
      select l.id, e.scope, s.version from leads l join _sidecar_leads s using (id) cross join lateral (values ('all'), ('agent:' || l.owner)) e(scope)
    ) w on w.id = f.record and w.scope = f.scope and w.version = f.version
    where f.record is null or w.id is null
    union all
    select 'order', f.record from _feed f group by place, seq, record having count(*) > 1`)
}
