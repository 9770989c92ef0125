/**
 * What the server says to who may not see, over the protocol and a given store: one answer for what is absent, what is somebody else's and
 * what somebody else has deleted; and nothing on any line that its reader may not know.
 */
import {
  type DeviceId,
  type JsonObject,
  type Operation,
  type OperationKind,
  operationText,
  parseDeviceId,
  parseGeneration,
  parseOperationId,
  parseTransactionId,
  parseUserId,
  rescueText,
  syncRequestText,
} from '@holdfast/core'
import type { GrantedScopes } from '@holdfast/server'
import { yText } from '@holdfast/yjs'
import { v7 } from 'uuid'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { boss, createGrantsWorld, type GrantsWorld } from '../support/grants-world.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { until } from '../support/until.ts'
import type { WireDevice } from '../support/wire-device.ts'

const eve = parseUserId('eve')
const secret = 'zqsecretword'

/** Eve holds agent:eve. Zoe's records are the boss's doing: one of them lives, one was deleted, one never was. */
async function createSecrets(kind: StoreKind) {
  const world = await createGrantsWorld(kind, onTestFinished, { rowsPerPage: 5 })
  world.grants.set('eve', { agent: ['eve'] })
  const lead = world.wireDevice(boss)
  const own = world.wireDevice('eve')
  const at = Date.now()
  const fields = { owner: 'zoe', name: secret, note: secret, body: secret }
  const create = (record: string, more: JsonObject = {}) =>
    lead.write({ collection: 'leads', record, kind: 'create', fields: { ...fields, ...more }, at })
  const ids = { live: v7(), deleted: v7(), absent: v7(), mine: v7() }
  create(ids.live)
  create(ids.deleted)
  create(ids.mine, { owner: 'eve', name: 'plain', note: '', body: '' })
  await lead.sync()
  lead.write({ collection: 'leads', record: ids.deleted, kind: 'delete', at })
  await lead.sync()
  await own.sync()
  return { world, ids, lead, own }
}

/** One thing that Eve tries on a record. */
interface Attempt {
  readonly kind: OperationKind
  readonly fields: JsonObject
  readonly more?: Partial<Operation>
  /** In place of the record itself: it is referred to. */
  readonly refersTo?: boolean
}

const settles = [{ conflict: 'made-up', revision: 1 }]
const attempts: { readonly [name: string]: Attempt } = {
  update: { kind: 'update', fields: { name: 'x' } },
  'update of a field that asks': { kind: 'update', fields: { note: 'x' }, more: { was: { note: secret } } },
  'update that takes it': { kind: 'update', fields: { owner: 'eve' } },
  'update of nothing': { kind: 'update', fields: {} },
  'update that settles': { kind: 'update', fields: {}, more: { settles } },
  increment: { kind: 'increment', fields: { visits: 1 } },
  add: { kind: 'add', fields: { tags: ['x'] } },
  remove: { kind: 'remove', fields: { tags: ['x'] } },
  edit: { kind: 'edit', fields: { body: yText.change(yText.documentOf(secret), `${secret}!`, 7) } },
  delete: { kind: 'delete', fields: {} },
  'delete that settles': { kind: 'delete', fields: {}, more: { settles } },
  restore: { kind: 'restore', fields: {} },
  'restore that settles': { kind: 'restore', fields: { owner: 'eve', name: 'x' }, more: { settles } },
  'a value that is none': { kind: 'update', fields: { visits: 'x' } },
  'a field that is none': { kind: 'update', fields: { nobody: 1 } },
  'a creation below it': { kind: 'create', fields: { text: 'x' }, refersTo: true },
}

function operationOf(
  { kind, fields, more = {}, refersTo = false }: Attempt,
  record: string,
  version: number,
  generation: string,
): Operation {
  return {
    id: parseOperationId(v7()),
    user: eve,
    device: eveDevice,
    seq: 1,
    tx: { id: parseTransactionId(v7()), index: 0, count: 1 },
    collection: refersTo ? 'calls' : 'leads',
    record: refersTo ? v7() : record,
    kind,
    fields: refersTo ? { ...fields, lead: record } : fields,
    was: {},
    base: { generation: version === 0 ? null : parseGeneration(generation), version },
    time: { at: Date.now(), epoch: 0, hlc: { ms: Date.now(), counter: 0 } },
    schemaVersion: 1,
    replaces: [],
    settles: [],
    ...more,
  }
}

const eveDevice: DeviceId = parseDeviceId(v7())

interface Answer {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: string
}

