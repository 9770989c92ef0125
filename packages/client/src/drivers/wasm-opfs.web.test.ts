import { afterAll, afterEach, expect, test } from 'vitest'
import { cdp } from 'vitest/browser'
import { describeSqliteDriver } from '../contract/sqlite-driver.contract.ts'
import type { SqliteRow } from '../ports/sqlite-driver.ts'
import type { Answer, Request } from './wasm-opfs.test.worker.ts'
import { deleteWasmOpfs, openWasmOpfs } from './wasm-opfs.ts'

interface TestWorker {
  ask(request: Request): Promise<readonly SqliteRow[]>
  terminate(): void
}

const root = `test-${crypto.randomUUID()}`
const workers: TestWorker[] = []
const shared = startWorker()
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate()
})
afterAll(async () => {
  shared.terminate()
  await deleteWasmOpfs({ directory: root })
})

let directoryCount = 0
function newDirectory(): string {
  directoryCount += 1
  return `${root}/${directoryCount}`
}

describeSqliteDriver('wasm, OPFS', {
  storage: 'file',
  runCase: async ({ name }) => {
    const directory = newDirectory()
    await shared.ask({ kind: 'case', name, directory })
    await deleteWasmOpfs({ directory })
  },
})

describeSqliteDriver('wasm, memory', {
  storage: 'memory',
  runCase: async ({ name }) => void (await shared.ask({ kind: 'case', name, directory: null })),
})

test('[D3] a worker that ends in mid-transaction leaves what was committed, and its successor opens at once', async () => {
  const directory = newDirectory()
  const first = newWorker()
  await first.ask({ kind: 'open', directory })
  await first.ask({ kind: 'all', sql: 'create table a (x)' })
  await first.ask({ kind: 'all', sql: "insert into a values ('kept')" })
  await first.ask({ kind: 'all', sql: 'begin' })
  await first.ask({ kind: 'all', sql: "insert into a values ('lost')" })
  const second = newWorker()
  const opening = second.ask({ kind: 'open', directory }) // Before the first lets go: it has to wait for that.
  first.terminate()
  await opening
  expect(await second.ask({ kind: 'all', sql: 'select x from a' })).toEqual([['kept']])
  expect(await second.ask({ kind: 'all', sql: 'pragma integrity_check' })).toEqual([['ok']])
})

test('[PU2] [I-23] what was deleted is in no byte of the files once the index is merged and the WAL emptied', async () => {
  const directory = newDirectory()
  const worker = newWorker()
  const run = (sql: string) => worker.ask({ kind: 'all', sql })
  const secret = 'zqsecretword'
  await worker.ask({ kind: 'open', directory })
  await run('create table a (id integer primary key, x text)')
  await run(`create virtual table s using fts5(text, content='', contentless_delete=1, detail=none)`)
  const rows = `with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) select i, `
  await run(`insert into a ${rows} replace(hex(zeroblob(i % 40)), '00', '${secret} ') || 'kept' || i from n`)
  await run('insert into s (rowid, text) select id, x from a')
  await run(`update a set x = x || '${secret}' where id % 3 = 0`)
  expect(await filesWith(directory, secret)).not.toBe(0)
  await run('delete from s where rowid % 40 <> 0')
  await run('delete from a where id % 40 <> 0')
  await run(`update a set x = 'kept'`)
  await run(`insert into s (s) values ('optimize')`)
  expect(await run('pragma wal_checkpoint(truncate)')).toEqual([[0, 0, 0]])
  expect(await filesWith(directory, secret)).toBe(0)
  expect(await filesWith(directory, 'kept')).not.toBe(0)
})

test('[D3] a pool that a kill left half made is completed', async () => {
  const directory = newDirectory()
  let folder = await navigator.storage.getDirectory()
  for (const name of `${directory}/pool/.opaque`.split('/'))
    folder = await folder.getDirectoryHandle(name, { create: true })
  await folder.getFileHandle('made-before-the-kill', { create: true })
  const worker = newWorker()
  await worker.ask({ kind: 'open', directory })
  expect(await worker.ask({ kind: 'all', sql: 'pragma journal_mode' })).toEqual([['wal']])
})

