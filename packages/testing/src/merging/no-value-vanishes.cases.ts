/**
 * Random work of three people on three devices, through the real client and the real server, under every strategy at once. In the
 * end each value that somebody wrote is in its record, was written over or deleted by somebody who was shown it, or is in a
 * decision, an open conflict or an inbox; and the devices agree.
 */
import type { Client, InboxItem } from '@holdfast/client'
import {
  canonicalJson,
  causal,
  collection,
  defineSchema,
  type Json,
  type MergeOption,
  parseUserId,
  t,
  wholeRecord,
} from '@holdfast/core'
import { createServer, serve } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { type StoreKind, storeAt } from '../support/store-kind.ts'
import { createDevices } from '../support/world.ts'

const leads = (merge: MergeOption, deletes: 'deleteWins' | 'editWins' | 'ask') =>
  collection({
    fields: { a: t.text({ default: '' }), b: t.text({ default: '' }), visits: t.counter(), tags: t.set() },
    merge,
    deletes,
  })

const schema = defineSchema({
  version: 1,
  collections: {
    byField: leads('fields', 'deleteWins'),
    latest: leads('lww', 'ask'),
    arrival: leads('serverTime', 'editWins'),
    office: leads('serverWins', 'deleteWins'),
    device: leads('clientWins', 'ask'),
    asked: leads('manual', 'ask'),
    askedLater: leads('manual', 'deleteWins'),
    joined: leads(({ local, remote }) => `${remote}+${local}`, 'editWins'),
    known: leads('causal', 'deleteWins'),
    knownAsked: leads(causal('ask'), 'ask'),
    wholeLatest: leads(wholeRecord('lww'), 'editWins'),
    wholeAsked: leads(wholeRecord('manual'), 'ask'),
  },
})
type Name = keyof typeof schema.collections
type Db = Client<typeof schema>
const names = Object.keys(schema.collections) as readonly Name[]

interface Held {
  readonly name: string
  readonly record: string
  readonly field: string
  readonly value: Json
}

export function describeNoValueVanishes(store: StoreKind, seeds: readonly number[]): void {
  describe(`no value vanishes on ${store.name}`, { timeout: 120_000 }, () => {
    test.each(seeds)('[I-19] [C1] [C5] through the real client and server, seed %i', async (seed) => {
      const devices = await createPeople(store)
      const work = createWork(seed)
      const ids = new Map<Name, string>()
      for (const name of names) ids.set(name, await devices[0].db[name].create({ a: 'a0', b: 'b0' }))
      await meet(devices)
      await meet(devices)
      for (let step = 0; step < stepsMax; step += 1) {
        const person = work.pick(devices)
        if (work.next() < 0.15) await meet([person])
        else await work.act(person, work.pick(names), ids)
      }
      await meet(devices)
      await meet(devices)
      await expectAgreement(devices, ids)
      await expectAllAccounted(devices, ids, work.written)
    })
  })
}

const stepsMax = 400

interface Person {
  readonly user: string
  readonly db: Db
}

async function createPeople(store: StoreKind): Promise<readonly [Person, Person, Person]> {
  const database = await store.create()
  const server = createServer({
    schema,
    store: storeAt(database.address),
    authenticate: async (request) => ({
      userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
      claims: {},
    }),
    scopes: () => 'all',
    logLevel: 'silent',
  })
  const serving = await serve(server, { port: 0, host: '127.0.0.1' })
  onTestFinished(async () => {
    await serving.close()
    await database.drop()
  })
  const devices = createDevices(onTestFinished)
  const open = async (user: string): Promise<Person> => {
    const db = await devices.open(schema, user, { url: serving.url })
    await db.sync.pause()
    return { user, db }
  }
  return [await open('ann'), await open('ben'), await open('cem')]
}

/** One after the other, each to the end. */
async function meet(people: readonly Person[]): Promise<void> {
  for (const { db } of people) {
    await db.sync.resume()
    await db.sync.now()
    await db.sync.pause()
  }
}

async function rowOf(db: Db, name: Name, id: string) {
  const [row] = await db.query((q) => q.selectFrom(name).selectAll().where('id', '=', id))
  return row ?? null
}

