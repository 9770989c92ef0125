/** The examples of docs/merging.md: compiled together, then run, each on two phones and a server of its own. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createExampleFolder, type ExampleFolder } from './example-folder.ts'
import { examplesOf, frameOf } from './examples.ts'

const page = readFileSync(path.join(import.meta.dirname, '../docs/merging.md'), 'utf8')
const examples = examplesOf(page)
let folder: ExampleFolder

beforeAll(() => {
  const told = examples.map(({ name, code }) => `{\n${code}\nconsole.log(${JSON.stringify(name)})\n}\n`)
  const ending = 'for (const close of closing) await close()\n'
  folder = createExampleFolder('merging', { 'examples.ts': `${frameOf(page)}\n${told.join('\n')}\n${ending}` })
})
afterAll(() => folder.remove())

test('the examples compile as they stand', async () => {
  expect(await folder.problems()).toBe('')
}, 60_000)

test('there is an example of each strategy, and all of them run', async () => {
  expect(examples).toHaveLength(page.match(/```ts\n/g)?.length ?? 0)
  const ids = examples.flatMap(({ name }) => name.match(/C\d+/g) ?? [])
  expect(new Set(ids)).toEqual(new Set(['C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7', 'C8', 'C9', 'C10']))
  expect((await folder.run('examples.ts')).trim().split('\n')).toEqual(examples.map(({ name }) => name))
}, 60_000)
