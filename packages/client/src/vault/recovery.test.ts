/** Databases that are really broken, in files: by garbage, by a cut, by flipped pages, at opening and while the app runs. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { collection, defineSchema, EngineError, type Operation, parseOperation, parseRescue, t } from '@holdfast/core'
import {
  createFakeClock,
  createFakeTimers,
  createFakeTransport,
  type FakeTransport,
  type SentBody,
  settledReply,
  until,
} from '@holdfast/testing'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemAmbient } from '../ambient/system-ambient.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { openClient } from '../open-client.ts'
import type { OpenDriver } from '../ports/open-driver.ts'
import type { QueueCopy, Vault } from '../ports/queue-copy.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { exportRescue } from './export-rescue.ts'

const schema = defineSchema({
  version: 3,
  collections: {
    leads: collection({
      fields: { name: t.text({ min: 1 }), note: t.text({ default: '' }), visits: t.counter() },
      search: ['name'],
    }),
  },
})

const folder = mkdtempSync(join(tmpdir(), 'holdfast-vault-'))
afterAll(() => rmSync(folder, { recursive: true }))

let made = 0
function newPath(): string {
  made += 1
  return join(folder, `${made}.db`)
}

const offline = 'hold'

async function open(path: string, transport: FakeTransport, user = 'ada', driver = nodeSqlite(path)) {
  const db = await openClient({
    schema,
    url: 'http://nowhere',
    user,
    token: 'token',
    driver,
    pollMs: 600_000,
    ports: { transport, ambient: systemAmbient },
  })
  onTestFinished(() => db.close())
  return db
}

function without(): FakeTransport {
  const transport = createFakeTransport()
  transport.answerBy(() => offline)
  return transport
}

/** Texts of what waits and of what was refused, past our own code: the client is closed. */
async function queueIn(path: string): Promise<readonly string[]> {
  const driver = await nodeSqlite(path)()
  try {
    return driver
      .all('select seq, operation from _outbox union all select seq, operation from _inbox order by 1')
      .map(([, text]) => String(text))
  } finally {
    driver.close()
  }
}

async function inDriver<const T>(path: string, read: (driver: SqliteDriver) => T): Promise<T> {
  const driver = await nodeSqlite(path)()
  try {
    return read(driver)
  } finally {
    driver.close()
  }
}

/** What a server does that takes everything: the rows come back. */
function withRows(body: SentBody) {
  const operations = (body.operations ?? []).map((raw) => parseOperation(raw))
  const rows = operations.map(({ record, fields }) => [record, 1, 1_000, 1_000, fields.name, fields.note, 0])
  const columns = ['id', '$version', 'createdAt', 'updatedAt', 'name', 'note', 'visits']
  return settledReply(body, { changes: [{ collection: 'leads', columns, rows }] })
}

function refusing(body: SentBody) {
  const outcomes = (body.operations ?? []).map(({ id }) => ({
    kind: 'rejected',
    id,
    code: 'FORBIDDEN',
    field: null,
    problem: 'No.',
  }))
  return settledReply(body, { outcomes })
}

const idsOf = (texts: readonly string[]) => texts.map((text) => parsed(text).id)
const parsed = (text: string): Operation => parseOperation(JSON.parse(text))

/** Some leads, one of them refused, three changes that wait; many rows, so that the file has pages to break. */
async function fill(path: string): Promise<readonly string[]> {
  const transport = createFakeTransport()
  transport.answerBy(({ body }) => withRows(body))
  const db = await open(path, transport)
  await db.write((tx) => {
    for (let n = 0; n < 400; n += 1) tx.leads.create({ name: `lead ${n}`, note: 'x'.repeat(200) })
  }).settled
  transport.answerBy(({ body }) => refusing(body))
  const refused = db.leads.create({ name: 'turned down' })
  expect(await refused.settled).toMatchObject([{ kind: 'rejected' }])
  transport.answerBy(() => offline)
  const id = await db.leads.create({ name: 'waits' })
  await db.leads.update(id, { note: 'Möna "x"' })
  await db.leads.increment(id, { visits: 2 })
  await db.close()
  const texts = await queueIn(path)
  expect(texts).toHaveLength(4)
  return texts
}

