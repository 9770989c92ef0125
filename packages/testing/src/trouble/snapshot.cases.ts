/**
 * The first sync from a snapshot, on a given store: devices, lines and servers that end in the middle, a snapshot that is gone, and records
 * that change meanwhile. Whatever happens, the device ends equal to its scope on the server.
 */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { brokenInvariants } from '@holdfast/client/contract'
import { nodeSqlite } from '@holdfast/client/node'
import {
  EngineError,
  parseDeviceId,
  parseSnapshotPart,
  parseSyncReply,
  parseUserId,
  type SyncReply,
  syncRequestText,
} from '@holdfast/core'
import { createServer, type GrantedScopes, type Server } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eager } from '../support/eager.ts'
import { inPages } from '../support/in-pages.ts'
import { leadSchema, serverSchema } from '../support/lead-schema.ts'
import { manager, oldToken } from '../support/lead-server.ts'
import { startProgram } from '../support/program.ts'
import { type ShelfWatch, watchShelf } from '../support/shelf-watch.ts'
import { type StoreKind, storeAt } from '../support/store-kind.ts'
import { hashOf, readDevice, readServer } from '../support/truth.ts'
import { atRest, reached, until } from '../support/until.ts'
import { createDevices, createWorld, type LeadClient, type World } from '../support/world.ts'

const rowsPerPage = 10
const leadCount = 95
/** As many parts as the leads of one user make. */
const partCount = Math.ceil(leadCount / rowsPerPage)
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

interface Ready {
  readonly w: World
  readonly watch: ShelfWatch
  /** The device that has made the leads, all of ada's. */
  readonly boss: LeadClient
  readonly leads: readonly string[]
}

