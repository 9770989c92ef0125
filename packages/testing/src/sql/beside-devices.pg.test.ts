/** Other programs write while devices sync: psql by statements and COPY, others row by row. */
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { eager } from '../support/eager.ts'
import { manager } from '../support/lead-server.ts'
import { findPsql, runPsql } from '../support/psql.ts'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'
import { hashOf, readDevice, readServer } from '../support/truth.ts'
import { atRest, until } from '../support/until.ts'
import { createWorld } from '../support/world.ts'

const store = onPostgres(inject('postgresUrl'))
const psql = findPsql()

describe('beside devices', { timeout: 60_000 }, () => {
  test.skipIf(psql === null)(
    '[I-16] [I-17] psql copies, changes, moves and deletes while devices write: in the end all hold the same',
    async () => {
      const w = await createWorld(store, onTestFinished, { rowsPerPage: 50 })
      const everything = await w.open(manager, { ports: eager })
      const ada = await w.open('ada', { ports: eager })
      const twin = await w.open('ada', { file: 'twin', ports: eager })
      const script = (round: number) => {
        const owner = (row: number) => (row % 2 === 0 ? 'ada' : 'bob')
        const copied = Array.from({ length: 200 }, (_, row) => `sql-${round}-${row}\t${owner(row)}\tCopied ${row}`)
        return `copy leads (id, owner, name) from stdin;
${copied.join('\n')}
\\.
insert into calls (lead, owner, note) select id, owner, 'a call' from leads where id like 'sql-${round}-1%';
begin;
update leads set budget = budget + 1, note = 'by sql' where id like 'sql-%5';
update leads set owner = case owner when 'ada' then 'bob' else 'ada' end where id like 'sql-${round}-%7';
commit;
delete from calls where lead like 'sql-${round}-11%';
delete from leads where id like 'sql-${round}-11%';
update leads set visits = visits + 1 where name like 'Of a device%';`
      }
      const devices = [everything, ada, twin]
      for (let round = 0; round < 4; round += 1) {
        const writing = runPsql(String(psql), w.database.address, script(round))
        for (let turn = 0; turn < 12; turn += 1) {
          const db = devices[turn % devices.length]
          const lead = await db?.leads.create({ owner: 'ada', name: `Of a device ${round} ${turn}` })
          if (lead === undefined) continue
          await db?.leads.increment(lead, { visits: 1 })
          const [seen] =
            (await db?.query((q) => q.selectFrom('leads').select('id').where('note', '=', 'by sql').limit(1))) ?? []
          if (seen !== undefined) await db?.leads.update(seen.id, { note: `seen in ${round}` })
        }
        await writing
      }
      for (const db of devices) await atRest(db)
      // Nobody polls: what psql has committed was announced.
      const [{ count } = {}] = await w.database.read(`select count(*)::int as count from leads`)
      await until(
        'the pokes have brought everything',
        async () => (await everything.query((q) => q.selectFrom('leads').select('id'))).length === count,
      )
      for (const db of devices) {
        await db.sync.now()
        await db.close()
      }
      const truth = await readServer(w.database)
      const ofAda = await readServer(w.database, 'ada')
      expect(Object.keys(truth.rows.leads ?? {}).length).toBeGreaterThan(700)
      expect(hashOf((await readDevice(w.fileOf(manager))).rows)).toBe(hashOf(truth.rows))
      for (const file of ['ada', 'twin'])
        expect(hashOf((await readDevice(w.fileOf(file))).rows)).toBe(hashOf(ofAda.rows))
    },
  )

  test('what another program commits pokes the devices that it concerns', async () => {
    const w = await createWorld(store, onTestFinished)
    const ada = await w.open('ada')
    await ada.sync.now()
    await until('the line is open', () => ada.sync.status.kind === 'idle')
    await w.database.read(`insert into leads (id, owner, name) values ('l1', 'ada', 'by sql')`)
    await until(
      'the lead is there',
      async () => (await ada.query((q) => q.selectFrom('leads').select('id'))).length === 1,
    )
    await w.database.read(`delete from leads where id = 'l1'`)
    await until(
      'the lead is gone',
      async () => (await ada.query((q) => q.selectFrom('leads').select('id'))).length === 0,
    )
  })

  test('[I-14] a transaction of several statements is seen on a device entirely or not at all', async () => {
    const w = await createWorld(store, onTestFinished, { rowsPerPage: 3 })
    const ada = await w.open('ada', { ports: eager })
    await w.database.read(
      `insert into leads (id, owner, name, budget) select 'l' || n, 'ada', 'Lead', 100 from generate_series(0, 9) n`,
    )
    await ada.sync.now()
    const sums = new Set<number>()
    const budgets = new Set<string>()
    ada.watch(
      (q) => q.selectFrom('leads').select('budget').orderBy('id'),
      ({ rows }) => {
        sums.add(rows.reduce((sum, { budget }) => sum + budget, 0))
        budgets.add(rows.map(({ budget }) => budget).join())
      },
    )
    for (let turn = 0; turn < 40; turn += 1) {
      const [from, to] = [turn % 10, (turn * 7 + 1) % 10]
      await w.database.read(`begin; update leads set budget = budget - 5 where id = 'l${from}'; update leads set visits = visits + 1;
        update leads set budget = budget + 5 where id = 'l${to}'; commit`)
      if (turn % 4 === 0) await ada.sync.now()
    }
    await ada.sync.now()
    expect([...sums]).toEqual([1_000])
    expect(budgets.size).toBeGreaterThan(5)
  })

  test('[I-16] rows that no device could have written come all the same, can be mended there, and keep nothing else back', async () => {
    const w = await createWorld(store, onTestFinished)
    const ada = await w.open('ada')
    await w.database.read(
      `insert into leads (id, owner, name, stage, note, budget) values
        ('odd', 'ada', null, 'no such stage', repeat('x', 2000000), -5), ('plain', 'ada', 'Mona', 'won', '', 1)`,
    )
    await ada.sync.now()
    const rows = await ada.query((q) =>
      q.selectFrom('leads').select(['id', 'name', 'stage', 'budget', '$sync']).orderBy('id'),
    )
    expect(rows).toEqual([
      { id: 'odd', name: null, stage: 'no such stage', budget: -5, $sync: 'synced' },
      { id: 'plain', name: 'Mona', stage: 'won', budget: 1, $sync: 'synced' },
    ])
    await ada.leads.update('odd', { name: 'Nora', budget: 7 })
    await atRest(ada)
    expect(await w.database.read(`select name, budget::int, stage from leads where id = 'odd'`)).toEqual([
      { name: 'Nora', budget: 7, stage: 'no such stage' },
    ])
  })

  test('[PW4] [I-19] programs that change one row, and devices that send batches over all of them: no deadlock, and all count', async () => {
    const w = await createSqlWorld(store, sqlSchema, onTestFinished)
    const ids = Array.from({ length: 12 }, (_, n) => `l${n}`)
    await w.sql(ids.map((id) => `insert into leads (id, owner) values ('${id}', 'ali')`).join(';'))
    const devices = [w.wireDevice('manager'), w.wireDevice('agent:ali')]
    const programs = await Promise.all([w.connect(), w.connect(), w.connect()])
    for (const device of devices) await device.sync()
    const turns = 30
    const randoms = programs.map((_, index) => createSeededRandom(index))
    await Promise.all([
      ...programs.map(async (program, index) => {
        for (let turn = 0; turn < turns * 4; turn += 1) {
          const id = ids[Math.floor((randoms[index]?.next() ?? 0) * ids.length)]
          await program.query(`update leads set visits = visits + 1, name = 'sql ${index} ${turn}' where id = '${id}'`)
        }
      }),
      ...devices.map(async (device) => {
        for (let turn = 0; turn < turns; turn += 1) {
          device.write(
            ...ids.toReversed().map((record) => ({
              collection: 'leads',
              record,
              kind: 'increment' as const,
              fields: { visits: 1 },
              at: Date.now(),
            })),
          )
          const outcomes = await device.sync()
          expect(new Set(outcomes.map((outcome) => outcome?.kind))).toEqual(new Set(['applied']))
        }
      }),
    ])
    const [sum] = await w.read('select sum(visits)::int as visits from leads')
    expect(sum).toEqual({ visits: turns * (4 * programs.length + ids.length * devices.length) })
    const [versions] = await w.read('select sum(version)::int as versions from _sidecar_leads')
    expect(versions).toEqual({ versions: ids.length + turns * (4 * programs.length + ids.length * devices.length) })
  })
})
