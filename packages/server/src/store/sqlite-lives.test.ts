import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { UsageError } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { leadsSchema, saveLeads } from '../contract/leads.ts'
import type { ServerStore } from '../ports/server-store.ts'
import { sqlite } from './sqlite.ts'

function place() {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-lives-'))
  const store = sqlite(directory)(leadsSchema)
  onTestFinished(async () => {
    await store.close().catch(() => {})
    rmSync(directory, { recursive: true })
  })
  return {
    directory,
    store,
    file: path.join(directory, 'holdfast.db'),
    identity: path.join(directory, 'identity.json'),
  }
}

const save = (store: ServerStore, id: string) =>
  store.transact((tx) => saveLeads(tx, new Map([[id, () => ({ owner: 'x', name: 'n', visits: 0 })]])))

/** A copy of the database as it is now. */
function copy(file: string): string {
  const made = `${file}.copy`
  const database = new DatabaseSync(file)
  database.exec(`vacuum into '${made}'`)
  database.close()
  return made
}

function put(from: string, to: string): void {
  for (const name of [to, `${to}-wal`, `${to}-shm`]) rmSync(name, { force: true })
  copyFileSync(from, to)
}

test('[ID1] [SS8] an older copy in its place is refused, with what to do, and leaves the directory free', async () => {
  const { store, file } = place()
  await store.open()
  await save(store, 'a')
  const older = copy(file)
  await save(store, 'b')
  await store.close()
  put(older, file)
  await expect(store.open()).rejects.toThrow(UsageError)
  await expect(store.open()).rejects.toThrow(/"holdfast restored"/)
  const started = await store.startGeneration({ fork: 'head', after: null })
  await store.open()
  expect(store.generation()).toBe(started)
  // The copy had the first commit.
  expect([...(await store.standing()).ancestors.values()]).toEqual([1])
  await store.close()
  await store.open()
})

test('[ID1] a database without its file, with a broken one, or with that of another is refused', async () => {
  const { store, identity } = place()
  await store.open()
  await save(store, 'a')
  await store.close()
  const kept = readFileSync(identity, 'utf8')
  const other = place()
  await other.store.open()
  await other.store.close()
  for (const text of [null, '', '{"database":', '{"database":7,"place":0}', readFileSync(other.identity, 'utf8')]) {
    if (text === null) rmSync(identity)
    else writeFileSync(identity, text)
    await expect(store.open()).rejects.toThrow(/holdfast restored/)
  }
  writeFileSync(identity, kept)
  await store.open()
})

test('[ID1] the file is never ahead of the database: neither after a kill, nor when a new database was not finished', async () => {
  const { store, file, identity, directory } = place()
  await store.open()
  await save(store, 'a')
  const whileOpen = readFileSync(identity, 'utf8')
  await save(store, 'b')
  await store.close()
  // As a kill leaves it: the note of the start beside all that was committed.
  writeFileSync(identity, whileOpen)
  await store.open()
  await store.noteDay(1)
  await save(store, 'c')
  await store.close()
  for (const name of [file, `${file}-wal`, `${file}-shm`]) rmSync(name, { force: true })
  expect(existsSync(identity)).toBe(true)
  // A file whose database was never made, or is gone: there is nothing that could have been set back.
  const next = sqlite(directory)(leadsSchema)
  await next.open()
  await next.close()
})