function overwrite(path: string, from: number, length: number): void {
  const bytes = readFileSync(path)
  for (let at = from; at < Math.min(from + length, bytes.length); at += 1) bytes[at] = (bytes[at] ?? 0) ^ 0xa5
  writeFileSync(path, bytes)
}

const damages: readonly (readonly [what: string, damage: (path: string) => void])[] = [
  ['garbage in place of the header', (path) => overwrite(path, 0, 100)],
  ['text in place of the file', (path) => writeFileSync(path, 'Dear Ada, '.repeat(5_000))],
  ['a file that was cut to a half', (path) => truncateSync(path, Math.floor(statSync(path).size / 2))],
  ['a file of which only the header is left', (path) => truncateSync(path, 100)],
  ['an empty file', (path) => truncateSync(path, 0)],
  ['a file that is gone', (path) => rmSync(path)],
  ['the page of the schema', (path) => overwrite(path, 100, 3_000)],
  ['every page but the first', (path) => overwrite(path, 4_096, Number.POSITIVE_INFINITY)],
]

describe('at opening', () => {
  test.each(damages)(
    '[I-4] [VT1] %s: what waited and what was refused is there again, with ids and texts',
    async (_, damage) => {
      const path = newPath()
      const texts = await fill(path)
      damage(path)
      const transport = without()
      const db = await open(path, transport)
      expect(db.sync.status).toMatchObject({ pending: 3, refused: 1, notice: { kind: 'recovered', rescued: 4 } })
      expect(await db.inbox.list()).toMatchObject([{ code: 'FORBIDDEN', fields: { name: 'turned down' } }])
      // What waits is shown before any answer; the rest is pulled again.
      expect(await db.query((q) => q.selectFrom('leads').select(['name', 'note', 'visits', '$sync']))).toEqual([
        { name: 'waits', note: 'Möna "x"', visits: 2, $sync: 'pending' },
      ])
      const late = await db.leads.create({ name: 'later' })
      await until('all is under way', () => (transport.requests.at(-1)?.body.operations?.length ?? 0) > 0)
      expect(transport.requests.at(-1)?.body.cursor).toBe(undefined)
      await db.close()
      const after = await queueIn(path)
      expect(after.slice(0, -1)).toEqual(texts)
      const [old, next] = [parsed(texts.at(-1) ?? ''), parsed(after.at(-1) ?? '')]
      expect(next.record).toBe(late)
      expect(next.device).not.toBe(old.device)
      expect(next.time.epoch).toBeGreaterThan(old.time.epoch)
    },
  )

  test('[VT1] [I-9] [I-23] what had settled is settled in the new file, without the values of records that do not come', async () => {
    const path = newPath()
    await fill(path)
    const [page, texts] = await inDriver(path, (driver) => {
      const [root] = driver.all(`select rootpage from sqlite_schema where name = 'leads'`)
      return [Number(root?.[0]), driver.all('select id, operation, outcome, "settledAt" from _settled order by seq')]
    })
    expect(texts).toHaveLength(400)
    overwrite(path, (page - 1) * 4_096, 4_096)
    const operations = texts.map(([, text]) => parsed(String(text)))
    const [gone, ...others] = operations
    const rows = others.map(({ record, fields }) => [record, 1, 1_000, 1_000, fields.name, fields.note, 0])
    const columns = ['id', '$version', 'createdAt', 'updatedAt', 'name', 'note', 'visits']
    const halves = [rows.slice(0, 100), rows.slice(100)].map((part) => [{ collection: 'leads', columns, rows: part }])
    const transport = createFakeTransport()
    transport.answerBy(() => ({ kind: 'unreachable', problem: 'cut' }))
    const db = await open(path, transport)
    await db.query((q) => q.selectFrom('leads').selectAll()).catch(() => {})
    await until('it was recovered', () => db.sync.status.notice !== null)
    transport.answerBy(({ body }) => {
      const page = body.cursor === undefined ? 0 : Number(body.cursor.slice(1))
      return settledReply(body, { changes: halves[page] ?? [], more: page < 1, cursor: `c${page + 1}` })
    })
    await db.sync.now()
    await until('it has synced', () => db.sync.status.completeness === 'complete')
    expect(db.sync.status.notice).toMatchObject({ kind: 'recovered', rescued: 4 })
    await db.close()
    const [kept, purged] = await inDriver(path, (driver) => [
      driver.all('select id, operation, outcome, "settledAt" from _settled where purged = 0 order by seq limit 399'),
      driver.all('select id, operation from _settled where purged = 1'),
    ])
    expect(kept).toEqual(texts.slice(1))
    expect(purged.map(([id]) => id)).toEqual([gone?.id])
    expect(parsed(String(purged[0]?.[1]))).toMatchObject({ fields: {}, was: {} })
  })

  test('[VT1] the broken file is moved aside, byte for byte, and so is the next one', async () => {
    const path = newPath()
    await fill(path)
    for (const number of [1, 2]) {
      overwrite(path, 0, 100)
      const before = readFileSync(path)
      const db = await open(path, without())
      await db.close()
      expect(readFileSync(`${path}.broken-${number}`).equals(before)).toBe(true)
    }
    const db = await open(path, createFakeTransport())
    await until('everything is sent', () => db.sync.status.pending === 0)
    expect(await db.signOut()).toEqual({ kept: 1 })
    expect(existsSync(`${path}.broken-1`)).toBe(true)
    const again = await open(path, createFakeTransport())
    expect(await again.signOut({ waiting: 'discard' })).toEqual({ kept: 0 })
    // Only that deletes it, with everything else.
    const left = readdirSync(folder).filter((name) => name.startsWith(basename(path)))
    const text = left.map((name) => readFileSync(join(folder, name), 'latin1')).join()
    expect(left.some((name) => name.includes('broken'))).toBe(false)
    expect(text).not.toContain('turned down')
    expect(text).not.toContain('waits')
  })

  test('a notice stays over a restart until it is dismissed', async () => {
    const path = newPath()
    await fill(path)
    overwrite(path, 0, 100)
    await (await open(path, without())).close()
    const db = await open(path, without())
    expect(db.sync.status.notice).toMatchObject({ kind: 'recovered', rescued: 4 })
    await db.sync.dismissNotice()
    await until('the status says so', () => db.sync.status.notice === null)
    await db.close()
    expect((await open(path, without())).sync.status.notice).toBe(null)
  })

  test('[I-5] [QU2] nothing comes back that was settled, discarded or taken in before', async () => {
    const path = newPath()
    await fill(path)
    const transport = createFakeTransport()
    const db = await open(path, transport)
    expect(db.sync.status.notice).toBe(null)
    await until('everything is sent', () => db.sync.status.pending === 0)
    const [refused] = await db.inbox.list()
    if (refused === undefined) throw new Error('one was refused')
    await db.inbox.discard(refused.id)
    await db.close()
    overwrite(path, 0, 100)
    const again = await open(path, without())
    expect(again.sync.status).toMatchObject({ pending: 0, refused: 0, notice: { kind: 'recovered', rescued: 0 } })
    await again.close()
    expect(await queueIn(path)).toEqual([])
  })

  test('[QU2] [CK3] the end of a WAL that is lost is made up for, and nothing counts twice', async () => {
    const path = newPath()
    const texts = await fill(path)
    // An older state of the file, as after a restore of the device's disk: the copy knows more.
    const driver = await nodeSqlite(path)()
    driver.run('delete from _outbox where seq = (select max(seq) from _outbox)')
    driver.close()
    const transport = createFakeTransport()
    const db = await open(path, transport)
    expect(db.sync.status.notice).toMatchObject({ kind: 'recovered', rescued: 1 })
    await until('everything is sent', () => db.sync.status.pending === 0)
    const sent = transport.requests.flatMap(({ body }) => body.operations ?? []).map(({ id }) => id)
    expect(sent.toSorted()).toEqual(idsOf(texts.slice(1)).toSorted())
  })

  test('[VT3] [I-26] the copy of another user is neither read nor changed', async () => {
    const path = newPath()
    const texts = await fill(path)
    overwrite(path, 0, 100)
    const before = readFileSync(path)
    await expect(open(path, without(), 'eve')).rejects.toMatchObject({ code: 'USER_MISMATCH' })
    expect(readFileSync(path).equals(before)).toBe(true)
    await (await open(path, without())).close()
    expect(await queueIn(path)).toEqual(texts)
  })

  test('[VT4] without its copy the database works, and the broken one gives what can still be read', async () => {
    const path = newPath()
    const texts = await fill(path)
    writeFileSync(`${path}-queue`, 'garbage '.repeat(1_000))
    rmSync(`${path}-queue-wal`, { force: true })
    await (await open(path, without())).close()
    // Made anew from the database.
    overwrite(path, 0, 100)
    const db = await open(path, without())
    expect(db.sync.status).toMatchObject({ pending: 3, refused: 1 })
    await db.close()
    expect(await queueIn(path)).toEqual(texts)
  })
})

