import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseDeviceId, parseOperationId, parseUserId } from '@holdfast/core'
import { afterAll, describe, expect, test } from 'vitest'
import { queueCopyCases } from '../contract/queue-copy.cases.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { QueueCopy } from '../ports/queue-copy.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-copy-'))
afterAll(() => rmSync(folder, { recursive: true }))

let made = 0
function newPath(): string {
  made += 1
  return join(folder, `${made}.db`)
}

async function openCopy(path: string): Promise<QueueCopy> {
  const { vault } = nodeSqlite(path)
  if (vault === undefined) throw new Error('a file has a vault')
  return vault.openCopy()
}

describe('QueueCopy: SQLite', () => {
  for (const { name, run } of queueCopyCases) {
    test(name, () => {
      const [one, other] = [newPath(), newPath()]
      return run(
        () => openCopy(one),
        () => openCopy(other),
      )
    })
  }
})

test('a copy that is open belongs to its process', async () => {
  const path = newPath()
  const copy = await openCopy(path)
  await expect(openCopy(path)).rejects.toMatchObject({ code: 'STORAGE_LOCKED' })
  await copy.close()
})

test('[QC5] [I-23] what was removed is in no byte of its files once it is purged, or opened after a kill', async () => {
  const path = newPath()
  const id = (n: number) => parseOperationId(`00000000-0000-7000-8000-${String(n).padStart(12, '0')}`)
  const owner = { user: parseUserId('ada'), device: parseDeviceId(id(0)) }
  const put = (from: number, word: string) =>
    Array.from({ length: 200 }, (_, index) => ({
      id: id(from + index),
      seq: from + index,
      text: `{"of":"${word.repeat(1 + (index % 9))}"}`,
      refused: null,
    }))
  const holds = (word: string, of = path) =>
    readdirSync(folder).filter(
      (name) => name.startsWith(`${basename(of)}-queue`) && readFileSync(join(folder, name)).includes(word),
    )
  const copy = await openCopy(path)
  await copy.write({ owner, put: [...put(1, 'secret'), ...put(1_001, 'other')], remove: [] })
  await copy.write({ owner, put: put(2_001, 'secret'), remove: put(1, '').map((one) => one.id) })
  await copy.write({ owner, put: [], remove: put(2_001, '').map((one) => one.id) })
  // As a kill leaves it.
  const killed = newPath()
  for (const end of ['', '-wal']) copyFileSync(`${path}-queue${end}`, `${killed}-queue${end}`)
  expect([holds('secret').length, holds('secret', killed).length]).not.toContain(0)
  await copy.purge()
  expect([holds('secret'), holds('other').length > 0]).toEqual([[], true])
  const again = await openCopy(killed)
  expect([holds('secret', killed), (await again.read()).operations.length]).toEqual([[], 200])
  await again.close()
  await copy.close()
})

test('a copy that is broken is set aside, and a new one made', async () => {
  const path = newPath()
  writeFileSync(`${path}-queue`, 'no database '.repeat(1_000))
  const copy = await openCopy(path)
  expect(await copy.read()).toEqual({ owner: null, operations: [], isWhole: true })
  await copy.close()
})

test('[I-4] one damaged entry costs only itself', async () => {
  const path = newPath()
  const copy = await openCopy(path)
  const id = (n: number) => parseOperationId(`00000000-0000-7000-8000-00000000000${n}`)
  const owner = { user: parseUserId('ada'), device: parseDeviceId(id(9)) }
  const put = [1, 2, 3].map((n) => ({ id: id(n), seq: n, text: '{}', refused: null }))
  await copy.write({ owner, put, remove: [] })
  await copy.close()
  const driver = await nodeSqlite(`${path}-queue`)()
  driver.run(`update queue set refused = '{"code":' where seq = 1`)
  driver.run(`update queue set id = 'not an id' where seq = 3`)
  driver.close()
  const again = await openCopy(path)
  const { operations, isWhole } = await again.read()
  expect(operations.map(({ seq }) => seq)).toEqual([2])
  expect(isWhole).toBe(false)
  await again.close()
})

test('[QC2] [I-4] a broken page costs what is on it, and the copy says so', async () => {
  const path = newPath()
  const copy = await openCopy(path)
  const id = (n: number) => parseOperationId(`00000000-0000-7000-8000-0000000000${n}`)
  const owner = { user: parseUserId('ada'), device: parseDeviceId(id(99)) }
  const put = Array.from({ length: 80 }, (_, n) => ({ id: id(n + 10), seq: n, text: 'x'.repeat(500), refused: null }))
  await copy.write({ owner, put, remove: [] })
  await copy.close()
  const file = `${path}-queue`
  const bytes = readFileSync(file)
  const at = bytes.indexOf(id(50))
  writeFileSync(file, bytes.fill(0xa5, at - (at % 4_096), at - (at % 4_096) + 4_096))
  const again = await openCopy(path)
  const read = await again.read()
  expect(read).toMatchObject({ owner, isWhole: false })
  const seqs = read.operations.map(({ seq }) => seq)
  expect([seqs[0], seqs.at(-1)]).toEqual([0, 79])
  expect(seqs.length).toBeGreaterThan(60)
  expect(seqs.length).toBeLessThan(80)
  await again.close()
})
