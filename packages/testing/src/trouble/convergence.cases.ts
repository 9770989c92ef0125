/** Who read what before writing what, and that in the end all hold the same, on a given store of the server. */
import type { RecordId } from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { eager } from '../support/eager.ts'
import { pass } from '../support/front.ts'
import { manager } from '../support/lead-server.ts'
import type { StoreKind, TestDatabase } from '../support/store-kind.ts'
import { hashOf, readDevice, readServer } from '../support/truth.ts'
import { atRest } from '../support/until.ts'
import { createWorld, type LeadClient } from '../support/world.ts'

/** A program that writes the server's tables; null: this store has none. */
export type OtherProgram = ((database: TestDatabase, sql: string) => Promise<void>) | null

export function describeConvergence(store: StoreKind, seeds: readonly number[], program: OtherProgram): void {
  describe(`convergence on ${store.name}`, { timeout: 60_000 }, () => {
    test.each(seeds)(
      '[I-15] no device shows what was written after reading without what was read (seed %i)',
      async (seed) => {
        const w = await createWorld(store, onTestFinished, { rowsPerPage: 3 })
        const random = createSeededRandom(seed)
        const files = ['one', 'two', 'three', 'four']
        const devices = await Promise.all(files.map((file) => w.open('ada', { file, ports: eager })))
        const chain = await Promise.all(
          devices.map((db, link) => db.leads.create({ owner: 'ada', name: `Link ${link}` })),
        )
        for (const db of [...devices, ...devices]) await settled(db)
        const [shown, broken] = [new Set<string>(), new Set<string>()]
        for (const db of devices) {
          db.watch(
            (q) => q.selectFrom('leads').select('budget').where('name', 'like', 'Link %').orderBy('name'),
            ({ rows }) => {
              const budgets = rows.map(({ budget }) => budget)
              shown.add(budgets.join())
              if (budgets.some((budget, link) => budget > (budgets[link - 1] ?? budget))) broken.add(budgets.join())
            },
          )
        }
        // Each device copies into its own link what it shows of the link before; the first counts up.
        for (let turn = 1; turn <= 50; turn += 1) {
          const link = Math.floor(random.next() * devices.length)
          const [db, own, before] = [devices[link], chain[link], chain[link - 1]]
          if (db === undefined || own === undefined) throw new Error('There is a device for each link.')
          if (before === undefined && program !== null) {
            await program(w.database, `update leads set budget = ${turn} where id = '${own}'`)
          } else {
            await db.leads.update(own, { budget: before === undefined ? turn : await budgetOf(db, before) })
          }
          await db.leads.create({ owner: 'ada', name: `Filler ${turn}` })
          if (turn % 4 === 0) await devices[Math.floor(random.next() * devices.length)]?.sync.now()
          await new Promise(setImmediate)
        }
        for (const db of devices) await settled(db)
        expect([...broken]).toEqual([])
        expect(shown.size).toBeGreaterThan(5)
      },
    )

    test.each(seeds)(
      '[I-17] when nobody writes and all have synced, devices of one scope and the server hold the same, and nothing waits (seed %i)',
      async (seed) => {
        const w = await createWorld(store, onTestFinished, { rowsPerPage: 7 })
        const random = createSeededRandom(seed)
        const below = (max: number) => Math.floor(random.next() * max)
        const homes = [
          ['ada', 'ada'],
          ['ada', 'twin'],
          ['bob', 'bob'],
          [manager, manager],
          [manager, 'second'],
        ] as const
        const devices = await Promise.all(
          homes.map(([user, file]) => w.open(user, { file, url: w.front.url, ports: eager })),
        )
        // Replies are lost, and requests.
        w.front.answerBy(() => ([{ kind: 'lose' }, { kind: 'drop' }] as const)[below(12)] ?? pass)
        for (let turn = 0; turn < 150; turn += 1) {
          const index = below(devices.length)
          const [db, user] = [devices[index], homes[index]?.[0]]
          if (db === undefined || user === undefined) continue
          await writeSomething(db, user, { turn, below })
          if (program !== null && turn % 10 === 0) {
            await program(w.database, otherWrites(turn))
          }
          if (turn % 5 === 0) await new Promise(setImmediate)
        }
        w.front.answerBy(() => pass)
        for (const db of [...devices, ...devices]) await settled(db)
        for (const db of devices) await db.close()
        for (const [user, file] of homes) {
          const { rows, operations } = await readDevice(w.fileOf(file))
          const truth = await readServer(w.database, user === manager ? null : user)
          expect(hashOf(rows), file).toBe(hashOf(truth.rows))
          expect(operations.filter(({ place }) => place === '_outbox')).toEqual([])
        }
        const { rows } = await readServer(w.database)
        expect(Object.keys(rows.leads ?? {}).length).toBeGreaterThan(20)
      },
    )
  })
}

async function writeSomething(
  db: LeadClient,
  user: string,
  { turn, below }: { readonly turn: number; readonly below: (max: number) => number },
): Promise<void> {
  const leads = await db.query((q) => q.selectFrom('leads').select('id').orderBy('id'))
  const owner = user === manager ? (below(2) === 0 ? 'ada' : 'bob') : user
  const id = leads[below(leads.length + 1)]?.id
  const action = below(8)
  if (id === undefined || action < 2) {
    await db.leads.create({ owner, name: `Of ${user} ${turn}` })
    return
  }
  await actOn(db, id, { action, turn, owner })
}

async function actOn(
  db: LeadClient,
  id: RecordId,
  { action, turn, owner }: { readonly action: number; readonly turn: number; readonly owner: string },
): Promise<void> {
  switch (action) {
    case 2:
      await db.leads.increment(id, { visits: 1 })
      break
    case 3:
      await db.calls.create({ lead: id, owner, note: `${turn}` })
      break
    case 4:
      await db.leads.delete(id)
      break
    case 5:
      await db.leads.update(id, { owner: turn % 2 === 0 ? 'ada' : 'bob' })
      break
    default:
      await db.leads.update(id, { note: `note ${turn}`, budget: turn })
  }
}

function otherWrites(turn: number): string {
  return [
    `insert into leads (id, owner, name) select 'sql-${turn}-' || n, case n % 2 when 0 then 'ada' else 'bob' end, 'by sql' from generate_series(1, 5) n`,
    `update leads set budget = budget + 1, owner = case owner when 'ada' then 'bob' else 'ada' end where abs(hashtext(id)) % 5 = ${turn % 5}`,
    `delete from leads where id like 'sql-%-3'`,
  ].join(';')
}

async function budgetOf(db: LeadClient, id: string): Promise<number> {
  const [lead] = await db.query((q) => q.selectFrom('leads').select('budget').where('id', '=', id))
  return lead?.budget ?? 0
}

async function settled(db: LeadClient): Promise<void> {
  await db.sync.now()
  await atRest(db)
}