/** The vault of this file, with another copy. */
function withCopy(path: string, openCopy: (real: Vault) => Promise<QueueCopy>): OpenDriver {
  const real = nodeSqlite(path)
  const { vault } = real
  if (vault === undefined) throw new Error('a file has a vault')
  return Object.assign(() => real(), { vault: { ...vault, openCopy: () => openCopy(vault) } })
}

/** A page of rows, and none of the queue. */
function breakRows(path: string): void {
  const at = readFileSync(path).indexOf('lead 200xxx')
  expect(at).toBeGreaterThan(4_096)
  overwrite(path, at - (at % 4_096), 4_096)
}

/** All rows at once, also where there are none; the database is closed. */
async function breakTable(path: string): Promise<void> {
  const driver = await nodeSqlite(path)()
  const page = Number(driver.all(`select rootpage from sqlite_schema where name = 'leads'`)[0]?.[0])
  driver.close()
  overwrite(path, (page - 1) * 4_096, 4_096)
}

describe('a copy that fails', () => {
  test('[VT4] [V-1] one that cannot be opened: the broken database itself gives what can be read of its queue', async () => {
    const path = newPath()
    const texts = await fill(path)
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => report.mockRestore())
    const driver = withCopy(path, () => Promise.reject(new EngineError('STORAGE_FAILED', 'made for a test.')))
    const db = await open(path, without(), 'ada', driver)
    expect(String(report.mock.calls[0]?.[1])).toContain('made for a test')
    expect(db.sync.status.queueCopy).toBe('failing')
    breakRows(path)
    await db.query((q) => q.selectFrom('leads').selectAll())
    await until('the status goes on', () => db.sync.status.notice !== null)
    expect(db.sync.status).toMatchObject({ pending: 3, refused: 1, notice: { kind: 'recovered', rescued: 4 } })
    await db.close()
    expect(await queueIn(path)).toEqual(texts)
  })

  test('[CK1] one that cannot be written fails no write, is told once, and is in step again by itself', async () => {
    const path = newPath()
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => report.mockRestore())
    let isBroken = true
    let refusals = 0
    const driver = withCopy(path, async (real) => {
      const copy = await real.openCopy()
      return {
        ...copy,
        async write(change) {
          if (!isBroken) return copy.write(change)
          refusals += 1
          throw new EngineError('STORAGE_FULL', 'made for a test.')
        },
      }
    })
    const db = await open(path, without(), 'ada', driver)
    await until('the first attempt', () => refusals === 1)
    for (const name of ['a', 'b', 'c']) await db.leads.create({ name })
    await until('it is tried again', () => refusals === 2)
    expect(report).toHaveBeenCalledTimes(1)
    isBroken = false
    await db.close()
    rmSync(path)
    const again = await open(path, without())
    expect(again.sync.status).toMatchObject({ pending: 3, notice: { kind: 'recovered', rescued: 3 } })
  })
})

