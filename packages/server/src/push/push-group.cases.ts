/** Units that the database or a write rule cannot take, or that an app wrote which is newer than the server: on every store. */
import { randomBytes } from 'node:crypto'
import { collection, defineSchema, type Operation, parseDeviceId, parseUserId, t } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ServerOptions } from '../create-server.ts'
import type { StoreFactory } from '../ports/server-store.ts'
import {
  createDevice,
  type Device,
  lead,
  requestText,
  schema,
  startTestServer,
  summary,
  type TestServer,
  unit,
} from '../server.test.kit.ts'

export interface DatabaseUnderTest {
  readonly store: StoreFactory
  /** As an operator would: from now on the database refuses leads of this name. */
  refuseLeads(name: string): Promise<void>
  /** Counts the statements of this process from now on, until the answer is called for their number. */
  countStatements(): () => number
  dispose(): Promise<void>
}

/** Of `requestText`. */
const requestDevice = '0190ffff-0000-7000-8000-000000000000'

export function describePushGroup(name: string, makeDatabase: () => Promise<DatabaseUnderTest>): void {
  describe(name, () => {
    let database: DatabaseUnderTest
    let server: TestServer
    let ali: Device

    const start = async (options: Partial<ServerOptions<typeof schema>> = {}) => {
      server = await startTestServer({ store: database.store, ...options })
    }
    const restart = async (options: Partial<ServerOptions<typeof schema>>) => {
      await server.dispose()
      await start(options)
    }
    const send = async (operations: readonly Operation[]) =>
      summary((await server.round('ali', operations)).reply, operations)
    const held = async (user = 'ali') => {
      const { reply } = await server.round(user, [])
      return reply.changes.flatMap(({ rows }) => rows.map(([id]) => id)).sort()
    }

    beforeEach(async () => {
      database = await makeDatabase()
      ali = createDevice('ali', 1)
      await start()
    })
    afterEach(async () => {
      await server.dispose()
      await database.dispose()
    })

    describe('a constraint of the operator', () => {
      test('[PB1] [PB2] only the unit at fault is left without an outcome, with what hangs on it', async () => {
        await database.refuseLeads('Poison')
        const batch = [
          ali.create('l1', lead),
          ...unit(ali.create('l2', lead), ali.create('l3', { ...lead, name: 'Poison' })),
          ali.update('l2', { stage: 'won' }),
          ali.update('l1', { stage: 'won' }),
          ali.create('c1', { lead: 'l3', owner: 'ali' }, { collection: 'calls' }),
          ali.create('l4', lead),
        ]
        expect(await send(batch)).toEqual(['applied 1', 'none', 'none', 'none', 'applied 2', 'none', 'applied 1'])
        expect(await held()).toEqual(['l1', 'l4'])
      })

      test('[PB5] [J3] [J5] what hangs on a refused creation is blocked by it, also when another unit makes the batch be halved', async () => {
        await database.refuseLeads('Poison')
        const batch = (device: Device) => [
          device.create('r1', { ...lead, name: '' }),
          device.create('r2', { ...lead, name: 'Poison' }),
          device.update('r1', { stage: 'won' }),
          device.create('c1', { lead: 'r1', owner: 'ali' }, { collection: 'calls' }),
        ]
        expect(await send(batch(ali))).toEqual(['rejected INVALID_VALUE name', 'none', 'blocked by 0', 'blocked by 0'])
        const [first, ...following] = batch(createDevice('ali', 2))
        if (first === undefined) throw new Error('four operations')
        expect(await send([{ ...first, fields: lead }, ...following])).toEqual([
          'applied 1',
          'none',
          'applied 2',
          'applied 1',
        ])
      })

      test('[PB6] [V-2] what a device tells of itself is stored also when nothing that it sends is', async () => {
        await database.refuseLeads('Poison')
        const operation = ali.create('p1', { ...lead, name: 'Poison' })
        for (let round = 0; round < 2; round += 1) {
          const text = requestText([operation]).replace('{', '{"pending":7,')
          expect((await server.post('ali', text)).status).toBe(200)
        }
        expect(await server.server.store.deviceReport(parseUserId('ali'), parseDeviceId(requestDevice))).toMatchObject({
          pending: 7,
        })
      })

      test('a batch of nothing else is answered all the same: the device gets what others changed', async () => {
        await send([ali.create('l1', lead)])
        await database.refuseLeads('Poison')
        const { reply } = await server.round('ali', [ali.create('l2', { ...lead, name: 'Poison' })])
        expect(reply.outcomes).toEqual([])
        expect(reply.changes.flatMap(({ rows }) => rows.map(([id]) => id))).toEqual(['l1'])
      })
    })

    test('[SS7] a round of an idle device is a handful of statements, and what it tells of itself is not written again', async () => {
      await send([ali.create('l1', lead)])
      const { reply } = await server.round('ali', [])
      await server.round('ali', [], reply.cursor)
      const { store } = server.server
      const told = () => store.deviceReport(parseUserId('ali'), parseDeviceId(requestDevice))
      const before = await told()
      expect(before?.pending).toBe(0)
      const count = database.countStatements()
      const idle = await server.round('ali', [], reply.cursor)
      expect(count()).toBeLessThan(9)
      expect([idle.reply.changes, idle.reply.cursor, idle.reply.more]).toEqual([[], null, false])
      expect(await told()).toEqual(before)
    })

    test('what was begun by an older answer of the store is begun anew: a device is told what has come since', async () => {
      const first = (await server.round('ali', [])).reply
      await send([ali.create('l1', lead)])
      const second = (await server.round('ali', [], first.cursor)).reply
      expect(second.changes.flatMap(({ rows }) => rows.map(([id]) => id))).toEqual(['l1'])
      // A page of the life before may have been read by now; it is not given.
      await server.server.store.startGeneration({ fork: 'unknown', after: second.generation })
      expect((await server.post('ali', requestText([], second.cursor))).status).toBe(409)
    })

    test('text that no index could hold is refused by its field; the longest that is taken fits on every store', async () => {
      const text = (bytes: number) => randomBytes(bytes).toString('base64').slice(0, bytes)
      const long = text(2_000)
      await restart({ scopes: () => ({ agent: ['ali', long] }) })
      expect(
        await send([
          ali.create('l1', { ...lead, owner: text(2_001) }),
          ali.create('l2', { ...lead, owner: `${'é'.repeat(1_000)}x` }),
          ali.create('l3', { ...lead, owner: long }),
          ali.create('l4', lead),
          ali.update('l4', { owner: text(8_000) }),
          ali.update('l4', { info: { plain: text(8_000) } }),
        ]),
      ).toEqual([
        'rejected INVALID_VALUE owner',
        'rejected INVALID_VALUE owner',
        'applied 1',
        'applied 1',
        'rejected INVALID_VALUE owner',
        'applied 2',
      ])
      expect(await held()).toEqual(['l3', 'l4'])
    })

    describe('a write rule', () => {
      const ruled = (write: (change: { readonly after: { readonly name: string } | null }) => boolean) =>
        restart({ rules: { leads: { write } } })

      test('[J6] that throws for one record holds that one and what hangs on it; mended, it takes them', async () => {
        await ruled(({ after }) => {
          if (after === null || after.name === 'Poison') throw new TypeError('a defect')
          return true
        })
        const batch = [
          ali.create('l1', lead),
          ...unit(ali.create('l2', lead), ali.create('l3', { ...lead, name: 'Poison' })),
          ali.update('l2', { stage: 'won' }),
          ali.remove('l1'),
          ali.create('c1', { lead: 'l3', owner: 'ali' }, { collection: 'calls' }),
          ali.create('l4', lead),
        ]
        expect(await send(batch)).toEqual(['applied 1', 'none', 'none', 'none', 'none', 'none', 'applied 1'])
        expect(await held()).toEqual(['l1', 'l4'])
        await ruled(() => true)
        expect(await send(batch)).toEqual([
          'applied 1',
          'applied 1',
          'applied 1',
          'applied 2',
          'applied 2',
          'applied 1',
          'applied 1',
        ])
      })

      test.each<{ readonly name: string; readonly answer: () => unknown }>([
        { name: 'a promise of no', answer: async () => false },
        { name: 'a promise of yes', answer: async () => true },
        { name: 'a promise that fails', answer: () => Promise.reject(new Error('a defect')) },
        { name: 'nothing', answer: () => undefined },
        { name: 'a text', answer: () => 'yes' },
        { name: '1', answer: () => 1 },
      ])('[J6] that answers $name lets nothing pass and refuses nothing', async ({ answer }) => {
        await ruled(answer as () => boolean)
        expect(await send([ali.create('l1', lead)])).toEqual(['none'])
        expect(await held()).toEqual([])
      })
    })

    test('[J6] what only a newer app knows waits until the server is as new; the rest goes on', async () => {
      const newer = defineSchema({
        version: 2,
        collections: {
          leads: {
            ...schema.collections.leads,
            fields: { ...schema.collections.leads.fields, city: t.text({ default: '' }) },
          },
          calls: schema.collections.calls,
          offers: collection({ fields: { owner: t.text(), price: t.integer() }, scope: { agent: 'owner' } }),
        },
      })
      const written = { schemaVersion: 2 }
      const batch = [
        ali.create('l1', { ...lead, city: 'Cairo' }, written),
        ali.create('l2', lead, written),
        ali.update('l1', { stage: 'won' }, written),
        ali.create('o1', { owner: 'ali', price: 7 }, { ...written, collection: 'offers' }),
        // A longer name, another stage: allowed by then, for all that this server can tell.
        ali.update('l2', { name: 'A name of more than twenty' }, written),
        ali.create('l3', { ...lead, city: 'Giza' }),
        ali.create('o2', { owner: 'ali', price: 7 }, { collection: 'offers' }),
      ]
      expect(await send(batch)).toEqual([
        'none',
        'applied 1',
        'none',
        'none',
        'none',
        'rejected UNKNOWN_FIELD city',
        'rejected UNKNOWN_COLLECTION',
      ])
      await restart({ schema: newer as unknown as typeof schema })
      expect(await send(batch.slice(0, 5))).toEqual([
        'applied 1',
        'applied 1',
        'applied 2',
        'applied 1',
        'rejected INVALID_VALUE name',
      ])
    })
  })
}
