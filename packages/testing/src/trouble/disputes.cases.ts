/** Random work of two teams and of one who moves records between them, on a given store: what is open and what was decided stays with its record. */
import {
  conflictsCollection,
  decisionsCollection,
  isSystemCollection,
  type Json,
  type JsonObject,
  sameJson,
  subjectOf,
  wholeSide,
} from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { createMergingWorld, mergingSchema, startMs } from '../support/merging-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { type HeldRow, inWords, type WireDevice, type Write } from '../support/wire-device.ts'

const names = ['fields', 'manual', 'causalAsk', 'wholeManual', 'deleteAsk', 'editWins', 'allHistory'] as const
const records = ['0', '1', '2']
const teams = ['red', 'blue'] as const
const stepsMax = 400

export function describeDisputes(store: StoreKind, seeds: readonly number[]): void {
  describe(`disputes on ${store.name}`, { timeout: 120_000 }, () => {
    test.each(seeds)('[I-16] [I-18] [CF1] [CF2] [SC1] [SC2] random work, seed %i', async (seed) => {
      const { next } = createSeededRandom(seed)
      const pick = <T>(all: readonly T[]): T => {
        const one = all[Math.floor(next() * all.length)]
        if (one === undefined) throw new Error('There is nothing to choose from.')
        return one
      }
      const world = await createMergingWorld(store, onTestFinished)
      const boss = world.device('boss')
      const workers = teams.flatMap((team) => [world.device(`ann@${team}`), world.device(`ben@${team}`)])
      const devices = [boss, ...workers]
      const told = new Map<string, number>()
      const sync = async (device: WireDevice) => {
        for (const outcome of (await device.sync()).map(inWords)) {
          const kind = outcome.split(' ')[0] ?? ''
          told.set(kind, (told.get(kind) ?? 0) + 1)
        }
      }

      for (const collection of names) {
        for (const [index, record] of records.entries()) {
          const team = teams[index % 2] ?? 'red'
          boss.write({ collection, record: `${collection}${record}`, kind: 'create', fields: { team }, at: startMs })
        }
      }
      await sync(boss)
      for (const device of devices) await sync(device)

      for (let step = 1; step <= stepsMax; step += 1) {
        const device = pick(devices)
        const at = startMs + step * 10 + Math.floor(next() * 200)
        const write = chooseWrite(device, at, { next, pick })
        if (write !== null) device.write(...write)
        if (next() < 0.35) await sync(device)
      }
      for (const device of devices) await sync(device)
      for (const device of devices) await sync(device)

      // What came bit by bit is what comes at once.
      const fresh = new Map<string, WireDevice>()
      for (const device of devices) {
        const late = world.device(device.user)
        await sync(late)
        fresh.set(device.user, late)
        for (const name of [...names, conflictsCollection, decisionsCollection]) {
          expect([device.user, name, sorted(device, name)]).toEqual([device.user, name, sorted(late, name)])
        }
      }

      const all = fresh.get('boss') ?? boss
      const open = [...all.held(conflictsCollection)].map(openOf)
      const questions = open.map(({ subject, field, localDevice }) => JSON.stringify([subject, field, localDevice]))
      expect(new Set(questions).size).toBe(questions.length)
      for (const { collection, record, field, local, remote } of open) {
        expect(sameJson(local, remote)).toBe(false)
        const row = all.held(collection).get(record)?.values.fields
        if (row === undefined) expect(remote).toBe(null)
        else if (field === '') expect(row).toMatchObject(wholeSide(remote) ?? {})
        else expect(sameJson(remote, row[field])).toBe(true)
      }

      for (const team of teams) {
        const member = fresh.get(`ann@${team}`) ?? boss
        const isHere = (collection: string, record: string) => member.held(collection).has(record)
        const isElsewhere = (collection: string, record: string) =>
          all.held(collection).has(record) && !isHere(collection, record)
        for (const { id, collection, record } of open) {
          if (isHere(collection, record)) expect(member.held(conflictsCollection).has(id)).toBe(true)
          if (isElsewhere(collection, record)) expect(member.held(conflictsCollection).has(id)).toBe(false)
        }
        for (const name of [conflictsCollection, decisionsCollection]) {
          for (const [id, row] of member.held(name)) {
            const { collection, record } = openOf([id, row])
            expect(isElsewhere(collection, record)).toBe(false)
            expect(all.held(name).get(id)).toEqual(row)
          }
        }
        for (const record of member.held('allHistory').keys()) {
          expect(about(member, subjectOf('allHistory', record))).toEqual(about(all, subjectOf('allHistory', record)))
        }
      }

      // The walk went where it was meant to go.
      expect(told.get('conflict')).toBeGreaterThan(10)
      expect(told.get('merged')).toBeGreaterThan(5)
      expect(told.get('applied')).toBeGreaterThan(50)
      expect(told.get('none')).toBe(undefined)
      const settled = [...all.held(decisionsCollection).values()].filter(({ values }) => values.fields.settledUser)
      expect(settled.length).toBeGreaterThan(3)
    })
  })
}