export function describeSnapshots(store: StoreKind): void {
  /** A snapshot of ada's leads is ready: her first device pulled pages, and made it wanted. */
  async function ready(): Promise<Ready> {
    const watch = watchShelf()
    const w = await createWorld(store, onTestFinished, { rowsPerPage, around: watch.around })
    const boss = await w.open(manager, { ports: eager })
    const leads = await createLeads(boss)
    const first = await w.open('ada', { file: 'first', ports: eager })
    await complete(first)
    expect(watch.asked).toEqual([])
    await until('a snapshot is made', () => watch.made() === 1)
    return { w, watch, boss, leads }
  }

  /** Opens ada's second device and waits until this part is asked for, which is then held. */
  async function loadingUntil({ w, watch }: Ready, part: number, url = w.serverUrl) {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const isHeld = new Promise<void>((resolve) => {
      watch.beforePart((asked) => {
        if (asked !== part) return undefined
        resolve()
        return held
      })
    })
    const db = await w.open('ada', { file: 'second', url, ports: eager })
    await isHeld
    return { db, release }
  }

  describe(`snapshots on ${store.name}`, { timeout: 60_000 }, () => {
    test('[I-16] an empty device takes the parts of the snapshot, with progress in rows, and what changed since', async () => {
      const at = await ready()
      const { w, watch, boss } = at
      const late = await boss.leads.create({ owner: 'ada', name: 'Late' })
      await atRest(boss)
      const { db, release } = await loadingUntil(at, 4)
      const status = await reached(db, ({ progress }) => (progress?.rows ?? 0) >= 40)
      expect(status).toMatchObject({
        kind: 'syncing',
        completeness: 'partial',
        progress: { rows: 40, total: leadCount },
      })
      expect((await db.query((q) => q.selectFrom('leads').select('id'))).length).toBe(40)
      release()
      await complete(db)
      expect(watch.asked.map(({ part }) => part)).toEqual(numbers(partCount))
      expect(watch.made()).toBe(1)
      expect(await db.query((q) => q.selectFrom('leads').select('name').where('id', '=', late))).toEqual([
        { name: 'Late' },
      ])
      await expectEqual(w, db, 'second')
    })

    test('[I-16] records that change, are deleted, come and go while it loads: no gap, and nothing comes back', async () => {
      const at = await ready()
      const { w, boss, leads } = at
      const { db, release } = await loadingUntil(at, 5)
      const [early = '', gone = '', moved = ''] = leads
      const [late = '', lateGone = '', lateMoved = ''] = leads.slice(-3)
      for (const lead of [early, late]) await boss.leads.update(lead, { note: 'changed' })
      for (const lead of [gone, lateGone]) await boss.leads.delete(lead)
      for (const lead of [moved, lateMoved]) await boss.leads.update(lead, { owner: 'ben' })
      await boss.leads.create({ owner: 'ada', name: 'New' })
      await atRest(boss)
      release()
      await complete(db)
      const rows = await db.query((q) => q.selectFrom('leads').select(['id', 'note']))
      const notes = new Map(rows.map(({ id, note }) => [id, note]))
      expect([early, late].map((lead) => notes.get(lead))).toEqual(['changed', 'changed'])
      for (const lead of [gone, lateGone, moved, lateMoved]) expect(notes.has(lead)).toBe(false)
      expect(rows.length).toBe(leadCount - 4 + 1)
      await expectEqual(w, db, 'second')
    })

    test('[I-12] what is written while it loads is sent before the next part, and is shown all along', async () => {
      const at = await ready()
      const { w, watch, leads } = at
      const { db, release } = await loadingUntil(at, 4, w.front.url)
      const [lead = ''] = leads
      await db.leads.increment(lead, { visits: 3 })
      const mine = await db.leads.create({ owner: 'ada', name: 'Mine' })
      const shown = async () =>
        (await db.query((q) => q.selectFrom('leads').select('visits').where('id', '=', lead)))[0]
      expect(await shown()).toEqual({ visits: 3 })
      // Part 5 is under way when what was written is noticed: it goes before part 6.
      const sentBefore: number[] = []
      const visits: unknown[] = []
      watch.beforePart((part) => {
        if (part < 6) return undefined
        sentBefore.push(w.front.exchanges.flatMap(({ ids }) => ids).length)
        return shown().then((row) => void visits.push(row))
      })
      release()
      await complete(db)
      expect(new Set(sentBefore)).toEqual(new Set([2]))
      expect(visits).toEqual(visits.map(() => ({ visits: 3 })))
      expect(await shown()).toEqual({ visits: 3 })
      expect(await db.query((q) => q.selectFrom('leads').select('name').where('id', '=', mine))).toEqual([
        { name: 'Mine' },
      ])
      await atRest(db)
      await expectEqual(w, db, 'second')
    })

    test('[L-1] the line is cut in the middle of a part: it goes on at that part', async () => {
      const at = await ready()
      const { w, watch } = at
      watch.beforePart((part) => {
        // About a fifth of a second for what is left of it.
        if (part === 3) w.network.slow(20_000)
        return undefined
      })
      const db = await w.open('ada', { file: 'second', url: w.network.url, ports: eager })
      await until('part 3 was asked for', () => watch.asked.some(({ part }) => part === 3))
      await new Promise((resolve) => setTimeout(resolve, 60))
      w.network.cut()
      await reached(db, ({ kind }) => kind === 'offline')
      expect(db.sync.status.completeness).toBe('partial')
      watch.beforePart(() => undefined)
      w.network.restore()
      await db.sync.now()
      await complete(db)
      const parts = watch.asked.map(({ part }) => part)
      expect(parts.filter((part) => part < 2)).toEqual([0, 1])
      expect(parts.filter((part) => part === 3).length).toBeGreaterThan(1)
      expect(new Set(parts)).toEqual(new Set(numbers(partCount)))
      await expectEqual(w, db, 'second')
    })

    test('[I-2] the app is killed between two parts: it goes on at the next one', async () => {
      const { w, watch } = await ready()
      const file = w.fileOf('second')
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      watch.beforePart((part) => (part === 6 ? held : undefined))
      const program = startProgram(path.join(import.meta.dirname, 'snapshot-device.process.ts'), [w.serverUrl, file])
      await program.line(/^rows ([6-9]\d)$/)
      program.child.kill('SIGKILL')
      expect(await program.ended).toBe('SIGKILL')
      const driver = await nodeSqlite(file)()
      expect(brokenInvariants(driver, leadSchema)).toEqual([])
      driver.close()
      release()
      await until('what was held is over', () => watch.asked.length === 7)
      const db = await w.open('ada', { file: 'second', ports: eager })
      await complete(db)
      expect(watch.asked.slice(7).map(({ part }) => part)).toEqual(numbers(partCount).slice(6))
      await expectEqual(w, db, 'second')
    })

    test('[L-1] the server is killed while a device loads: it goes on when the server is back', async () => {
      const database = await store.create()
      const devices = createDevices(onTestFinished)
      const start = async (port: number) => {
        const file = path.join(import.meta.dirname, 'snapshot-server.process.ts')
        const program = startProgram(file, [database.address, String(port), String(rowsPerPage)])
        const [, found] = await program.line(/^port (\d+)$/)
        return { program, port: Number(found) }
      }
      let server = await start(0)
      onTestFinished(async () => {
        server.program.child.kill('SIGKILL')
        await server.program.ended
        await database.drop()
      })
      const { port } = server
      const options = { url: `http://127.0.0.1:${port}`, ports: eager }
      const boss = await devices.open(leadSchema, manager, options)
      await createLeads(boss)
      const first = await devices.open(leadSchema, 'ada', { ...options, file: 'first' })
      await complete(first)
      await server.program.line(/^snapshot$/)
      const db = await devices.open(leadSchema, 'ada', { ...options, file: 'second' })
      await server.program.line(/^part 4$/)
      server.program.child.kill('SIGKILL')
      expect(await server.program.ended).toBe('SIGKILL')
      await reached(db, ({ kind }) => kind === 'offline')
      expect(db.sync.status.completeness).toBe('partial')
      server = await start(port)
      await complete(db)
      await db.close()
      const [device, truth] = [await readDevice(devices.fileOf('second')), await readServer(database, 'ada')]
      expect(hashOf(device.rows)).toBe(hashOf(truth.rows))
      expect(Object.keys(device.rows.leads ?? {})).toHaveLength(leadCount)
    })

    test('[I-16] the snapshot is gone in the middle: pages go on from there, with what was deleted meanwhile', async () => {
      const at = await ready()
      const { w, watch, boss, leads } = at
      const { db, release } = await loadingUntil(at, 5)
      await boss.leads.delete(leads[0] ?? '')
      await boss.leads.delete(leads.at(-1) ?? '')
      await atRest(boss)
      await watch.clear()
      release()
      await complete(db)
      expect(watch.asked.filter(({ isThere }) => !isThere).length).toBeGreaterThan(0)
      expect((await db.query((q) => q.selectFrom('leads').select('id'))).length).toBe(leadCount - 2)
      await expectEqual(w, db, 'second')
    })
  })

  describe(`parts of snapshots on ${store.name}`, () => {
    test('[I-22] a part is for who holds these scopes now: to anybody else it is as absent as one that never was', async () => {
      let granted: GrantedScopes = { agent: ['ada'] }
      const { server, ask, part } = await wire(store, () => granted)
      await server.seed(25)
      expect((await ask('page', null)).snapshot).toBe(null)
      const offer = await until('a snapshot is offered', async () => (await ask('snapshot', null)).snapshot ?? false)
      expect(offer).toMatchObject({ parts: 3, rows: 25 })

      const first = await part(offer.id, 0)
      expect(first.status).toBe(200)
      expect(first.headers.get('cache-control')).toBe('private, no-store')
      const { cursor, changes } = parseSnapshotPart(JSON.parse(await first.text()))
      expect(changes[0]?.rows).toHaveLength(10)
      for (const encoding of ['gzip', 'br', 'zstd', 'identity']) {
        const given = await part(offer.id, 1, 'ada', encoding)
        expect(given.headers.get('content-encoding')).toBe(encoding === 'identity' ? null : encoding)
      }

      const absent = await said(await part('0'.repeat(32), 0))
      expect(absent.status).toBe(404)
      expect(await said(await part(offer.id, 3))).toEqual(absent)
      expect(await said(await part(offer.id, 0, 'eve'))).toEqual(absent)
      expect(await said(await part('../sync', 0))).toEqual(absent)
      expect((await part(offer.id, 0, oldToken)).status).toBe(401)
      granted = { agent: ['ben'] }
      expect(await said(await part(offer.id, 1))).toEqual(absent)
      // What the device has of it leaves by the cursor that it has.
      const next = await ask('page', cursor)
      expect(next.changes.flatMap(({ gone }) => gone.map(({ why }) => why))).toEqual(Array(10).fill('left'))
      granted = { agent: ['ada'] }
      expect((await part(offer.id, 1)).status).toBe(200)
    })

    test('a pull of one page makes no snapshot, and a device that holds something is offered none', async () => {
      const { server, ask, watch } = await wire(store, () => 'all')
      await server.seed(rowsPerPage)
      const page = await ask('snapshot', null)
      expect(page).toMatchObject({ more: false, snapshot: null })
      await server.seed(rowsPerPage)
      expect((await ask('snapshot', null)).more).toBe(true)
      await until('a snapshot is made', () => watch.made() === 1)
      expect((await ask('snapshot', page.cursor)).snapshot).toBe(null)
      expect((await ask('page', null)).snapshot).toBe(null)
      expect(await ask('nothing', null)).toMatchObject({ more: true, cursor: null, changes: [], snapshot: null })
      expect((await ask('snapshot', null)).snapshot).toMatchObject({ parts: 2, rows: 20 })
    })
  })
}