describe('a copy that is broken', () => {
  /** Its database is whole: nothing is lost yet. */
  async function breakCopy(path: string): Promise<void> {
    overwrite(`${path}-queue`, 4_096, Number.POSITIVE_INFINITY)
  }

  /** In the moment between two uses of it. */
  async function quietly<T>(work: () => Promise<T>): Promise<T> {
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    try {
      return await work()
    } finally {
      report.mockRestore()
    }
  }

  test('[CK4] [V-1] found at opening: it is set aside and made anew, and the database may break', async () => {
    const path = newPath()
    const texts = await fill(path)
    await breakCopy(path)
    await quietly(async () => {
      const db = await open(path, without())
      await until('the copy is made anew', () => existsSync(`${path}-queue.broken-1`))
      expect(db.sync.status).toMatchObject({ pending: 3, refused: 1, notice: null })
      await db.close()
    })
    rmSync(path)
    const again = await open(path, without())
    expect(again.sync.status).toMatchObject({ pending: 3, refused: 1, queueCopy: 'kept' })
    await again.close()
    expect(await queueIn(path)).toEqual(texts)
  })

  test('[CK4] [V-1] both are broken: what can be read of either is there, in the database and in the new copy', async () => {
    const path = newPath()
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => report.mockRestore())
    const db = await open(path, without())
    for (let n = 0; n < 40; n += 1) await db.leads.create({ name: `n${n}`, note: 'x'.repeat(400) })
    await db.close()
    const ids = idsOf(await queueIn(path))
    const bytes = readFileSync(`${path}-queue`)
    const at = bytes.indexOf(ids[20] ?? '')
    overwrite(`${path}-queue`, at - (at % 4_096), 4_096)
    for (const _ of [1, 2]) {
      rmSync(path)
      const again = await open(path, without())
      expect(again.sync.status.pending).toBeGreaterThan(25)
      expect(again.sync.status.pending).toBeLessThan(40)
      await again.close()
    }
  })

  test('[CK4] found while the app runs, by a write: the new one holds everything, and meanwhile the status says so', async () => {
    const path = newPath()
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => report.mockRestore())
    let isBroken = false
    let isFull = true
    const real = nodeSqlite(path)
    const { vault } = real
    if (vault === undefined) throw new Error('a file has a vault')
    const breaking: Vault = {
      ...vault,
      async openCopy() {
        const copy = await vault.openCopy()
        const write: QueueCopy['write'] = async (change) => {
          if (isBroken) throw new EngineError('STORAGE_CORRUPT', 'made for a test.')
          await copy.write(change)
        }
        return { ...copy, write }
      },
      async renewCopy() {
        if (isFull) throw new EngineError('STORAGE_FULL', 'made for a test.')
        return vault.renewCopy()
      },
    }
    const driver = Object.assign(() => real(), { vault: breaking })
    const db = await open(path, without(), 'ada', driver)
    await db.leads.create({ name: 'before' })
    expect(db.sync.status.queueCopy).toBe('kept')
    isBroken = true
    await db.leads.create({ name: 'after' })
    await until('the status says so', () => db.sync.status.queueCopy === 'failing')
    isFull = false
    await until('it is kept again', () => db.sync.status.queueCopy === 'kept')
    await db.close()
    rmSync(path)
    const again = await open(path, without())
    expect(again.sync.status).toMatchObject({ pending: 2, notice: { kind: 'recovered', rescued: 2 } })
  })
})