test('[D1] of two workers that open a new database at once, one gets it and the other is refused', async () => {
  const directory = newDirectory()
  const openings = [newWorker(), newWorker()].map((worker) => worker.ask({ kind: 'open', directory }))
  const ends = await Promise.allSettled(openings)
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(ends.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { message: /STORAGE_LOCKED/ } })
})

test('[D1, D4] a full quota is STORAGE_FULL, loses nothing, and the connection goes on once there is room', async () => {
  const worker = newWorker()
  await worker.ask({ kind: 'open', directory: newDirectory() })
  await worker.ask({ kind: 'all', sql: 'create table a (x)' })
  await worker.ask({ kind: 'all', sql: "insert into a values ('kept')" })
  const { usage = 0 } = await navigator.storage.estimate()
  await setQuota(usage + 3_000_000)
  try {
    await worker.ask({ kind: 'all', sql: 'begin' })
    await worker.ask({ kind: 'all', sql: 'insert into a select zeroblob(10000000)' }) // Held in memory until the commit.
    await expect(worker.ask({ kind: 'all', sql: 'commit' })).rejects.toThrow(/STORAGE_FULL/)
  } finally {
    await setQuota(undefined)
  }
  expect(await worker.ask({ kind: 'all', sql: 'select x from a' })).toEqual([['kept']])
  await worker.ask({ kind: 'all', sql: "insert into a values ('later')" })
  expect(await worker.ask({ kind: 'all', sql: 'pragma integrity_check' })).toEqual([['ok']])
  expect(await worker.ask({ kind: 'all', sql: 'select x from a' })).toEqual([['kept'], ['later']])
})

test('an open database is not deleted', async () => {
  const directory = newDirectory()
  const worker = newWorker()
  await worker.ask({ kind: 'open', directory })
  await worker.ask({ kind: 'all', sql: 'create table a (x)' })
  await expect(deleteWasmOpfs({ directory })).rejects.toMatchObject({ code: 'STORAGE_LOCKED' })
  expect(await worker.ask({ kind: 'all', sql: 'select * from a' })).toEqual([])
  await worker.ask({ kind: 'close' })
  await deleteWasmOpfs({ directory })
})

test('outside a dedicated worker it is STORAGE_UNAVAILABLE', async () => {
  await expect(openWasmOpfs({ directory: newDirectory() })).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
})

/** How many files below a directory hold these bytes. */
async function filesWith(directory: string, word: string): Promise<number> {
  let folder = await navigator.storage.getDirectory()
  for (const name of directory.split('/')) folder = await folder.getDirectoryHandle(name)
  const count = async (within: FileSystemDirectoryHandle): Promise<number> => {
    let found = 0
    for await (const handle of within.values()) {
      if (handle.kind === 'directory') found += await count(handle as FileSystemDirectoryHandle)
      else if ((await textOf(handle as FileSystemFileHandle)).includes(word)) found += 1
    }
    return found
  }
  return count(folder)
}

async function textOf(handle: FileSystemFileHandle): Promise<string> {
  return new TextDecoder('latin1').decode(await (await handle.getFile()).arrayBuffer())
}

/** In bytes; undefined is what the browser gives by itself. */
async function setQuota(quotaSize: number | undefined): Promise<void> {
  await cdp().send('Storage.overrideQuotaForOrigin', { origin: location.origin, ...(quotaSize && { quotaSize }) })
}

function newWorker(): TestWorker {
  const worker = startWorker()
  workers.push(worker)
  return worker
}

/** One call at a time, so an answer needs no number. */
function startWorker(): TestWorker {
  const worker = new Worker(new URL('./wasm-opfs.test.worker.ts', import.meta.url), { type: 'module' })
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }: MessageEvent<Answer>) => {
          if (data.kind === 'done') resolve(data.rows)
          else reject(new Error(`${data.code}: ${data.message}`))
        }
        worker.onerror = (event) => reject(new Error(event.message))
        worker.postMessage(request)
      }),
    terminate: () => worker.terminate(),
  }
}
