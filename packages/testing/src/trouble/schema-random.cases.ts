/** Apps of three versions and a server that is updated between them, in an order by chance: nobody's work is lost, and all end alike. */
import type { Client } from '@holdfast/client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { pass } from '../support/front.ts'
import {
  boss,
  createSchemaWorld,
  type FirstClient,
  firstSchema,
  type SchemaWorld,
  type SecondClient,
  secondSchema,
  type ThirdClient,
  thirdSchema,
} from '../support/schema-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { atRest } from '../support/until.ts'

/** An app as it is installed now. */
type App =
  | { readonly file: string; readonly version: 1; readonly db: FirstClient }
  | { readonly file: string; readonly version: 2; readonly db: SecondClient }
  | { readonly file: string; readonly version: 3; readonly db: ThirdClient }

const schemas = [firstSchema, secondSchema, thirdSchema] as const
const turns = 60

export function describeSchemaRandom(store: StoreKind, seeds: readonly number[]): void {
  describe(`schema changes by chance on ${store.name}`, { timeout: 60_000 }, () => {
    test.each(seeds)('[L-5] [I-5] [I-16] seed %i: each write counts once, and all end with the same', async (seed) => {
      const random = createSeededRandom(seed)
      const below = (n: number) => Math.floor(random.next() * n)
      const w = await createSchemaWorld(store, onTestFinished, firstSchema)
      const apps: App[] = []
      for (const file of ['one', 'two', 'three']) apps.push(await install(w, file, 1))
      let server = 1
      const meetings = new Map<string, number>()
      const tags = new Map<string, Set<string>>()
      let lost = 0
      w.front.answerBy(({ ids }) => {
        const isLost = ids.length > 0 && random.next() < 0.3
        if (isLost) lost += 1
        return isLost ? { kind: 'lose' } : pass
      })
      for (let turn = 0; turn < turns; turn += 1) {
        const place = below(apps.length)
        const app = apps[place]
        if (app === undefined) throw new Error('There is no app.')
        const known = await idsOn(app)
        const id = known[below(known.length)]
        const roll = below(20)
        if (roll === 0 && server < 3) {
          server += 1
          await w.serve(schemas[server - 1] ?? thirdSchema)
        } else if (roll <= 2 && app.version < 3) {
          await app.db.close()
          apps[place] = await install(w, app.file, app.version === 2 || below(2) === 0 ? 3 : 2)
        } else if (roll <= 5) {
          await app.db.sync.now()
        } else if (roll === 6 || id === undefined) {
          meetings.set(await createOn(app, `Mary Ann ${turn}`), 0)
        } else if (roll <= 9) {
          await incrementOn(app, id)
          meetings.set(id, (meetings.get(id) ?? 0) + 1)
        } else if (roll <= 12) {
          await addOn(app, id, `t${turn}`)
          tags.set(id, (tags.get(id) ?? new Set()).add(`t${turn}`))
        } else {
          await updateOn(app, id, { turn, what: below(4) })
        }
      }
      w.front.answerBy(() => pass)
      await w.serve(thirdSchema)
      const updated: ThirdClient[] = []
      for (const app of apps) {
        await app.db.close()
        const { db } = await install(w, app.file, 3)
        updated.push(db)
      }
      await settleAll(updated)
      const [first, ...others] = await Promise.all([...updated, (await install(w, 'fresh', 3)).db].map(rowsOf))
      for (const rows of others) expect(rows).toEqual(first)
      expect(first?.length).toBe(meetings.size)
      for (const { id, meetings: met, tags: seen } of first ?? []) {
        expect([id, met]).toEqual([id, meetings.get(id)])
        expect(seen).toEqual([...(tags.get(id) ?? [])].sort())
      }
      for (const db of updated) expect(await db.inbox.list()).toEqual([])
      expect(lost).toBeGreaterThan(0)
    })
  })
}

function install(w: SchemaWorld, file: string, version: 3): Promise<Extract<App, { version: 3 }>>
function install(w: SchemaWorld, file: string, version: 1 | 2 | 3): Promise<App>
async function install(w: SchemaWorld, file: string, version: 1 | 2 | 3): Promise<App> {
  switch (version) {
    case 1:
      return { file, version, db: await w.open(firstSchema, boss, { file }) }
    case 2:
      return { file, version, db: await w.open(secondSchema, boss, { file }) }
    case 3:
      return { file, version, db: await w.open(thirdSchema, boss, { file }) }
  }
}

async function idsOn({ db }: App): Promise<readonly string[]> {
  // The columns that all versions have.
  const rows = await (db as Client<typeof firstSchema>).query((q) => q.selectFrom('leads').select('id').orderBy('id'))
  return rows.map(({ id }) => id)
}

function createOn({ version, db }: App, name: string): PromiseLike<string> {
  if (version === 3) return db.leads.create({ owner: 'ada', first: name, last: 'Lee' })
  return db.leads.create({ owner: 'ada', name })
}

function incrementOn({ version, db }: App, id: string): PromiseLike<void> {
  return version === 1 ? db.leads.increment(id, { visits: 1 }) : db.leads.increment(id, { meetings: 1 })
}

function addOn({ version, db }: App, id: string, text: string): PromiseLike<void> {
  return version === 1 ? db.leads.add(id, { labels: [text] }) : db.leads.add(id, { tags: [text] })
}

function updateOn(
  app: App,
  id: string,
  { turn, what }: { readonly turn: number; readonly what: number },
): PromiseLike<void> {
  const text = `${turn}`
  switch (app.version) {
    case 1:
      return app.db.leads.update(
        id,
        [{ name: `Nour ${text}` }, { phone: text }, { notes: text }, { budget: text }][what] ?? {},
      )
    case 2:
      return app.db.leads.update(
        id,
        [{ name: `Nour ${text}` }, { phoneNumber: text }, { remarks: text }, { budget: text }][what] ?? {},
      )
    case 3:
      return app.db.leads.update(
        id,
        [{ first: `Mary Ann ${text}` }, { phoneNumber: text }, { remarks: text }, { price: turn }][what] ?? {},
      )
  }
}

/** Until nothing waits and nothing is in question on any of them. */
async function settleAll(clients: readonly ThirdClient[]): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    for (const db of clients) {
      await db.sync.now()
      await atRest(db)
    }
    let open = 0
    for (const db of clients) {
      const conflicts = await db.conflicts.list()
      open += conflicts.length
      // Two about one field are one question.
      const answers = new Map(conflicts.map(({ record, field, remote }) => [`${record} ${field}`, remote]))
      const results = conflicts.map(({ id, record, field }) => [id, answers.get(`${record} ${field}`) ?? null])
      if (conflicts.length > 0) await db.conflicts.settle(Object.fromEntries(results))
      await atRest(db)
    }
    if (open === 0) return
  }
  throw new Error('The questions do not end.')
}

async function rowsOf(db: ThirdClient) {
  await db.sync.now()
  await atRest(db)
  return db.query((q) => q.selectFrom('leads').selectAll().orderBy('id'))
}