async function createLeads(boss: LeadClient): Promise<readonly string[]> {
  const write = boss.write((tx) =>
    // What does not compress well, so that a part takes its time on a slow line.
    numbers(leadCount).map((n) =>
      tx.leads.create({ owner: 'ada', name: `Lead ${n}`, note: randomBytes(400).toString('base64') }),
    ),
  )
  const leads = await write
  await write.settled
  await atRest(boss)
  return leads
}

async function complete(db: LeadClient): Promise<void> {
  await reached(db, ({ kind, completeness }) => kind === 'idle' && completeness === 'complete')
}

/** Closes the device and compares its file with the server's rows. */
async function expectEqual(w: World, db: LeadClient, file: string): Promise<void> {
  await db.close()
  const [device, server] = [await readDevice(w.fileOf(file)), await readServer(w.database, 'ada')]
  expect(device.rows).toEqual(server.rows)
  expect(hashOf(device.rows)).toBe(hashOf(server.rows))
  const driver = await nodeSqlite(w.fileOf(file))()
  expect(brokenInvariants(driver, leadSchema)).toEqual([])
  driver.close()
}

/** A server with scopes in a test's hand, and a device of ada's by the protocol alone. Others are named by their token. */
async function wire(store: StoreKind, scopes: () => GrantedScopes) {
  const database = await store.create()
  const watch = watchShelf()
  const server: Server = createServer({
    schema: serverSchema,
    store: inPages(watch.around(storeAt(database.address)), rowsPerPage),
    authenticate: async (request) => {
      const token = request.headers.get('authorization')?.replace('Bearer ', '')
      if (token === oldToken) throw new EngineError('UNAUTHENTICATED', 'The token is old.')
      return { userId: parseUserId(token), claims: {} }
    },
    scopes: ({ userId }) => (userId === 'ada' ? scopes() : { agent: [userId] }),
    logLevel: 'silent',
  })
  await server.start()
  onTestFinished(async () => {
    await server.close()
    await database.drop()
  })
  const device = parseDeviceId('01900000-0000-7000-8000-00000000000a')
  let seeded = 0
  const seed = (count: number) =>
    server.store.transact(async (tx) => {
      const at = { version: 1, device, user: parseUserId('boss'), stamp: '1', at: 1 }
      const ids = numbers(count).map((n) => `lead-${seeded + n}`)
      seeded += count
      const fields = { owner: 'ada', name: 'Lead', stage: 'new', note: '', budget: 0, visits: 0 }
      const values = { createdAt: 1, updatedAt: 1, fields }
      const record = { version: 1, state: 'live', values, stamps: { '': at }, states: {} } as const
      await tx.write('leads', new Map(ids.map((id) => [id, record])))
      const entry = { collection: 'leads', version: 1, state: 'present', bytes: 100 } as const
      await tx.feed(ids.flatMap((id) => ['all', 'agent:ada'].map((scope) => ({ ...entry, scope, record: id }))))
    })
  const ask = async (pull: 'page' | 'snapshot' | 'nothing', cursor: string | null): Promise<SyncReply> => {
    const body = syncRequestText({
      schema: 1,
      user: parseUserId('ada'),
      device,
      clock: { nowMs: Date.now(), epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
      cursor,
      pull,
      pending: 0,
      previousDevice: null,
      operations: [],
    })
    const headers = { authorization: 'Bearer ada' }
    const response = await server.fetch(new Request('http://wire/sync', { method: 'POST', headers, body }))
    return parseSyncReply(await response.json())
  }
  const part = (id: string, n: number, user = 'ada', encoding = 'identity'): Promise<Response> => {
    const headers = { authorization: `Bearer ${user}`, 'accept-encoding': encoding }
    return server.fetch(new Request(`http://wire/snapshot/${id}/${n}`, { headers }))
  }
  return { server: { seed }, watch, ask, part }
}

async function said(response: Response) {
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
}