describe('a copy that lags behind', () => {
  /** Many rows, and one change that waits; the copy has it, and from then on it cannot be written. */
  async function fillAndLag(path: string): Promise<OpenDriver> {
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => report.mockRestore())
    const transport = createFakeTransport()
    transport.answerBy(({ body }) => withRows(body))
    const db = await open(path, transport)
    await db.write((tx) => {
      for (let n = 0; n < 400; n += 1) tx.leads.create({ name: `lead ${n}`, note: 'x'.repeat(200) })
    }).settled
    transport.answerBy(() => offline)
    await db.leads.create({ name: 'in the copy' })
    await db.close()
    return withCopy(path, async (real) => ({
      ...(await real.openCopy()),
      write: () => Promise.reject(new EngineError('STORAGE_FULL', 'made for a test.')),
    }))
  }

  type Device = Awaited<ReturnType<typeof open>>

  async function discardFirst(db: Device): Promise<void> {
    const [item] = await db.inbox.list()
    if (item === undefined) throw new Error('one was refused')
    await db.inbox.discard(item.id)
  }

  const meanwhile: readonly (readonly [
    what: string,
    answer: (body: SentBody) => ReturnType<typeof settledReply>,
    act: (db: Device) => Promise<unknown>,
    refused: number,
  ])[] = [
    ['refused', refusing, async () => {}, 1],
    ['refused and discarded', refusing, discardFirst, 0],
    ['taken', withRows, async () => {}, 0],
    ['taken, with the rows still to come', (body) => settledReply(body, { through: 0 }), async () => {}, 0],
  ]

  test.each(meanwhile)(
    '[VT5] [I-4] [I-5] what was %s meanwhile is not sent again when the database breaks, nor when it breaks once more',
    async (_, answer, act, refused) => {
      const path = newPath()
      const driver = await fillAndLag(path)
      const transport = createFakeTransport()
      transport.answerBy(({ body }) => answer(body))
      let db = await open(path, transport, 'ada', driver)
      await until('it is answered', () => db.sync.status.pending === 0 && db.sync.status.kind === 'idle')
      await act(db)
      for (const time of [1, 2]) {
        await db.close()
        await breakTable(path)
        const next = createFakeTransport()
        db = await open(path, next, 'ada', driver)
        await db.query((q) => q.selectFrom('leads').selectAll())
        await until('it is made anew', () => existsSync(`${path}.broken-${time}`))
        await until('it is back', () => db.sync.status.kind === 'idle')
        expect(db.sync.status).toMatchObject({ pending: 0, refused, notice: { kind: 'recovered' } })
        expect(next.requests.flatMap(({ body }) => body.operations ?? [])).toEqual([])
      }
    },
  )
})

