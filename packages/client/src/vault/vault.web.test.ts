/** The vault in real Chromium: databases in OPFS that are really broken, or really gone. */
import { collection, defineSchema, parseDeviceId, parseRescue, parseUserId, t } from '@holdfast/core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Client } from '../client.ts'
import { queueCopyCases } from '../contract/queue-copy.cases.ts'
import { databaseName } from '../database-name.ts'
import { openClient } from '../open-client.ts'
import { createDeviceMark, markPlacesHere } from './device-mark.ts'
import { browserQueueCopy, exportRescue } from './export-rescue.ts'
import { deleteIndexedDbQueueCopy, openIndexedDbQueueCopy } from './indexed-db-queue-copy.ts'
import { queueCopyName } from './queue-copy-name.ts'
import type { Sent } from './vault.test.worker.ts'

// The worker's own copy cannot be imported: the file starts an engine.
const schema = defineSchema({
  version: 1,
  collections: { leads: collection({ fields: { name: t.text({ min: 1 }), note: t.text({ default: '' }) } }) },
})
type Db = Client<typeof schema>

const noNetwork = '/nobody/'
/** Of what happens in a worker beside: longer than on any machine that is busy. */
const waitMsMax = 10_000
const newUser = () => `user-${crypto.randomUUID()}`
const opened: Db[] = []
afterEach(async () => {
  for (const db of opened.splice(0)) await db.close()
})

async function open(user: string, url = noNetwork): Promise<Db> {
  const worker = () => new Worker(new URL('./vault.test.worker.ts', import.meta.url), { type: 'module' })
  const db = await openClient({ schema, url, user, token: 'token', worker })
  opened.push(db)
  return db
}

const nameOf = (user: string, url = noNetwork) => databaseName(new URL(url, location.href).href, user)
const markOf = async (user: string) => createDeviceMark(await nameOf(user), markPlacesHere())

/** A tab that closes ends its worker at once: what was written in the last moment is copied at the next opening. */
async function copied(user: string, count: number): Promise<void> {
  const copy = await openIndexedDbQueueCopy(queueCopyName(await nameOf(user)))
  await vi.waitUntil(async () => (await copy.read()).operations.length === count, waitMsMax)
  await copy.close()
}

const namesIn = async (db: Db) =>
  (await db.query((q) => q.selectFrom('leads').select('name').orderBy('name'))).map(({ name }) => name)

async function rescued(db: Db) {
  const [file] = await db.rescue.export()
  return parseRescue(JSON.parse(file?.text ?? ''))
}

/** Resolves with the first status that is meant. */
function status(db: Db, isMeant: (status: Db['sync']['status']) => boolean): Promise<Db['sync']['status']> {
  return new Promise((resolve) => {
    const look = (now: Db['sync']['status']) => {
      if (!isMeant(now)) return
      stop()
      resolve(now)
    }
    const stop = db.sync.watch(look)
    look(db.sync.status)
  })
}

/** Collects what is sent while `work` runs. */
async function sentDuring(work: () => Promise<unknown>): Promise<readonly Sent['body'][]> {
  const channel = new BroadcastChannel('vault-test-server')
  const sent: Sent['body'][] = []
  channel.onmessage = ({ data }: MessageEvent<Sent>) => sent.push(data.body)
  await work()
  channel.close()
  return sent
}

async function poolFiles(user: string): Promise<readonly FileSystemFileHandle[]> {
  const root = await navigator.storage.getDirectory()
  const holdfast = await root.getDirectoryHandle('holdfast')
  const folder = await holdfast.getDirectoryHandle(await nameOf(user))
  const files: FileSystemFileHandle[] = []
  for await (const handle of folder.values()) if (handle.kind === 'directory') await collect(handle, files)
  return files
}

async function collect(folder: FileSystemDirectoryHandle, files: FileSystemFileHandle[]): Promise<void> {
  for await (const handle of folder.values()) {
    if (handle.kind === 'directory') await collect(handle, files)
    else files.push(handle)
  }
}

/** The files of SQLite: the pool keeps their names in a head of 4,096 bytes. */
const headBytes = 4_096

/** Changes what lies in the pool's files of this name (the database, or its WAL too). */
async function damage(
  user: string,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Promise<void> {
  let count = 0
  for (const handle of await poolFiles(user)) {
    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer())
    const name = new TextDecoder().decode(bytes.subarray(0, 64)).split('\0')[0] ?? ''
    if (!name.startsWith('/holdfast.sqlite3')) continue
    count += 1
    const writable = await handle.createWritable()
    await writable.write(change(bytes))
    await writable.close()
  }
  expect(count).toBeGreaterThan(0)
}

