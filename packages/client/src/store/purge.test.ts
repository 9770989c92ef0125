import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type CollectionChanges, type Json, parseGeneration } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { brokenInvariants } from '../contract/store-invariants.ts'
import { applied, createTestWorld, draft, notebook, notes, reply, user, wholeBatch } from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createStore } from './create-store.ts'

/** Words that stand alone in the index, with nothing that they could be shortened against. */
const secret = 'zqsecretword'
const other = 'kwotherword'

async function device() {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-purge-'))
  const file = path.join(folder, 'device.db')
  const world = createTestWorld()
  let driver: SqliteDriver = await nodeSqlite(file)()
  let store = createStore({ driver, schema: notebook, user, ambient: world })
  onTestFinished(() => {
    store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const holds = (word: string) =>
    readdirSync(folder).filter((name) => readFileSync(path.join(folder, name)).includes(word))
  return {
    world,
    holds,
    store: () => store,
    driver: () => driver,
    check: () => expect(brokenInvariants(driver, notebook)).toEqual([]),
    reopen: async () => {
      store.close()
      driver = await nodeSqlite(file)()
      store = createStore({ driver, schema: notebook, user, ambient: world })
    },
    /** Sends everything; the server takes it at this version and sends the rows as they are shown. */
    settle: (version: number) => {
      const batch = store.nextBatch(wholeBatch)
      const outcomes = batch.ids.map((id) => applied(id, version))
      const records = new Set(batch.operations.map((text) => JSON.parse(text).record))
      const rows = [...records].map((id) => {
        const [row] = driver.all('select title, body from notes where id = ?', [String(id)])
        return [String(id), version, { title: row?.[0] ?? 'gone', body: row?.[1] ?? '' }] as const
      })
      store.applyReply(batch.ids, reply({ outcomes, changes: [notes(rows)], through: version, cursor: `c${version}` }))
    },
  }
}

function left(...records: readonly (readonly [id: string, version: number])[]): CollectionChanges {
  return { ...notes([]), gone: records.map(([record, version]) => ({ record, version, why: 'left' })) }
}

const many = (word: string, from: number, count: number, version = 1) =>
  notes(
    Array.from({ length: count }, (_, index): readonly [string, number, Record<string, Json>] => [
      `r${from + index}`,
      version,
      { title: `Title ${index} ${word}`, body: `${word} `.repeat(1 + (index % 40)) },
    ]),
  )

test('[PU1] [PU2] [I-23] what left is in no byte of the files: rows, index, search, history, settled and staged texts', async () => {
  const d = await device()
  const rows = [...Array(4).keys()].map((part) => many(part % 2 === 0 ? secret : other, part * 500, 500))
  for (const [index, changes] of rows.entries())
    d.store().applyReply([], reply({ changes: [changes], cursor: `p${index}`, more: index < 3 }))
  // Rows that grow and shrink leave their traces in many pages.
  for (let round = 2; round < 6; round += 1) {
    const changes = [many(secret, 0, 500, round), many(secret, 1_000, 500, round)]
    d.store().applyReply([], reply({ changes, cursor: `q${round}` }))
  }
  d.store().write(draft(d.world, ['update', 'r3', { title: `mine ${secret}` }], ['create', 'own', { title: secret }]))
  // A form that had not seen what it wrote over: that is kept for an undo.
  const form = draft(d.world, ['update', 'r4', { title: 'of the form' }])
  d.store().write({ ...form, operations: form.operations.map((one) => ({ ...one, seen: { title: 'older' } })) })
  expect(d.driver().all('select count(*) from _before')).toEqual([[1]])
  d.settle(7)
  expect(d.driver().all('select count(*) from _settled')).toEqual([[3]])
  d.store().applyReply([], reply({ changes: [many(secret, 5_000, 50)], cursor: 's1', more: true }))
  expect(d.holds(secret)).not.toEqual([])

  const gone = [...Array(500).keys()].flatMap((index) => [
    [`r${index}`, 9] as const,
    [`r${1_000 + index}`, 9] as const,
    [`r${5_000 + index}`, 9] as const,
  ])
  d.store().applyReply([], reply({ changes: [left(...gone, ['own', 9])], cursor: 's2', through: 9 }))
  expect(d.holds(secret)).toEqual([])
  expect(d.holds(other)).not.toEqual([])
  expect(d.driver().all('select count(*) from _before')).toEqual([[0]])
  expect(d.driver().all('select sum(purged) from _settled')).toEqual([[3]])
  expect(d.store().search('notes', secret, 9)).toEqual([])
  expect(d.store().search('notes', other, 2_000)).toHaveLength(1_000)
  d.check()
})

test('[PU1] an acknowledged operation whose record leaves is settled, and its values go then; it is known still', async () => {
  const d = await device()
  d.store().applyReply([], reply({ changes: [many(other, 0, 3)], cursor: 'c1', through: 1 }))
  const change = draft(d.world, ['update', 'r1', { title: `mine ${secret}` }])
  d.store().write(change)
  const batch = d.store().nextBatch(wholeBatch)
  const outcomes = batch.ids.map((id) => applied(id, 2, 20))
  d.store().applyReply(batch.ids, reply({ outcomes, changes: [left(['r1', 1])], cursor: 'c2', through: 10 }))
  // The commit that holds its effect is not passed yet.
  expect(d.store().waiting(9)).toMatchObject([{ state: 'acknowledged' }])
  d.store().applyReply([], reply({ cursor: 'c3', through: 20 }))
  expect(d.store().waiting(9)).toEqual([])
  expect(d.holds(secret)).toEqual([])
  expect(d.store().fate(change.tx)).toMatchObject({ kind: 'settled', outcomes: [{ kind: 'applied' }] })
  expect(d.store().write(change)).toBe(true)
  expect(d.store().counts().pending).toBe(0)
  expect(d.driver().all('select * from _left')).toEqual([])
  d.check()
})

test('[PU1] a record that comes back before its operations have settled keeps them; so does one that another page brings', async () => {
  const d = await device()
  d.store().applyReply([], reply({ changes: [many(other, 0, 3)], cursor: 'c1', through: 1 }))
  d.store().write(draft(d.world, ['update', 'r1', { title: 'mine' }]))
  d.store().applyReply([], reply({ changes: [left(['r1', 2], ['r2', 2])], cursor: 'c2', more: true }))
  d.store().applyReply([], reply({ changes: [notes([['r2', 3, { title: 'back' }]])], cursor: 'c3' }))
  expect(d.driver().all('select record from _left')).toEqual([['r1']])
  d.store().applyReply([], reply({ changes: [notes([['r1', 3, { title: 'back' }]])], cursor: 'c4' }))
  d.settle(4)
  expect(d.driver().all(`select purged, operation ->> '$.fields.title' from _settled`)).toEqual([[0, 'mine']])
  d.check()
})

test('[PU2] [I-23] a device that is killed before it has wiped wipes at its next opening', async () => {
  const d = await device()
  d.store().applyReply([], reply({ changes: [many(other, 0, 50), many(secret, 100, 50)], cursor: 'c1' }))
  const { all } = d.driver()
  // What is killed there does no more.
  d.driver().all = (sql, parameters) => {
    if (sql.includes('wal_checkpoint')) throw new Error('killed')
    return all(sql, parameters)
  }
  const gone = [...Array(50).keys()].map((index) => [`r${100 + index}`, 2] as const)
  d.store().applyReply([], reply({ changes: [left(...gone)], cursor: 'c2' }))
  expect(d.holds(secret)).not.toEqual([])
  await d.reopen()
  expect(d.holds(secret)).toEqual([])
  expect(d.driver().all(`select * from _meta where key = 'wipe'`)).toEqual([])
  d.check()
})

test.each(['410', '409', 'a new field'] as const)(
  '[PU2] [I-23] what was staged and never shown is in no byte of the files when the pull begins anew (%s)',
  async (why) => {
    const d = await device()
    const a = notes([['a', 1, { title: 'A' }]])
    d.store().applyReply([], reply({ changes: [a], cursor: 'c4', through: 4 }))
    d.store().applyReply([], reply({ changes: [notes([['s', 1, { title: secret }]])], cursor: 'c5', more: true }))
    const common = { retentionMs: 1e10, serverTimeMs: d.world.clock.now() }
    let { generation } = reply({})
    if (why === '410') d.store().restart({ kind: 'tooOld', ...common }, 'c5')
    else if (why === '409') {
      generation = parseGeneration('gen2')
      d.store().restart({ kind: 'generation', generation, fork: 0, cursor: null, ...common }, 'c5')
    } else {
      d.driver().run(`update _meta set value = '{"notes":["title"]}' where key = 'fields'`)
      d.driver().run(`update _meta set value = 'older' where key = 'tables'`)
      await d.reopen()
    }
    d.store().applyReply([], reply({ generation, changes: [a], cursor: 'n5', through: 5 }))
    expect(d.holds(secret)).toEqual([])
  },
)
