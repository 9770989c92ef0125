/** The examples of docs/migrations.md: compiled together, then run, one after the other. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createExampleFolder, type ExampleFolder } from './example-folder.ts'
import { examplesOf, frameOf } from './examples.ts'

const page = readFileSync(path.join(import.meta.dirname, '../docs/migrations.md'), 'utf8')
const examples = examplesOf(page)
let folder: ExampleFolder

beforeAll(() => {
  const told = examples.map(({ name, code }) => `${code}\nconsole.log(${JSON.stringify(name)})\n`)
  const ending = 'await current.serving?.close()\n'
  folder = createExampleFolder('migrations', { 'examples.ts': `${frameOf(page)}\n${told.join('\n')}\n${ending}` })
})
afterAll(() => folder.remove())

test('the examples compile as they stand', async () => {
  expect(await folder.problems()).toBe('')
}, 60_000)

test('[L-5] the examples run, each on what the one before has left', async () => {
  expect(examples).toHaveLength(page.match(/```ts\n/g)?.length ?? 0)
  expect((await folder.run('examples.ts')).trim().split('\n')).toEqual(examples.map(({ name }) => name))
}, 60_000)