function garbled(bytes: Uint8Array<ArrayBuffer>, from: number, to = bytes.length): Uint8Array<ArrayBuffer> {
  for (let at = from; at < Math.min(to, bytes.length); at += 1) bytes[at] = (bytes[at] ?? 0) ^ 0xa5
  return bytes
}

describe('QueueCopy: IndexedDB', () => {
  for (const { name, run } of queueCopyCases) {
    test(name, async () => {
      const [one, other] = [crypto.randomUUID(), crypto.randomUUID()]
      await run(
        () => openIndexedDbQueueCopy(one),
        () => openIndexedDbQueueCopy(other),
      )
      await deleteIndexedDbQueueCopy(one)
      await deleteIndexedDbQueueCopy(other)
    })
  }

  test('a copy that was deleted is as a new one', async () => {
    const name = crypto.randomUUID()
    const copy = await openIndexedDbQueueCopy(name)
    const owner = { user: parseUserId('ada'), device: parseDeviceId(crypto.randomUUID()) }
    await copy.write({ owner, put: [], remove: [] })
    await deleteIndexedDbQueueCopy(name) // Although it is open.
    const again = await openIndexedDbQueueCopy(name)
    expect(await again.read()).toEqual({ owner: null, operations: [], isWhole: true })
    await again.close()
    await deleteIndexedDbQueueCopy(name)
  })
})

describe('a copy that is damaged', () => {
  /** A value that makes no sense, past our own code. */
  async function damageCopy(name: string): Promise<void> {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1)
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
    const transaction = database.transaction('queue', 'readwrite')
    transaction.objectStore('queue').put({ id: 'no operation', text: 7 })
    await new Promise((resolve) => {
      transaction.oncomplete = resolve
    })
    database.close()
  }

  test('[CK4] [QC2] it answers what can be read, and is made anew from the database', async () => {
    const user = newUser()
    const name = queueCopyName(await nameOf(user))
    const db = await open(user)
    await db.leads.create({ name: 'first' })
    await copied(user, 1)
    await db.close()
    await damageCopy(name)
    const copy = await openIndexedDbQueueCopy(name)
    const damaged = await copy.read()
    expect(damaged).toMatchObject({ owner: { user }, isWhole: false })
    expect(damaged.operations).toHaveLength(1)
    await copy.close()

    const again = await open(user)
    expect(again.sync.status.notice).toBe(null)
    const isRenewed = async (): Promise<boolean> => {
      const renewed = await openIndexedDbQueueCopy(name)
      const { isWhole, operations } = await renewed.read()
      await renewed.close()
      return isWhole && operations.length === 1
    }
    // To be made anew the copy is deleted first, which ends every connection to it, ours too.
    await vi.waitUntil(() => isRenewed().catch(() => false), waitMsMax)
    await status(again, ({ queueCopy }) => queueCopy === 'kept')
  })
})

describe('a broken database', () => {
  test.each<readonly [what: string, change: Parameters<typeof damage>[1]]>([
    ['garbage in place of the header', (bytes) => garbled(bytes, headBytes, headBytes + 100)],
    ['files that were cut short', (bytes) => bytes.slice(0, headBytes + 700)],
    ['every page broken', (bytes) => garbled(bytes, headBytes + 4_096)],
    ['the heads of the pool broken', (bytes) => garbled(bytes, 0, headBytes)],
  ])('[V-1] [I-4] %s: what waited is there again, is told, and is sent once', async (_, change) => {
    const user = newUser()
    const db = await open(user)
    await db.leads.create({ name: 'first' })
    await db.leads.create({ name: 'second' })
    const before = await rescued(db)
    await copied(user, 2)
    await db.close()
    await damage(user, change)

    const again = await open(user)
    const recovered = await status(again, ({ notice }) => notice !== null)
    expect(recovered).toMatchObject({ pending: 2, notice: { kind: 'recovered', rescued: 2 } })
    expect(await namesIn(again)).toEqual(['first', 'second'])
    const after = await rescued(again)
    expect(after.items).toEqual(before.items)
    expect(after.device).not.toBe(before.device)
    expect((await markOf(user)).read()).toBe(after.device)
    await again.sync.dismissNotice()
    await status(again, ({ notice }) => notice === null)
    await again.leads.create({ name: 'third' })
    await again.close()
    const last = await open(user)
    expect(last.sync.status).toMatchObject({ pending: 3, notice: null })
  })

  test('[V-3] what waits can be exported without the database', async () => {
    const user = newUser()
    const openCopy = browserQueueCopy({ url: noNetwork, user })
    const db = await open(user)
    expect((await db.rescue.export()).map(({ count }) => count)).toEqual([0])
    await db.leads.create({ name: 'first' })
    const { items } = await rescued(db)
    await copied(user, 1)
    await db.close()
    const [file] = (await exportRescue({ user, schema: 1, openCopy })) ?? []
    expect(parseRescue(JSON.parse(file?.text ?? '')).items).toEqual(items)
  })
})

