import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collection, defineSchema, t } from '@holdfast/core'
import { startProgram } from '@holdfast/testing'
import { expect, onTestFinished, test } from 'vitest'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import { openClient } from '../open-client.ts'

const schema = defineSchema({ version: 1, collections: { leads: collection({ fields: { name: t.text() } }) } })
const writer = fileURLToPath(new URL('./copy.test.process.ts', import.meta.url))

test('[V-1] [QC1] [CK3] kills in mid-writing, and the database gone after each: the copy has what it had', {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-copy-kill-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'replica.db')
  for (let kill = 0; kill < 4; kill += 1) {
    const program = startProgram(writer, [path])
    const [, copied] = await program.line(/^copied (\d+)$/)
    await new Promise((resolve) => setTimeout(resolve, kill * 37))
    program.child.kill('SIGKILL')
    await program.ended
    for (const end of ['', '-wal']) rmSync(path + end, { force: true })
    const driver = nodeSqlite(path)
    const db = await openClient({ schema, url: 'http://127.0.0.1:1', user: 'ada', token: 'token', driver })
    const names = (await db.query((q) => q.selectFrom('leads').select('name'))).map(({ name }) => name)
    const { notice } = db.sync.status
    await db.close()
    expect(names.length).toBeGreaterThanOrEqual(Number(copied))
    // The oldest ones, without a gap.
    expect(new Set(names)).toEqual(new Set(names.map((_, index) => `lead ${index + 1}`)))
    expect(notice).toMatchObject({ kind: 'recovered', rescued: names.length })
  }
})
