import { collection, defineSchema, type Fields, t } from '@holdfast/core'
import { postgres } from '@holdfast/server'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'

const world = () => createSqlWorld(onPostgres(inject('postgresUrl')), sqlSchema, onTestFinished)

describe('what plain SQL may not do', { timeout: 30_000 }, () => {
  test.each([
    ['truncate leads', 'cannot be truncated'],
    [`update leads set id = 'l2' where id = 'l1'`, 'cannot be changed'],
    [`insert into leads (id) values ('gone')`, 'never given again'],
    [`insert into leads (id) values ('')`, 'id must be text of 1 to 64'],
    [`insert into leads (id) values (repeat('x', 65))`, 'id must be text of 1 to 64'],
    [`insert into leads (id) values (repeat('😀', 33))`, 'id must be text of 1 to 64'],
    [`insert into leads (rank) values (9007199254740992)`, 'rank must be a whole number'],
    [`update leads set visits = null`, 'visits must be a whole number'],
    [`insert into leads (weight) values ('NaN')`, 'weight must be a finite number'],
    [`insert into leads (weight) values ('-Infinity')`, 'weight must be a finite number'],
    [`update leads set met = 253402300800000`, 'met must be milliseconds since 1970'],
    [`insert into leads ("createdAt") values (-62135596800001)`, 'createdAt must be milliseconds'],
    [`update leads set info = '{"__proto__": 1}'`, 'info must be JSON'],
    [`update leads set info = '${'['.repeat(32)}1${']'.repeat(32)}'`, 'info must be JSON'],
    [`update leads set info = '{"crm": [1, 9007199254740993]}'`, 'info must be JSON'],
    [`update leads set info = '1e400'`, 'info must be JSON'],
    [`update leads set info = to_jsonb(repeat('x', 3000001))`, 'info must be JSON'],
    [`update leads set tags = '"one"'`, 'tags must be a list'],
    [`insert into leads (tags) values ('[1]')`, 'tags must be a list'],
    [`insert into leads (tags) values ('[""]')`, 'tags must be a list'],
    [`update leads set body = null`, 'body must be text'],
    [`insert into calls (lead) values ('nobody')`, 'there is no such record of leads'],
    [`update calls set lead = 'nobody'`, 'there is no such record of leads'],
  ])('[I-29] [OW2] %s is refused, and nothing has changed', async (sql, problem) => {
    const w = await world()
    await w.sql(
      `insert into leads (id, owner) values ('l1', 'ali'), ('gone', 'ali'); insert into calls (id, lead) values ('c1', 'l1')`,
    )
    await w.sql(`delete from leads where id = 'gone'`)
    const all = () =>
      w.read(
        'select (select json_agg(l order by id) from leads l), (select json_agg(s order by id) from _sidecar_leads s), (select json_agg(f order by place, seq) from _feed f)',
      )
    const before = await all()
    await expect(w.sql(sql)).rejects.toThrow(problem)
    expect(await all()).toEqual(before)
  })

  test('[OW2] the widest values that are taken come to a device as they are', async () => {
    const w = await world()
    const info = `${'['.repeat(31)}1e300, 1.2345678901234567e30, 9007199254740991${']'.repeat(31)}`
    await w.sql(`insert into leads (id, rank, visits, weight, met, info, tags) values
      (repeat('😀', 32), -9007199254740991, 9007199254740991, 1.7976931348623157e308, 253402300799999, '${info}', '["b", "a", "b"]')`)
    const device = w.wireDevice('manager')
    await device.sync()
    expect(device.held('leads').get('😀'.repeat(32))?.values.fields).toMatchObject({
      rank: Number.MIN_SAFE_INTEGER,
      visits: Number.MAX_SAFE_INTEGER,
      weight: Number.MAX_VALUE,
      met: 253_402_300_799_999,
      info: JSON.parse(info),
      tags: ['a', 'b'],
    })
  })

  test('[OW1] a device that edits another field leaves JSON with all its digits', async () => {
    const w = await world()
    const info = '{"rate": 0.12345678901234567890}'
    await w.sql(`insert into leads (id, info) values ('l1', '${info}')`)
    const device = w.wireDevice('manager')
    await device.sync()
    device.write({ collection: 'leads', record: 'l1', kind: 'update', fields: { name: 'x' }, at: 1 })
    await device.sync()
    expect(await w.read('select name, info::text from leads')).toEqual([{ name: 'x', info }])
    device.write({ collection: 'leads', record: 'l1', kind: 'update', fields: { info: { rate: 1 } }, at: 2 })
    await device.sync()
    expect(await w.read('select info::text from leads')).toEqual([{ info: '{"rate": 1}' }])
  })

  test('[OW1] a value that is written again as it was bumps nothing, and neither does a statement without rows', async () => {
    const w = await world()
    await w.sql(`insert into leads (id, owner, tags) values ('l1', 'ali', '["a"]')`)
    const all = () =>
      w.read(
        'select l.*, s.version, f.place from leads l join _sidecar_leads s using (id) join _feed f on f.record = l.id',
      )
    const before = await all()
    await w.sql(`update leads set owner = 'ali', tags = '["a", "a"]'`)
    await w.sql(
      `update leads set owner = 'bea' where id = 'nobody'; delete from leads where id = 'nobody'; insert into leads (id) select '1' where false`,
    )
    await w.sql(
      `insert into leads (id, owner) values ('l1', 'ali') on conflict (id) do update set owner = excluded.owner`,
    )
    expect(await all()).toEqual(before)
  })

  test('[OW1] [C2] a stamp that a clock ahead of time has left is kept, also over several writes', async () => {
    const w = await world()
    const ahead = '009999999999999.000001'
    await w.sql(`insert into leads (id, name) values ('l1', 'before');
      update _sidecar_leads set stamps = '{"": [1, "d1", "ann", "${ahead}"]}'; update leads set name = 'by sql'`)
    const [row] = await w.read(`select stamps->'name' as name, stamps->'' as others from _sidecar_leads`)
    expect(row).toEqual({
      name: [2, expect.stringMatching(/-000000000001$/), 'sql:postgres', `${ahead}.d1`, expect.any(Number), 1],
      others: [1, 'd1', 'ann', ahead],
    })
    await w.sql(`update leads set name = 'again'`)
    const [next] = await w.read(`select stamps->'name' as name from _sidecar_leads`)
    expect(next?.name).toEqual([
      3,
      expect.stringMatching(/-000000000001$/),
      'sql:postgres',
      `${ahead}.d1`,
      expect.any(Number),
      1,
    ])
  })

  test('[OW1] a column that an operator has added is no change of the record', async () => {
    const w = await world()
    await w.sql(`alter table leads add column ours text; insert into leads (id, owner) values ('l1', 'ali')`)
    const [before] = await w.read('select * from leads')
    await w.sql(`update leads set ours = 'x'`)
    expect(await w.read('select l.*, s.version::int from leads l join _sidecar_leads s using (id)')).toEqual([
      { ...before, ours: 'x', version: 1 },
    ])
  })

  test('[OW1] an upsert, a MERGE and a statement of several parts count each row once', async () => {
    const w = await world()
    await w.sql(`insert into leads (id, owner) values ('l1', 'ali'), ('l2', 'ali')`)
    await w.sql(
      `insert into leads (id, owner) values ('l1', 'bea'), ('l3', 'bea') on conflict (id) do update set owner = excluded.owner`,
    )
    await w.sql(`merge into leads l using (values ('l1', 'x'), ('l2', 'y'), ('l4', 'z')) s(id, name) on l.id = s.id
      when matched and s.id = 'l2' then delete when matched then update set name = s.name when not matched then insert (id, name) values (s.id, s.name)`)
    await w.sql(
      `with gone as (delete from leads where id = 'l3' returning name) insert into leads (id, name) select 'l5', name from gone`,
    )
    expect(await w.read('select id, version::int, state from _sidecar_leads order by id')).toEqual([
      { id: 'l1', version: 3, state: 'live' },
      { id: 'l2', version: 2, state: 'deleted' },
      { id: 'l3', version: 2, state: 'deleted' },
      { id: 'l4', version: 1, state: 'live' },
      { id: 'l5', version: 1, state: 'live' },
    ])
    const device = w.wireDevice('manager')
    await device.sync()
    expect([...device.held('leads').keys()].sort()).toEqual(['l1', 'l4', 'l5'])
  })

  test('[OW1] what is rolled back, also to a savepoint, leaves nothing', async () => {
    const w = await world()
    await w.sql(
      `begin; insert into leads (id) values ('l1'); savepoint s; insert into leads (id) values ('l2'); rollback to s; insert into leads (id) values ('l3'); commit`,
    )
    await w.sql(`begin; insert into leads (id) values ('l4'); rollback`)
    const feed = await w.read('select record, seq::int from _feed order by seq')
    expect(feed).toEqual([
      { record: 'l1', seq: 1 },
      { record: 'l3', seq: 2 },
    ])
  })
})