describe('a browser that removes the data', () => {
  async function evict(user: string, url: string): Promise<void> {
    const root = await navigator.storage.getDirectory()
    const holdfast = await root.getDirectoryHandle('holdfast')
    const name = await nameOf(user, url)
    // The worker of a tab that was closed lets go of its files a moment later.
    await vi.waitUntil(
      () =>
        holdfast.removeEntry(name, { recursive: true }).then(
          () => true,
          () => false,
        ),
      waitMsMax,
    )
    await deleteIndexedDbQueueCopy(queueCopyName(await nameOf(user, url)))
  }

  test('[V-2] it is told, with what the device had reported last; once', async () => {
    const [user, url] = [newUser(), '/somewhere/']
    let device = ''
    await sentDuring(async () => {
      const db = await open(user, url)
      await db.leads.create({ name: 'lost' })
      await status(db, ({ kind, pending }) => kind === 'idle' && pending === 0)
      device = (await rescued(db)).device
      await db.close()
    })
    await evict(user, url)
    const sent = await sentDuring(async () => {
      const db = await open(user, url)
      const told = await status(db, ({ notice }) => notice?.kind === 'evicted' && notice.reported !== null)
      expect(told.notice).toMatchObject({ reported: { pending: 7, atMs: 1_795_000_000_000 } })
      await db.sync.now()
      await db.sync.now()
      await db.close()
    })
    expect(sent[0]).toMatchObject({ previousDevice: device })
    expect(sent.at(-1)).not.toHaveProperty('previousDevice')
    const again = await open(user, url)
    expect(again.sync.status.notice).toMatchObject({ kind: 'evicted' })
    await again.sync.dismissNotice()
    await again.close()
    expect((await open(user, url)).sync.status.notice).toBe(null)
  })

  test('[V-2] offline it is told at once, and asked until there is an answer; a first opening is no eviction', async () => {
    const user = newUser()
    const db = await open(user)
    expect(db.sync.status.notice).toBe(null)
    await db.close()
    await evict(user, noNetwork)
    const again = await open(user)
    expect(again.sync.status.notice).toMatchObject({ kind: 'evicted', reported: null })
  })

  test('[V-4] signing out removes the data, and no eviction is told afterwards', async () => {
    const user = newUser()
    const db = await open(user)
    await db.leads.create({ name: 'kept' })
    expect(await db.signOut()).toEqual({ kept: 1 })
    const again = await open(user)
    expect(again.sync.status).toMatchObject({ pending: 1, notice: null })
    expect(await again.signOut({ waiting: 'discard' })).toEqual({ kept: 0 })
    expect((await markOf(user)).read()).toBe(null)
    const empty = await open(user)
    expect(empty.sync.status).toMatchObject({ pending: 0, notice: null })
    expect(await namesIn(empty)).toEqual([])
  })
})

describe('two users of one browser', () => {
  test('[I-26] neither sees nor sends what the other wrote, whoever is there first; copies and marks are apart', async () => {
    const [ada, eve, url] = [newUser(), newUser(), '/somewhere/']
    const first = await open(ada)
    await first.leads.create({ name: 'of ada' })
    const adas = await rescued(first)
    await first.signOut() // Kept: it has not been sent.
    const sent = await sentDuring(async () => {
      const hers = await open(eve, url)
      expect(await namesIn(hers)).toEqual([])
      await hers.leads.create({ name: 'of eve' })
      await status(hers, ({ kind, pending }) => kind === 'idle' && pending === 0)
      expect(await namesIn(hers)).not.toContain('of ada')
      await hers.close()
    })
    expect(new Set(sent.map(({ user }) => user))).toEqual(new Set([eve]))
    expect(sent.flatMap(({ operations }) => operations ?? []).every(({ user }) => user === eve)).toBe(true)
    expect((await markOf(ada)).read()).toBe(adas.device)
    const again = await open(ada)
    expect(await namesIn(again)).toEqual(['of ada'])
    expect((await rescued(again)).items).toEqual(adas.items)
  })
})