describe('settings of the device', () => {
  test('[V-1] they are taken from the broken file; where they cannot be read, the notice says that they are lost', async () => {
    const path = newPath()
    await fill(path)
    const db = await open(path, without())
    await db.kv.set('draft', { text: 'an hour of typing' })
    await db.kv.set('', 1)
    breakRows(path)
    await db.query((q) => q.selectFrom('leads').selectAll())
    await until('the status goes on', () => db.sync.status.notice?.kind === 'recovered')
    expect(db.sync.status.notice).toMatchObject({ settings: 'kept' })
    expect([await db.kv.get('draft'), await db.kv.get('')]).toEqual([{ text: 'an hour of typing' }, 1])
    await db.close()
    overwrite(path, 0, 100)
    const again = await open(path, without())
    expect(again.sync.status.notice).toMatchObject({ settings: 'lost' })
    expect(await again.kv.get('draft')).toBe(null)
  })
})

describe('while the app runs', () => {
  /** Breaks the file under an open connection: what it has read before, it still knows. */
  function breakUnder(path: string): void {
    overwrite(path, 4_096, Number.POSITIVE_INFINITY)
    overwrite(`${path}-wal`, 32, Number.POSITIVE_INFINITY)
  }

  test('[V-1] [VT2] [I-1] [I-5] reads and writes meet a broken file: each is answered once, watches go on, and all is there again', async () => {
    const path = newPath()
    const texts = await fill(path)
    const db = await open(path, without())
    const seen: string[][] = []
    db.watch(
      (q) => q.selectFrom('leads').select('name').where('$sync', '=', 'pending').orderBy('name'),
      ({ rows }) => seen.push(rows.map(({ name }) => name)),
    )
    await until('the watch has told', () => seen.length > 0)
    breakUnder(path)
    const [all, , id] = await Promise.all([
      db.query((q) => q.selectFrom('leads').select(['name', 'note']).where('note', 'like', '%')),
      db.search('leads', 'lead'),
      db.leads.create({ name: 'in the storm' }),
    ])
    expect(all.map(({ name }) => name)).toContain('waits')
    await until('the status goes on', () => db.sync.status.pending === 4)
    expect(db.sync.status).toMatchObject({ refused: 1, notice: { kind: 'recovered' } })
    await until('the watch goes on', () => seen.at(-1)?.length === 2)
    expect(seen.at(-1)).toEqual(['in the storm', 'waits'])
    expect(await db.query((q) => q.selectFrom('leads').select('name').where('id', '=', id))).toHaveLength(1)
    await db.close()
    const after = await queueIn(path)
    expect(after.slice(0, 4)).toEqual(texts)
    expect(after).toHaveLength(5)
    expect(existsSync(`${path}.broken-1`)).toBe(true)
  })

  test('[V-1] [I-1] what was saved in the moment before, and is not in the copy yet, is taken from the broken file', async () => {
    const path = newPath()
    await fill(path)
    const db = await open(path, without())
    const saved = await db.leads.create({ name: 'just saved' })
    breakRows(path)
    await db.query((q) => q.selectFrom('leads').selectAll())
    await until('the status goes on', () => db.sync.status.notice?.kind === 'recovered')
    expect(await db.query((q) => q.selectFrom('leads').select('name').where('id', '=', saved))).toEqual([
      { name: 'just saved' },
    ])
  })

  test('[V-1] [L-1] a database that does not come back at once comes back by itself, and nobody has to call', async () => {
    const path = newPath()
    await fill(path)
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => report.mockRestore())
    const real = nodeSqlite(path)
    const { vault } = real
    if (vault === undefined) throw new Error('a file has a vault')
    let isFull = true
    const setAside = async () => {
      if (isFull) throw new EngineError('STORAGE_FULL', 'made for a test.')
      await vault.setAside()
    }
    const driver = Object.assign(() => real(), { vault: { ...vault, setAside } })
    const clock = createFakeClock()
    const timers = createFakeTimers(clock)
    const ambient = { ...systemAmbient, clock, timers }
    const ports = { transport: without(), ambient }
    const db = await openClient({ schema, url: 'http://nowhere', user: 'ada', token: 'token', driver, ports })
    onTestFinished(() => db.close())
    breakUnder(path)
    await expect(db.query((q) => q.selectFrom('leads').selectAll())).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    isFull = false
    await timers.advance(10_000)
    await until('it is back', async () => {
      await timers.advance(10)
      return db.sync.status.notice?.kind === 'recovered'
    })
    expect(db.sync.status).toMatchObject({ pending: 3, refused: 1 })
  })

  test('[VT2] a client that is closed while it comes back stays closed', async () => {
    const path = newPath()
    const texts = await fill(path)
    const db = await open(path, without())
    breakUnder(path)
    const read = db.query((q) => q.selectFrom('leads').selectAll()).catch((error: unknown) => error)
    await db.close()
    expect(await read).toMatchObject({ code: 'CLOSED' })
    await expect(db.leads.create({ name: 'late' })).rejects.toMatchObject({ code: 'CLOSED' })
    await (await open(path, without())).close()
    expect(await queueIn(path)).toEqual(texts)
  })
})