/** Without what differs from request to request by itself: ids that the request named, times, places. */
async function answerTo(
  world: GrantsWorld,
  path: string,
  body: string | null,
  ids: readonly string[],
): Promise<Answer> {
  const headers = { authorization: 'Bearer eve' }
  const init = body === null ? { headers } : { method: 'POST', headers, body }
  const response = await world.server.fetch(new Request(`http://test${path}`, init))
  let text = path.startsWith('/poke') ? '' : await response.text()
  for (const id of ids) text = text.replaceAll(id, '<id>')
  return {
    status: response.status,
    headers: [...response.headers.keys()].sort(),
    body: text.replace(/"(serverTime|through|cursor|place)":("[^"]*"|\d+)/g, '"$1":0'),
  }
}

function requestOf(
  operations: readonly Operation[],
  more: Partial<Parameters<typeof syncRequestText>[0]> = {},
): string {
  return syncRequestText({
    schema: 1,
    user: eve,
    device: eveDevice,
    clock: { nowMs: Date.now(), epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
    cursor: null,
    pull: 'nothing',
    pending: 0,
    previousDevice: null,
    operations: operations.map(operationText),
    ...more,
  })
}

export function describePrivacy(kind: StoreKind): void {
  describe(`what nobody is told on ${kind.name}`, { timeout: 60_000 }, () => {
    describe('[I-22] one answer for absent, not yours and deleted by others', () => {
      test('sync and rescue, with every kind of operation and whatever base it claims', async () => {
        const { world, ids } = await createSecrets(kind)
        const generation = (await world.server.store.standing()).generation
        const targets = [ids.absent, ids.live, ids.deleted]
        for (const [name, attempt] of Object.entries(attempts)) {
          for (const version of [0, 1, 2, 9]) {
            const answers: Answer[] = []
            for (const target of targets) {
              const operation = operationOf(attempt, target, version, generation)
              const asked = [operation.id, operation.record, target]
              answers.push(await answerTo(world, '/sync', requestOf([operation]), asked))
            }
            expect([name, version, answers[1], answers[2]]).toEqual([name, version, answers[0], answers[0]])
            expect(answers[0]?.body).toMatch(/"kind":"rejected"/)
            expect(answers[0]?.body).not.toContain(secret)
          }
          const files: Answer[] = []
          for (const target of targets) {
            const operation = operationOf(attempt, target, 1, generation)
            const file = rescueText({
              user: eve,
              device: eveDevice,
              exportedAt: 1_795_000_000_000,
              schema: 1,
              clock: null,
              items: [{ text: operationText(operation), refused: null }],
            })
            files.push(await answerTo(world, '/rescue', file, [operation.id, operation.record, target]))
          }
          expect([name, files[1], files[2]]).toEqual([name, files[0], files[0]])
        }
      })

      test('a creation meets every record, but is not told whether what has the id is deleted', async () => {
        const { world, ids } = await createSecrets(kind)
        const create: Attempt = { kind: 'create', fields: { owner: 'eve' } }
        const answers: Answer[] = []
        for (const target of [ids.live, ids.deleted]) {
          const operation = operationOf(create, target, 0, '')
          answers.push(await answerTo(world, '/sync', requestOf([operation]), [operation.id, target]))
        }
        expect(answers[1]).toEqual(answers[0])
        expect(answers[0]?.body).toContain('ALREADY_EXISTS')
      })

      test('operations of others, as what is replaced; a device of others, as the previous one and at the pokes', async () => {
        const { world, ids, lead } = await createSecrets(kind)
        const [foreign] = lead.write({
          collection: 'leads',
          record: ids.live,
          kind: 'update',
          fields: { stage: 'won' },
          at: Date.now(),
        })
        await lead.sync()
        if (foreign === undefined) throw new Error('There is one.')
        const replacing: Answer[] = []
        for (const replaced of [parseOperationId(v7()), foreign.id]) {
          const attempt: Attempt = { kind: 'create', fields: { owner: 'eve' }, more: { replaces: [replaced] } }
          const operation = operationOf(attempt, v7(), 0, '')
          replacing.push(await answerTo(world, '/sync', requestOf([operation]), [operation.id]))
        }
        expect(replacing[1]).toEqual(replacing[0])
        expect(replacing[0]?.body).toContain('"kind":"applied"')
        const previous: Answer[] = []
        const pokes: Answer[] = []
        for (const device of [parseDeviceId(v7()), lead.id]) {
          previous.push(await answerTo(world, '/sync', requestOf([], { previousDevice: device }), [device]))
          pokes.push(await answerTo(world, `/poke?device=${device}`, null, [device]))
        }
        expect(previous[1]).toEqual(previous[0])
        expect(pokes[1]).toEqual(pokes[0])
      })

      test('a part of the snapshot of others is as absent as one that never was; their cursor is none', async () => {
        const { world, ids, lead } = await createSecrets(kind)
        for (let index = 0; index < 12; index += 1) {
          lead.write({ collection: 'leads', record: v7(), kind: 'create', fields: { owner: 'zoe' }, at: Date.now() })
        }
        await lead.sync()
        const ask = async () => {
          const body = syncRequestText({
            schema: 1,
            user: parseUserId(boss),
            device: eveDevice,
            clock: { nowMs: Date.now(), epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
            cursor: null,
            pull: 'snapshot',
            pending: 0,
            previousDevice: null,
            operations: [],
          })
          const headers = { authorization: `Bearer ${boss}` }
          const init = { method: 'POST', headers, body }
          return (await world.server.fetch(new Request('http://test/sync', init))).json()
        }
        const { snapshot } = await until('a snapshot is offered', async () => {
          const reply = await ask()
          return reply.snapshot === undefined ? false : reply
        })
        const part = (id: string) => answerTo(world, `/snapshot/${id}/0`, null, [id])
        const [absent, foreign] = [await part(v7()), await part(snapshot.id)]
        expect(foreign).toEqual(absent)
        expect(absent.status).toBe(404)
        const { cursor } = await ask()
        const others = await answerTo(world, '/sync', requestOf([], { cursor: cursor ?? '' }), [])
        const junk = await answerTo(world, '/sync', requestOf([], { cursor: 'a.b.c' }), [])
        expect([others.status, others.body.includes(ids.live)]).toEqual([410, false])
        expect(junk.status).not.toBe(200)
      })

      // Generous, for it runs beside others: two classes of answers would differ by a lock or a statement, which is far more.
      test('and they take as long: medians of 150 pairs are within a third of each other', async () => {
        const { world, ids } = await createSecrets(kind)
        const times = new Map<string, number[]>(Object.entries(ids).map(([name]) => [name, []]))
        for (let round = -10; round < 150; round += 1) {
          const order = ['absent', 'live', 'deleted'] as const
          for (const name of round % 2 === 0 ? order : [...order].reverse()) {
            const operation = operationOf({ kind: 'update', fields: { name: 'x' } }, ids[name], 1, 'none')
            const startMs = performance.now()
            await answerTo(world, '/sync', requestOf([operation]), [])
            if (round >= 0) times.get(name)?.push(performance.now() - startMs)
          }
        }
        const median = (name: string) => (times.get(name) ?? []).sort((a, b) => a - b)[75] ?? 0
        for (const name of ['live', 'deleted']) {
          expect(median(name) / median('absent')).toBeGreaterThan(2 / 3)
          expect(median(name) / median('absent')).toBeLessThan(3 / 2)
        }
      })
    })

    test('[I-22] [I-23] grants and records that change at random: no byte that its reader may not know, and all that they may', async () => {
      for (const seed of [1, 2, 3]) await tellAll(await createHistory(kind, seed), seed)
    })
  })
}

interface History {
  readonly world: GrantsWorld
  readonly lead: WireDevice
  readonly readers: readonly WireDevice[]
}

async function createHistory(kind: StoreKind, seed: number): Promise<History> {
  const world = await createGrantsWorld(kind, onTestFinished, { rowsPerPage: 1 + seed })
  return { world, lead: world.wireDevice(boss), readers: ['ann', 'ben'].map((user) => world.wireDevice(user)) }
}

const owners = ['p', 'q', 'r']
const teams = ['red', 'blue']

interface Row {
  readonly owner: string
  readonly team: string
  readonly word: string
  readonly calls: string[]
  readonly isLive: boolean
}

/** Each value that is ever written is a word of its own; whose it is, is known of every word. */
async function tellAll({ world, lead, readers }: History, seed: number): Promise<void> {
  const random = createSeededRandom(seed)
  const any = <T>(from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T
  const records = Array.from({ length: 8 }, (_, index) => `rec${seed}x${index}`)
  /** Of one that is deleted, what it was last: its calls stay where it was. */
  const now = new Map<string, Row>()
  const words = new Map<string, string>()
  const held = new Map<string, Set<string>>(readers.map(({ user }) => [user, new Set<string>()]))
  let count = 0
  const word = (record: string) => {
    count += 1
    const made = `w${seed}z${count}z`
    words.set(made, record)
    return made
  }
  const holds = (user: string, record: string): boolean => {
    const row = now.get(record)
    const granted = held.get(user)
    return (
      row !== undefined &&
      (granted?.has('all') === true ||
        granted?.has(`agent:${row.owner}`) === true ||
        granted?.has(`team:${row.team}`) === true)
    )
  }
  const grantOf = (user: string): GrantedScopes => {
    const scopes = [...(held.get(user) ?? [])]
    if (scopes.includes('all')) return 'all'
    const of = (name: string) =>
      scopes.flatMap((scope) => (scope.startsWith(`${name}:`) ? [scope.slice(name.length + 1)] : []))
    return { agent: of('agent'), team: of('team') }
  }
  /** `user scope` of every grant, and `record scope` of every place where a record has been. */
  const ever = new Set<string>()
  const scopes = ['all', ...owners.map((owner) => `agent:${owner}`), ...teams.map((team) => `team:${team}`)]
  /** Who had the right to a scope learns of ids that were in it, and of nothing else. */
  const mayKnowOf = (user: string, record: string) =>
    scopes.some((scope) => ever.has(`${user} ${scope}`) && ever.has(`${record} ${scope}`))
  const put = (record: string, row: Row) => {
    now.set(record, row)
    for (const scope of ['all', `agent:${row.owner}`, `team:${row.team}`]) ever.add(`${record} ${scope}`)
  }

  const change = async () => {
    const record = any(records)
    const row = now.get(record)
    const at = Date.now()
    if (row === undefined) {
      const made = { owner: any(owners), team: any(teams), word: word(record), calls: [], isLive: true }
      const { owner, team } = made
      lead.write({ collection: 'leads', record, kind: 'create', fields: { owner, team, name: made.word }, at })
      put(record, made)
    } else if (row.isLive && random.next() < 0.1) {
      lead.write({ collection: 'leads', record, kind: 'delete', at })
      now.set(record, { ...row, isLive: false })
    } else if (row.isLive && random.next() < 0.3) {
      const text = word(record)
      lead.write({ collection: 'calls', record: v7(), kind: 'create', fields: { lead: record, text }, at })
      row.calls.push(text)
    } else if (row.isLive) {
      const next = { ...row, owner: any(owners), team: any(teams), word: word(record) }
      const { owner, team } = next
      lead.write({ collection: 'leads', record, kind: 'update', fields: { owner, team, name: next.word }, at })
      put(record, next)
    }
    await lead.sync()
  }
  const regrant = () => {
    const { user } = any(readers)
    const granted = held.get(user)
    const scope = any(scopes)
    if (granted?.delete(scope) === false) granted.add(scope)
    ever.add(`${user} ${scope}`)
    world.grants.set(user, grantOf(user))
  }
  const sync = async (reader: WireDevice) => {
    const from = reader.replies.length
    await reader.sync()
    const told = reader.replies.slice(from).join('\n')
    for (const found of told.match(/w\d+z\d+z/g) ?? []) {
      const record = words.get(found) ?? ''
      // What is in a record now may be told, and of what is decided about it what was in it before.
      expect([reader.user, found, holds(reader.user, record)]).toEqual([reader.user, found, true])
    }
    for (const [, record = ''] of told.matchAll(/"(rec\d+x\d+)",\d+,"left"/g)) {
      expect([reader.user, record, mayKnowOf(reader.user, record)]).toEqual([reader.user, record, true])
    }
  }
  const expectWhole = (reader: WireDevice) => {
    const expected = records.filter((record) => holds(reader.user, record))
    expect([...reader.held('leads')].map(([id, { values }]) => [id, values.fields.name]).sort()).toEqual(
      expected.flatMap((record) => (now.get(record)?.isLive ? [[record, now.get(record)?.word]] : [])).sort(),
    )
    expect([...reader.held('calls').values()].map(({ values }) => values.fields.text).sort()).toEqual(
      expected.flatMap((record) => now.get(record)?.calls ?? []).sort(),
    )
  }

  for (let step = 0; step < 80; step += 1) {
    const chance = random.next()
    if (chance < 0.5) await change()
    else if (chance < 0.7) regrant()
    if (chance >= 0.7) {
      const reader = any(readers)
      await sync(reader)
      expectWhole(reader)
    }
  }
  for (const reader of readers) {
    await sync(reader)
    expectWhole(reader)
  }
}