interface Open {
  readonly id: string
  readonly subject: string
  readonly collection: string
  readonly record: string
  readonly field: string
  readonly revision: number
  readonly localDevice: string
  readonly local: Json
  readonly remote: Json
}

/** A conflict's row, or what a decision's has of it. */
function openOf([id, { values }]: readonly [string, HeldRow]): Open {
  const { subject, collection, record, field, revision, localDevice, local = null, remote = null } = values.fields
  return {
    id,
    subject: String(subject),
    collection: String(collection),
    record: String(record),
    field: String(field),
    revision: Number(revision),
    localDevice: String(localDevice),
    local,
    remote,
  }
}

interface Dice {
  next(): number
  pick<T>(all: readonly T[]): T
}

/** One app transaction of what this device could do now; null: nothing. */
function chooseWrite(device: WireDevice, at: number, { next, pick }: Dice): readonly Write[] | null {
  const open = [...device.held(conflictsCollection)]
  if (open.length > 0 && next() < 0.2) {
    return [settlement(device, openOf(pick(open)), { at, value: `settled ${at}`, isKept: next() < 0.5 })]
  }
  const collection = pick(names)
  const held = [...device.held(collection).keys()]
  if (held.length === 0) return null
  const write = (kind: Write['kind'], fields: JsonObject = {}): Write => ({
    collection,
    record: pick(held),
    kind,
    fields,
    at,
  })
  if (device.user === 'boss') {
    return [write('update', { team: pick(teams), ...(next() < 0.5 ? { title: `boss ${at}` } : {}) })]
  }
  const dice = next()
  if (dice < 0.08 && collection.endsWith('Ask')) return [write('delete')]
  if (dice < 0.1) return [write('delete')]
  const known = Object.keys(mergingSchema.collections[collection]?.fields ?? {})
  const writable = ['title', 'stage', 'note', 'log'].filter((name) => known.includes(name))
  const update = () => write('update', { [pick(writable)]: `${device.user} ${at}` })
  return dice < 0.3 ? [update(), update()] : [update()]
}

function settlement(
  device: WireDevice,
  { id, collection, record, field, revision, local }: Open,
  { at, value, isKept }: { readonly at: number; readonly value: string; readonly isKept: boolean },
): Write {
  const given = { collection, record, at, settles: [{ conflict: id, revision }] }
  const isThere = device.held(collection).has(record)
  if (field !== '') return { ...given, kind: 'update', fields: isKept ? {} : { [field]: value } }
  const side = wholeSide(local)
  if (!isThere) return isKept ? { ...given, kind: 'delete' } : { ...given, kind: 'restore', fields: side ?? {} }
  if (side === null) return isKept ? { ...given, kind: 'update', fields: {} } : { ...given, kind: 'delete' }
  return { ...given, kind: 'update', fields: isKept ? {} : { title: value } }
}

function sorted(device: WireDevice, name: string) {
  expect(isSystemCollection(name) || names.some((known) => known === name)).toBe(true)
  return [...device.held(name)].sort(([a], [b]) => (a < b ? -1 : 1))
}

function about(device: WireDevice, subject: string) {
  return [conflictsCollection, decisionsCollection].map((name) =>
    sorted(device, name).filter(([, { values }]) => values.fields.subject === subject),
  )
}