describe('rescue', () => {
  test('[RF1] a file holds what waits and what was refused, offline and paused, and from the copy when the database is gone', async () => {
    const path = newPath()
    const texts = await fill(path)
    const db = await open(path, without())
    await db.sync.pause()
    const [file, ...more] = await db.rescue.export()
    expect(more).toEqual([])
    const rescued = parseRescue(JSON.parse(file?.text ?? ''))
    expect(file).toMatchObject({ count: 4, name: expect.stringMatching(/^holdfast-rescue-[\d-]+-[0-9a-f]{6}\.json$/) })
    expect(rescued).toMatchObject({ user: 'ada', schema: 3 })
    expect(rescued.items.map(({ operation }) => operation.text)).toEqual(texts)
    expect(rescued.items.map(({ refused }) => refused?.code ?? null)).toEqual(['FORBIDDEN', null, null, null])
    await db.close()

    rmSync(path)
    const openCopy = () => {
      const { vault } = nodeSqlite(path)
      if (vault === undefined) throw new Error('a file has a vault')
      return vault.openCopy()
    }
    const [fromCopy] = (await exportRescue({ user: 'ada', schema: 3, openCopy })) ?? []
    const items = parseRescue(JSON.parse(fromCopy?.text ?? '')).items
    expect(items.map(({ operation }) => operation.text)).toEqual(texts)
    await expect(exportRescue({ user: 'eve', schema: 3, openCopy })).rejects.toMatchObject({ code: 'USER_MISMATCH' })
  })
})

describe('sign-out', () => {
  test('[I-4] it keeps what waits and what was refused, and only the word deletes it', async () => {
    const path = newPath()
    const texts = await fill(path)
    const db = await open(path, without())
    expect(await db.signOut()).toEqual({ kept: 4 })
    expect(await queueIn(path)).toEqual(texts)
    const again = await open(path, without())
    expect(again.sync.status).toMatchObject({ pending: 3, refused: 1, notice: null })
    expect(await again.signOut({ waiting: 'discard' })).toEqual({ kept: 0 })
    const empty = await open(path, without())
    expect(empty.sync.status).toMatchObject({ pending: 0, refused: 0, notice: null })
  })
})