function createWork(seed: number) {
  const { next } = createSeededRandom(seed)
  const pick = <T>(list: readonly T[]): T => {
    const picked = list[Math.floor(next() * list.length)]
    if (picked === undefined) throw new Error('A pick needs a list with something in it.')
    return picked
  }
  const written: Held[] = []
  /** What somebody was shown and wrote over or deleted; what a person decided about. */
  const seen = new Set<string>()
  const decided = new Map<string, Held>()
  let n = 0

  async function act({ user, db }: Person, name: Name, ids: ReadonlyMap<Name, string>): Promise<void> {
    const id = ids.get(name) ?? ''
    const row = await rowOf(db, name, id)
    n += 1
    const roll = next()
    const held = (field: string, value: Json): Held => ({ name, record: id, field, value })
    if (roll < 0.15) {
      await settleOne({ user, db }, name)
    } else if (row === null) {
      if (roll < 0.4) await db[name].restore(id).then(undefined, ignoreGone)
    } else if (roll < 0.65) {
      const patch = pick([
        { a: `a ${user} ${n}` },
        { b: `b ${user} ${n}` },
        { a: `a ${user} ${n}`, b: `b ${user} ${n}` },
      ])
      await db[name].update(id, patch)
      for (const [field, value] of Object.entries(patch)) written.push(held(field, value))
      for (const field of Object.keys(patch)) seen.add(keyOf(held(field, field === 'a' ? row.a : row.b)))
    } else if (roll < 0.75) {
      await db[name].increment(id, { visits: 1 })
    } else if (roll < 0.9) {
      const tags = [pick(['x', 'y', 'z'])]
      await (next() < 0.6 ? db[name].add(id, { tags }) : db[name].remove(id, { tags }))
    } else {
      await db[name].delete(id)
      for (const [field, value] of [['a', row.a] as const, ['b', row.b] as const]) seen.add(keyOf(held(field, value)))
    }
  }

  async function settleOne({ user, db }: Person, name: Name): Promise<void> {
    const open = (await db.conflicts.list()).filter((item) => item.collection === name)
    if (open.length === 0) return
    const { id, record, field, local, remote } = pick(open)
    const fresh = `settled ${user} ${n}`
    const third = field !== '' ? fresh : next() < 0.5 ? null : { ...objectOf(remote ?? local), a: fresh }
    const result = pick([local, remote, third])
    const row = await rowOf(db, name, record)
    await db.conflicts.settle({ [id]: result })
    // Both sides were shown, beside what this device shows; what was decided is written.
    const shown = row === null ? null : field === '' ? { a: row.a, b: row.b } : row[field === 'a' ? 'a' : 'b']
    for (const side of [local, remote, shown]) for (const one of heldIn(name, record, field, side)) seen.add(keyOf(one))
    if (result === null) return
    // What somebody decides about a field takes the place of what the same person decided about it before.
    for (const one of heldIn(name, record, field, result)) {
      const place = `${user} ${name} ${one.field}`
      const before = decided.get(place)
      if (before !== undefined) seen.add(keyOf(before))
      decided.set(place, one)
      if (one.value === fresh) written.push(one)
    }
  }

  return { next, pick, act, written: { all: written, seen } }
}

/** A device may have heard meanwhile that the record is not its to restore. */
function ignoreGone(error: unknown): void {
  if (!(error instanceof Error) || !/NOT_FOUND|UsageError|RECORD_DELETED/.test(`${error.name} ${error.message}`))
    throw error
}

/** Where nobody has a question of the own open, all see the same; questions and decisions are the same for all. */
async function expectAgreement(people: readonly Person[], ids: ReadonlyMap<Name, string>): Promise<void> {
  const asked = await Promise.all(
    people.map(async ({ db }) => (await db.conflicts.list()).map(({ isOwn: _, ...item }) => item).toSorted(byId)),
  )
  for (const list of asked) expect(list).toEqual(asked[0])
  for (const [name, id] of ids) {
    const shown = []
    for (const { db } of people) {
      const row = await rowOf(db, name, id)
      const own = (await db.conflicts.list()).some(({ collection: of, isOwn }) => of === name && isOwn)
      if (!own) shown.push(row)
    }
    // A device of whose writes something was refused marks the record; the values are the same.
    const values = shown.map((row) => row && { ...row, $sync: 'synced' })
    for (const row of values) expect(row, name).toEqual(values[0])
    const histories = await Promise.all(people.map(({ db }) => db.history.list(name, id)))
    for (const history of histories) expect(history, name).toEqual(histories[0])
  }
}

async function expectAllAccounted(
  people: readonly Person[],
  ids: ReadonlyMap<Name, string>,
  { all, seen }: { readonly all: readonly Held[]; readonly seen: ReadonlySet<string> },
): Promise<void> {
  const kept = new Set(seen)
  const keep = (name: string, record: string, field: string, value: Json) => {
    for (const one of heldIn(name, record, field, value)) kept.add(keyOf(one))
  }
  for (const { db } of people) {
    for (const [name, id] of ids) {
      const row = await rowOf(db, name, id)
      // Of fields in question the device shows its own side; what the server has is in the conflict.
      const own = (await db.conflicts.list()).filter(({ collection: of, isOwn }) => of === name && isOwn)
      const isServers = (field: string) => !own.some(({ field: of }) => of === field || of === '')
      if (row !== null && isServers('a')) keep(name, id, 'a', row.a)
      if (row !== null && isServers('b')) keep(name, id, 'b', row.b)
      for (const { field, local, remote, result } of await db.history.list(name, id)) {
        for (const side of [local, remote, result]) keep(name, id, field, side)
      }
    }
    for (const { collection: name, record, field, local, remote } of await db.conflicts.list()) {
      for (const side of [local, remote]) keep(name, record, field, side)
    }
    const refused: readonly InboxItem[] = (await db.inbox.list()).flatMap(({ items }) => items)
    for (const { collection: name, record, fields } of refused) keep(name, record, '', fields)
  }
  expect(all.length).toBeGreaterThan(50)
  expect(all.filter((one) => !kept.has(keyOf(one)))).toEqual([])
}

function heldIn(name: string, record: string, field: string, value: Json): readonly Held[] {
  if (field !== '') return [{ name, record, field, value }]
  return Object.entries(objectOf(value)).map(([one, inside]) => ({ name, record, field: one, value: inside }))
}

function objectOf(value: Json): { readonly [field: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [field: string]: Json })
    : {}
}

function keyOf({ name, record, field, value }: Held): string {
  return canonicalJson([name, record, field, value])
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1
}