describe('whoever writes', { timeout: 60_000 }, () => {
  test('[OW1] rows that a table had before it was given to devices are theirs from the opening on', async () => {
    const w = await world()
    await w.sql(`alter table leads disable trigger user; alter table calls disable trigger user;
      insert into leads (id, owner, "createdAt", "updatedAt") values ('old', 'ali', 5, 6); insert into calls (id, lead) values ('c1', 'old');
      alter table leads enable trigger user; alter table calls enable trigger user; insert into leads (id, owner) values ('new', 'ali');
      delete from _meta where key = 'triggers'`)
    const again = postgres(w.database.address)(sqlSchema)
    await again.open()
    await again.close()
    const device = w.wireDevice('agent:ali')
    await device.sync()
    expect(device.held('leads').get('old')).toMatchObject({ version: 1, values: { createdAt: 5, updatedAt: 6 } })
    expect([[...device.held('leads').keys()].sort(), [...device.held('calls').keys()]]).toEqual([
      ['new', 'old'],
      ['c1'],
    ])
    await w.sql(`update leads set owner = 'bea' where id = 'old'`)
    await device.sync()
    expect([...device.held('calls').keys()]).toEqual([])
  })

  test('[OW3] the transactions of the server leave what they say, and nothing of the triggers', async () => {
    const w = await world()
    const device = w.wireDevice('manager')
    await device.sync()
    device.write({ collection: 'plans', record: 'p1', kind: 'create', fields: { title: 'a', steps: '' }, at: 1 })
    device.write({ collection: 'plans', record: 'p1', kind: 'update', fields: { title: 'b' }, at: 2 })
    await device.sync()
    const [row] = await w.read(`select version::int, stamps->'title'->>2 as "user" from _sidecar_plans`)
    expect(row).toEqual({ version: 2, user: 'manager' })
  })

  test('[OW1] triggers follow the schema, and those of a newer one stay when an older server starts once more', async () => {
    const w = await world()
    const leads = { owner: t.text({ optional: true }), name: t.text({ default: '' }) }
    const schemaOf = (version: number, fields: Fields) =>
      defineSchema({ version, collections: { plain: collection({ fields }) } })
    const [older, newer] = [schemaOf(1, leads), schemaOf(2, { ...leads, extra: t.text({ default: '' }) })]
    for (const schema of [older, newer, older]) {
      const store = postgres(w.database.address)(schema)
      await store.open()
      await store.close()
    }
    await w.sql(`insert into plain (id) values ('p1'); update plain set extra = 'x'`)
    expect(await w.read(`select version::int, stamps->'extra'->0 as extra from _sidecar_plain`)).toEqual([
      { version: 2, extra: 2 },
    ])
  })

  test('[OW4] a role that may write the table and nothing else, with a search path and settings of its own', async () => {
    const w = await world()
    const [{ place, database } = {}] = await w.read('select current_schema() as place, current_database() as database')
    const role = `writer_of_${place}`
    await w.sql(
      `create role ${role}; grant usage on schema ${place} to ${role}; grant select, insert, update, delete on ${place}.leads to ${role}`,
    )
    onTestFinished(async () => w.sql(`drop owned by ${role}; drop role ${role}`))
    const client = await w.connect()
    await client.query(
      `set role ${role}; set search_path = pg_catalog; set enable_indexscan = off; set default_transaction_isolation = 'repeatable read'`,
    )
    await client.query(`insert into ${place}.leads (id, owner, tags) values ('l1', 'ali', '["b", "a"]')`)
    await client.query(`update ${place}.leads set owner = 'bea', tags = '["c", "b"]' where id = 'l1'`)
    await expect(client.query(`insert into ${place}._feed select * from ${place}._feed`)).rejects.toThrow(
      'permission denied',
    )
    await expect(client.query(`select ${place}._leads_follow(array['l1'])`)).rejects.toThrow('permission denied')
    const device = w.wireDevice('agent:bea')
    await device.sync()
    expect(device.held('leads').get('l1')?.values.fields).toMatchObject({ owner: 'bea', tags: ['b', 'c'] })
    await client.query(`delete from ${place}.leads where id = 'l1'`)
    await device.sync()
    expect(device.held('leads').size).toBe(0)
    expect(database).toBeTruthy()
  })

  test("[OW4] nobody makes triggers of the engine's functions on a table of his own", async () => {
    const w = await world()
    const [{ place } = {}] = await w.read('select current_schema() as place')
    const role = `stranger_of_${place}`
    await w.sql(
      `insert into leads (id, owner) values ('l1', 'ali'); create role ${role}; grant usage on schema ${place} to ${role}`,
    )
    onTestFinished(async () => w.sql(`drop owned by ${role}; drop role ${role}`))
    const client = await w.connect()
    await client.query(`set role ${role}; create temp table x (id text)`)
    const trigger = (name: string, event: string) =>
      `create trigger ${name} after ${event} for each statement execute function ${place}._leads_${name}()`
    const attacks = [
      trigger('deleted', 'delete on x referencing old table as _stale'),
      trigger('inserted', 'insert on x referencing new table as _fresh'),
      trigger('updated', 'update on x referencing old table as _stale new table as _fresh'),
    ]
    for (const attack of attacks) await expect(client.query(attack)).rejects.toThrow('permission denied')
    // Nor by mistake, with the right to.
    await client.query('reset role')
    await client.query(attacks[0] ?? '')
    await client.query(`insert into x values ('l1')`)
    await expect(client.query('delete from x')).rejects.toThrow('for leads alone')
    expect(await w.read('select state from _sidecar_leads')).toEqual([{ state: 'live' }])
  })

  test('[OW4] [I-16] a number of entries that a writer makes up leads no device astray', async () => {
    const w = await world()
    const device = w.wireDevice('manager')
    await device.sync()
    for (const [index, seq] of ['-9000', '9223372036854775000'].entries()) {
      await w.sql(
        `set holdfast.seq = '${seq}'; insert into plans (id, title) values ('p${index}', 'x'); reset holdfast.seq`,
      )
      await device.sync()
      await device.sync()
      expect(device.held('plans').size).toBe(index + 1)
    }
  })

  test('[OW4] a database that gives nothing to everybody: no temporary tables, no execution of functions', async () => {
    const w = await world()
    const [{ place, database } = {}] = await w.read('select current_schema() as place, current_database() as database')
    const role = `app_of_${place}`
    const schema = `hard_${place}`
    await w.sql(`revoke temporary on database ${database} from public; create role ${role} login; create schema ${schema} authorization ${role};
      alter default privileges for role ${role} revoke execute on functions from public`)
    onTestFinished(async () =>
      w.sql(`grant temporary on database ${database} to public; drop owned by ${role} cascade; drop role ${role}`),
    )
    const address = new URL(w.database.address)
    address.searchParams.set('options', `-c search_path=${schema} -c role=${role}`)
    const store = postgres(address.href)(sqlSchema)
    await store.open()
    await store.close()
    const client = await w.connect()
    const writer = `writer_of_${schema}`
    await client.query(`create role ${writer}; set role ${role};
      grant usage on schema ${schema} to ${writer}; grant insert on ${schema}.leads to ${writer}; reset role; set role ${writer}`)
    await client.query(`insert into ${schema}.leads (id, tags) values ('l1', '["b", "a"]')`)
    await client.query(`reset role; drop owned by ${writer}; drop role ${writer}`)
  })

  test('[OW4] one row after a COPY of many is found by an index, and many after one are not compared pair by pair', async () => {
    const w = await world()
    const many = (from: number, to: number) =>
      w.sql(`insert into leads (id, owner) select 'l' || n, 'ali' from generate_series(${from}, ${to}) n`)
    await w.sql(
      `insert into leads (id) values ('one'); update leads set name = 'x'; delete from leads where id = 'one'`,
    )
    await many(1, 20_000)
    const started = performance.now()
    await w.sql(`update leads set name = 'x'`)
    const ofMany = performance.now() - started
    const [before] = await w.read(lookedAt)
    for (let n = 1; n <= 20; n += 1)
      await w.sql(`update leads set name = 'y' where id = 'l${n}'; delete from leads where id = 'l${n}'`)
    await w.sql('select pg_stat_force_next_flush()')
    const [after] = await w.read(lookedAt)
    // Read one after the other they would have been 800,000.
    expect(Number(after?.rows) - Number(before?.rows)).toBeLessThan(50_000)
    // Compared pair by pair they would be 400,000,000.
    expect(ofMany).toBeLessThan(20_000)
  })
})

const lookedAt = `select sum(seq_tup_read + idx_tup_fetch) as rows from pg_stat_user_tables where schemaname = current_schema() and relname in ('_sidecar_leads', '_feed')`
