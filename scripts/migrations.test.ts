/** The examples of docs/migrations.md: compiled together, then run, one after the other. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.dirname(import.meta.dirname)
const run = promisify(execFile)
const page = readFileSync(path.join(root, 'docs/migrations.md'), 'utf8')
const frame = /```ts frame\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
const examples = [...page.matchAll(/^##+ (.*)\n(?:(?!^##+ )[\s\S])*?```ts\n([\s\S]*?)```/gm)].map(([, name, code]) => ({
  name: name ?? '',
  code: code ?? '',
}))
let folder: string

beforeAll(() => {
  // Inside the repository, so that imports are found; not in node_modules, where Node does not strip types.
  mkdirSync(path.join(root, '.data'), { recursive: true })
  folder = mkdtempSync(path.join(root, '.data/migrations-'))
  const told = examples.map(({ name, code }) => `${code}\nconsole.log(${JSON.stringify(name)})\n`)
  const ending = 'await current.serving?.close()\n'
  writeFileSync(path.join(folder, 'examples.ts'), `${frame}\n${told.join('\n')}\n${ending}`)
  const config = {
    extends: '../../tsconfig.base.json',
    compilerOptions: {
      noEmit: true,
      incremental: false,
      module: 'preserve',
      moduleResolution: 'bundler',
      types: ['node'],
    },
    include: ['*.ts'],
  }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config))
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the examples compile as they stand', async () => {
  const checked = await run('npx', ['tsc', '-p', folder], { cwd: root }).catch((error: { stdout: string }) => error)
  expect(checked.stdout).toBe('')
}, 60_000)

test('[L-5] the examples run, each on what the one before has left', async () => {
  expect(examples).toHaveLength(page.match(/```ts\n/g)?.length ?? 0)
  const { stdout } = await run('node', ['-C', '@holdfast/source', 'examples.ts'], { cwd: folder, timeout: 50_000 })
  expect(stdout.trim().split('\n')).toEqual(examples.map(({ name }) => name))
}, 60_000)
