/** Batches of many devices in one transaction: on every store. */
import {
  collection,
  defineSchema,
  EngineError,
  type Operation,
  operationText,
  parseDeviceId,
  parseGeneration,
  parseJson,
  parseOutcome,
  parseUserId,
  t,
  withSystemCollections,
} from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Scope, ServerStore, StoreTransaction } from '../ports/server-store.ts'
import { createDevice, inWords, lead, nowMs, schema, unit } from '../server.test.kit.ts'
import { nodeSystem } from '../system/node-system.ts'
import { noAftermath } from './aftermath.ts'
import { type Batch, recordBytesMax } from './apply-push.ts'
import { type Committer, createCommitter } from './committer.ts'
import type { DatabaseUnderTest } from './push-group.cases.ts'
import {
  type BatchAnswer,
  type BatchResult,
  cutsMax,
  type GroupCommit,
  type PushPorts,
  pushGroup,
} from './push-group.ts'
import { unitsOf } from './units.ts'

export function describeCommitter(name: string, makeDatabase: () => Promise<DatabaseUnderTest>): void {
  describe(`${name}, the committer`, () => {
    let database: DatabaseUnderTest
    let store: ServerStore
    let commits: GroupCommit[]
    let ports: PushPorts

    beforeEach(async () => {
      database = await makeDatabase()
      store = database.store(schema)
      await store.open()
      commits = []
      ports = {
        schema: withSystemCollections(schema),
        store,
        system: nodeSystem,
        onCommit: (commit) => commits.push(commit),
      }
    })
    afterEach(async () => {
      await store.close()
      await database.dispose()
    })

    const run = async (batches: readonly Batch[], more: Partial<PushPorts> = {}) => {
      const results = new Map<Batch, BatchResult | EngineError>()
      const answer = (given: BatchAnswer | null) => given !== null && results.set(given.batch, given.result)
      for (const { batch, step } of await pushGroup({ ...ports, ...more }, batches, answer)) {
        while (!results.has(batch)) answer(await step())
      }
      return batches.map((batch) => results.get(batch))
    }
    const push = async (batches: readonly Batch[], more: Partial<PushPorts> = {}) =>
      (await run(batches, more)).map((result, index) =>
        result instanceof Error ? result : wordsOf(batches[index], result?.outcomes ?? new Map()),
      )
    const wordsOf = (batch: Batch | undefined, outcomes: ReadonlyMap<string, string>) =>
      batch?.units.flat().map(({ operation: { id } }) => {
        const text = outcomes.get(id)
        return text === undefined ? 'none' : inWords(parseOutcome(parseJson(text, 'An outcome')), () => -1)
      })
    const load = (ids: readonly string[]) => store.transact((tx) => tx.load('leads', ids))
    const users = (count: number) => Array.from({ length: count }, (_, n) => createDevice(`user${n}`, n + 1))

    /** A committer over the real store whose groups wait for a sign. */
    const gated = (lanes: number) => {
      const groups: number[] = []
      const open: (() => void)[] = []
      let transactions = 0
      const transact = async <T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> => {
        const { promise, resolve } = Promise.withResolvers<void>()
        open.push(resolve)
        transactions += 1
        await promise
        return store.transact(work)
      }
      const committer: Committer = createCommitter({
        ...ports,
        store: { lanes, transact },
        onCommit: ({ batches }) => groups.push(batches.length),
      })
      const turns = async (count = 10) => {
        for (let turn = 0; turn < count; turn += 1) await nodeSystem.breathe()
      }
      const settle = async (done: Promise<unknown>) => {
        let isDone = false
        void done.finally(() => (isDone = true))
        while (!isDone) {
          open.shift()?.()
          await nodeSystem.breathe()
        }
      }
      return { committer, groups, settle, turns, waiting: () => open.length, transactions: () => transactions }
    }

    test('[AP1] two users on one record in one transaction: the later one meets what the earlier one did', async () => {
      const [ali, sara] = [createDevice('ali', 1), createDevice('sara', 2)]
      await push([batchOf('ali', [ali.create('l1', lead)])])
      const seen = { base: { generation: parseGeneration('abcd'), version: 1 }, was: { stage: 'new', name: 'Mona' } }
      const answers = await push([
        batchOf('ali', [ali.update('l1', { stage: 'won' }, seen), ali.increment('l1', { visits: 1 })], ['all']),
        batchOf(
          'sara',
          [sara.update('l1', { stage: 'lost', name: 'Lu' }, seen), sara.increment('l1', { visits: 2 })],
          ['all'],
        ),
        batchOf('eve', [createDevice('eve', 3).update('l1', { stage: 'new' }, seen)], ['agent:eve']),
      ])
      expect(answers).toEqual([['applied 2', 'applied 3'], ['merged 4 -stage', 'applied 5'], ['rejected NOT_FOUND']])
      expect((await load(['l1'])).get('l1')).toMatchObject({
        version: 5,
        values: { fields: { stage: 'won', name: 'Lu', visits: 3 } },
      })
      expect(commits.map(({ batches }) => batches.length)).toEqual([1, 3])
    })

    test('[PK1] a commit says of each scope whether one device alone changed something in it', async () => {
      const [ali, sara, second] = [createDevice('ali', 1), createDevice('sara', 2), createDevice('omar', 3)]
      const of = (owner: string) => ({ ...lead, owner })
      await push([
        { ...batchOf('ali', [ali.create('l1', of('ali'))]), device: parseDeviceId(ali.id) },
        { ...batchOf('sara', [sara.create('l2', of('sara'))]), device: parseDeviceId(sara.id) },
        { ...batchOf('omar', [second.create('l3', of('ali'))], ['all']), device: parseDeviceId(second.id) },
      ])
      expect(commits.map(({ touched }) => Object.fromEntries(touched))).toEqual([
        { all: null, 'agent:ali': null, 'agent:sara': sara.id },
      ])
    })

    test('[AP1] what one creates another one refers to, within its own scopes', async () => {
      const [ali, sara] = [createDevice('ali', 1), createDevice('sara', 2)]
      const call = (device: typeof ali, owner: string) =>
        device.create(`c-${owner}`, { lead: 'l1', owner }, { collection: 'calls' })
      expect(
        await push([
          batchOf('ali', [ali.create('l1', lead)]),
          batchOf('manager', [call(createDevice('manager', 3), 'manager')], ['all']),
          batchOf('sara', [call(sara, 'sara')]),
        ]),
      ).toEqual([['applied 1'], ['applied 1'], ['rejected REFERENCE_MISSING lead']])
    })

    test.each(['together', 'apart'])(
      '[AP1] [I-28] what is referred to is where an earlier batch has moved it, with its parent: %s',
      async (how) => {
        const other = await makeDatabase()
        const moving = other.store(viaSchema)
        await moving.open()
        onTestFinished(async () => {
          await moving.close()
          await other.dispose()
        })
        const via = { schema: withSystemCollections(viaSchema), store: moving }
        const batch = (...given: Parameters<typeof batchOf>): Batch => {
          const made = batchOf(...given)
          return { ...made, bench: { ...made.bench, schema: via.schema } }
        }
        const [boss, ann] = [createDevice('boss', 1), createDevice('ann', 2)]
        const task = (id: string, call: string) => ann.create(id, { owner: 'ann', call }, { collection: 'tasks' })
        const made = ['1', '2'].flatMap((n) => [
          boss.create(`l${n}`, { owner: n === '1' ? 'ann' : 'bob' }),
          boss.create(`c${n}`, { lead: `l${n}` }, { collection: 'calls' }),
        ])
        await push([batch('boss', made, ['all'])], via)
        const move = batch('boss', [boss.update('l1', { owner: 'bob' }), boss.update('l2', { owner: 'ann' })], ['all'])
        const refer = batch('ann', [task('t1', 'c1'), task('t2', 'c2'), task('t3', 'nowhere')])
        const answers =
          how === 'together'
            ? await push([move, refer], via)
            : [...(await push([move], via)), ...(await push([refer], via))]
        const missing = 'rejected REFERENCE_MISSING call'
        expect(answers).toEqual([
          ['applied 2', 'applied 2'],
          [missing, 'applied 1', missing],
        ])
      },
    )

    test('[PB1] [PB2] [I-10] of many batches the unit at fault alone is left without an outcome, with what hangs on it', async () => {
      await database.refuseLeads('Poison')
      const devices = users(7)
      const batches = devices.map((device, n) => {
        const of = (id: string) => `${id}${n}`
        const mine = { ...lead, owner: `user${n}` }
        const poisoned = n === 4 ? 'Poison' : 'Mona'
        return batchOf(`user${n}`, [
          device.create(of('a'), mine),
          ...unit(device.create(of('b'), mine), device.create(of('c'), { ...mine, name: poisoned })),
          device.update(of('c'), { stage: 'won' }),
          device.update(of('a'), { stage: 'won' }),
        ])
      })
      const whole = ['applied 1', 'applied 1', 'applied 1', 'applied 2', 'applied 2']
      const expected: unknown[] = devices.map(() => whole)
      expected[4] = ['applied 1', 'none', 'none', 'none', 'applied 2']
      expect(await push(batches)).toEqual(expected)
      expect(await push(batches)).toEqual(expected)
      expect([...(await load(['a4', 'b4', 'c4'])).keys()]).toEqual(['a4'])
    })

    test('[PB3] [I-5] what is wrong with the machine fails every batch of the group; sent again each counts once', async () => {
      const [ali, sara] = [createDevice('ali', 1), createDevice('sara', 2)]
      const batches = [
        batchOf('ali', [ali.create('l1', lead), ali.increment('l1', { visits: 1 })]),
        batchOf('sara', [sara.create('l2', { ...lead, owner: 'sara' })]),
      ]
      // Everything is done and nothing is committed.
      const transact: ServerStore['transact'] = (work) =>
        store.transact(async (tx) => {
          await work(tx)
          throw new EngineError('OVERLOADED', 'The disk is full.')
        })
      const answers = await run(batches, { store: { lanes: 1, transact } })
      expect(answers).toEqual([expect.any(EngineError), expect.any(EngineError)])
      expect(commits).toEqual([])
      expect(await push(batches)).toEqual([['applied 1', 'applied 2'], ['applied 1']])
      expect(await push(batches)).toEqual([['applied 1', 'applied 2'], ['applied 1']])
      expect((await load(['l1'])).get('l1')?.values.fields.visits).toBe(1)
    })

    test('[PB4] [GC4] [I-10] [I-25] who shares a group with a batch of refused units is answered at once, and others after it too', async () => {
      await database.refuseLeads('Poison')
      let transactions = 0
      const transact: ServerStore['transact'] = (work) => {
        transactions += 1
        return store.transact(work)
      }
      // Each of ten milliseconds.
      const system = { ...nodeSystem, monotonicMs: () => transactions * 10 }
      const committer = createCommitter({ ...ports, system, store: { lanes: 1, transact } })
      const eve = createDevice('eve', 5)
      const mine = { ...lead, owner: 'eve' }
      const bad = Array.from({ length: 200 }, (_, n) => eve.create(`e${n}`, { ...mine, name: 'Poison' }))
      const answered: [who: string, transactions: number][] = []
      const send = async (who: string, batch: Batch) => {
        const { outcomes } = await committer.push(batch)
        answered.push([who, transactions])
        return outcomes.size
      }
      const [ali, sara] = [createDevice('ali', 1), createDevice('sara', 2)]
      const [refused, , later] = await Promise.all([
        send('eve', batchOf('eve', [...bad, eve.create('last', mine)])),
        send('ali', batchOf('ali', [ali.create('a1', lead)])),
        // While the one of Eve is being cut.
        (async () => {
          while (transactions < 5) await nodeSystem.breathe()
          const before = transactions
          await send('sara', batchOf('sara', [sara.create('s1', { ...lead, owner: 'sara' })]))
          return transactions - before
        })(),
      ])
      expect(refused).toBe(1)
      expect(answered.map(([who]) => who)).toEqual(['ali', 'sara', 'eve'])
      expect(answered[0]?.[1]).toBe(3)
      // What is cut has a lane for 50 ms at a time.
      expect(later).toBeLessThan(20)
    })

    test('[PB4] a batch that costs too many transactions is failed, so that its device sends a smaller one; what was committed is answered', async () => {
      await database.refuseLeads('Poison')
      const eve = createDevice('eve', 5)
      const mine = { ...lead, owner: 'eve' }
      const bad = Array.from({ length: cutsMax / 2 + 1 }, (_, n) => eve.create(`e${n}`, { ...mine, name: 'Poison' }))
      const good = eve.create('first', mine)
      const batch = (operations: readonly Operation[]) => ({
        ...batchOf('eve', operations),
        device: parseDeviceId(eve.id),
      })
      expect(await push([batch([good, ...bad])])).toEqual([expect.objectContaining({ code: 'SERVER_ERROR' })])
      expect(await push([batch([good, ...bad.slice(0, 3)])])).toEqual([['applied 1', 'none', 'none', 'none']])
      // Nobody could cut a rescue file.
      const [result] = await push([batchOf('eve', [good, ...bad])])
      expect(result).toEqual(['applied 1', ...bad.map(() => 'none')])
    })

    test('[AP3] [I-25] a small request about large records has a bounded part of them in memory at a time, and is applied', async () => {
      const ali = createDevice('ali', 1)
      const count = 40
      const ids = Array.from({ length: count }, (_, n) => `l${n}`)
      const info = { x: 'ab'.repeat(450_000) }
      for (const id of ids) await push([batchOf('ali', [ali.create(id, { ...lead, info })])])
      // The last values of what is deleted count too.
      await push([batchOf('ali', [ali.remove('l0')])])
      let most = 0
      const transact: ServerStore['transact'] = (work) =>
        store.transact((tx) => {
          let records = 0
          const load: StoreTransaction['load'] = async (name, ids, kept) => {
            const loaded = await tx.load(name, ids, kept)
            records += loaded.size
            most = Math.max(most, records)
            return loaded
          }
          return work({ ...tx, load })
        })
      const batch = batchOf('ali', [
        ali.restore('l0', seen(2)),
        ...ids.slice(1).map((id) => ali.update(id, { vip: true })),
      ])
      expect(await push([batch], { store: { lanes: 1, transact } })).toEqual([
        ['applied 3', ...ids.slice(1).map(() => 'applied 2')],
      ])
      expect(most).toBeGreaterThan(3)
      expect(most * 900_000).toBeLessThan(recordBytesMax)
      // What cannot be cut is not tried.
      const whole = batchOf('ali', unit(...ids.map((id) => ali.update(id, { vip: false }))))
      expect(await push([whole])).toEqual([ids.map(() => 'none')])
    })

    test('[J13] what takes long to judge goes on in the next transaction, in order, and fails nobody', async () => {
      let nowMs = 0
      const system = { ...nodeSystem, monotonicMs: () => nowMs }
      const write = () => {
        nowMs += 300
        return true
      }
      const [eve, ali] = [createDevice('eve', 5), createDevice('ali', 1)]
      const slow = batchOf('eve', [
        ...Array.from({ length: 6 }, (_, n) => eve.create(`e${n}`, { ...lead, owner: 'eve' })),
        eve.update('e0', { stage: 'won' }),
        eve.update('e5', { stage: 'won' }),
      ])
      const ruled = { ...slow, bench: { ...slow.bench, rules: { leads: { write } } } }
      expect(await push([ruled, batchOf('ali', [ali.create('a1', lead)])], { system })).toEqual([
        [...Array.from({ length: 6 }, () => 'applied 1'), 'applied 2', 'applied 2'],
        ['applied 1'],
      ])
      // Four units are a second and more; then the other one, and then the rest.
      expect(commits.map(({ batches }) => batches.map(({ bench }) => bench.user.userId))).toEqual([
        ['eve', 'ali'],
        ['ali'],
        ['eve'],
      ])
    })

    test('[GC1] [I-5] [I-6] two devices of one user with the same operations at once: one effect, the same answer, never in one group', async () => {
      const ali = createDevice('ali', 1)
      const operations = [ali.create('l1', lead), ali.increment('l1', { visits: 1 })]
      const { committer, groups, settle, transactions } = gated(2)
      const all = Promise.all([
        committer.push(batchOf('ali', operations)),
        committer.push(batchOf('ali', operations)),
        committer.push(batchOf('sara', [createDevice('sara', 2).create('l2', { ...lead, owner: 'sara' })])),
        committer.push(batchOf('ali', operations)),
      ])
      await settle(all)
      const [first, second, , third] = await all
      expect([...(second?.outcomes ?? [])]).toEqual([...(first?.outcomes ?? [])])
      expect([...(third?.outcomes ?? [])]).toEqual([...(first?.outcomes ?? [])])
      expect((await load(['l1'])).get('l1')?.values.fields.visits).toBe(1)
      expect(groups).toEqual([2])
      expect(transactions()).toBe(3)
    })

    test('[GC3] a lone batch waits for nobody; what arrives meanwhile shares the next transaction', async () => {
      const { committer, groups, settle, turns, waiting } = gated(1)
      const send = (count: number, from: number) =>
        users(count).map((_, n) => {
          const device = createDevice(`user${from + n}`, from + n + 1)
          return committer.push(
            batchOf(`user${from + n}`, [device.create(`l${from + n}`, { ...lead, owner: `user${from + n}` })]),
          )
        })
      const first = send(1, 0)
      await turns(2)
      expect(waiting()).toBe(1)
      const others = send(30, 1)
      await turns()
      expect(waiting()).toBe(1)
      await settle(Promise.all([...first, ...others]))
      expect(groups).toEqual([1, 30])
      expect((await load(Array.from({ length: 31 }, (_, n) => `l${n}`))).size).toBe(31)
    })

    test('two users who choose one id for what is kept about their records: nobody writes over the other', async () => {
      const [ali, sara] = [createDevice('ali', 1), createDevice('sara', 2)]
      const mine = (owner: string) => ({ ...lead, owner })
      const [theirs, hers] = [createDevice('ali', 8), createDevice('sara', 9)]
      await push([batchOf('ali', [ali.create('l1', mine('ali'))]), batchOf('sara', [sara.create('l2', mine('sara'))])])
      const seen = { base: { generation: parseGeneration('abcd'), version: 1 }, was: { stage: 'new' } }
      await push([
        batchOf('ali', [theirs.update('l1', { stage: 'won' }, seen)]),
        batchOf('sara', [hers.update('l2', { stage: 'won' }, seen)]),
      ])
      const clash = ali.update('l1', { stage: 'lost' }, seen)
      const same: Operation = { ...sara.update('l2', { stage: 'lost' }, seen), id: clash.id }
      const batches = [batchOf('ali', [clash]), batchOf('sara', [same])]
      expect(await push(batches)).toEqual([['merged 3'], ['none']])
      expect(await push(batches)).toEqual([['merged 3'], ['none']])
    })

    test('reports of devices go with the group, also of those that send nothing else', async () => {
      const device = parseDeviceId(createDevice('ali', 1).id)
      const [ali, sara] = [parseUserId('ali'), parseUserId('sara')]
      await push([
        { ...batchOf('ali', []), report: { user: ali, device, pending: 3, atMs: nowMs } },
        { ...batchOf('sara', []), report: { user: sara, device, pending: 4, atMs: nowMs } },
      ])
      expect(await store.deviceReport(ali, device)).toEqual({ pending: 3, atMs: nowMs })
      expect(await store.deviceReport(sara, device)).toEqual({ pending: 4, atMs: nowMs })
      expect(commits).toEqual([])
    })

    test('[AP2] statements of a group do not grow with its operations or its batches', async () => {
      await push([batchOf('manager', [createDevice('manager', 99).create('shared', lead)], ['all'])])
      const group = (count: number, each: number, from: number) =>
        Array.from({ length: count }, (_, n) => {
          const name = `user${from + n}`
          const device = createDevice(name, from + n + 1)
          const operations = Array.from({ length: each }, (_, m) => [
            device.create(`${name}-l${m}`, { ...lead, owner: name }),
            device.create(`${name}-c${m}`, { lead: 'shared', owner: name }, { collection: 'calls' }),
            device.update(`${name}-l${m}`, { stage: 'won' }),
          ]).flat()
          const report = { user: parseUserId(name), device: parseDeviceId(device.id), pending: 0, atMs: nowMs }
          return { ...batchOf(name, operations, ['all', `agent:${name}`]), report }
        })
      const statements = async (batches: readonly Batch[]) => {
        const count = database.countStatements()
        const answers = await push(batches)
        const counted = count()
        expect(new Set(answers.flat())).toEqual(new Set(['applied 1', 'applied 2']))
        return counted
      }
      const small = await statements(group(1, 1, 0))
      expect(small).toBeGreaterThan(5)
      expect(await statements(group(1, 60, 10))).toBe(small)
      expect(await statements(group(60, 1, 100))).toBe(small)
    })
  })
}

const viaSchema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { owner: t.text() }, scope: { agent: 'owner' } }),
    calls: collection({ fields: { lead: t.ref('leads') }, scope: { via: 'lead' } }),
    tasks: collection({ fields: { owner: t.text(), call: t.ref('calls') }, scope: { agent: 'owner' } }),
  },
})

const seen = (version: number) => ({ base: { generation: parseGeneration('abcd'), version } })

function batchOf(user: string, operations: readonly Operation[], scopes: readonly Scope[] = [`agent:${user}`]): Batch {
  return {
    bench: {
      schema,
      rules: {},
      generation: parseGeneration('abcd'),
      bornMs: nowMs,
      user: { userId: parseUserId(user), claims: {} },
      scopes: new Set(scopes),
      clock: { epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [], missedMs: 0 },
      serverNowMs: nowMs + 60_000,
    },
    units: unitsOf(operations.map((operation) => ({ operation, text: operationText(operation) }))),
    device: null,
    report: null,
    earlier: noAftermath,
  }
}
