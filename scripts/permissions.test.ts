/** The program of docs/permissions.md: compiled and run as it stands there. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createExampleFolder, type ExampleFolder } from './example-folder.ts'

const page = readFileSync(path.join(import.meta.dirname, '../docs/permissions.md'), 'utf8')
const program = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
let folder: ExampleFolder

beforeAll(() => {
  const ending = "for (const db of [ann, bob, manager]) await db.close()\nawait close()\nconsole.log('done')\n"
  folder = createExampleFolder('permissions', { 'program.ts': program + ending })
})
afterAll(() => folder.remove())

test('[I-22] the program of the page compiles and runs: a lead that is given away takes its calls along', async () => {
  expect(await folder.problems()).toBe('')
  expect((await folder.run('program.ts')).trim()).toBe('done')
}, 60_000)
