/** The program of docs/permissions.md: compiled and run as it stands there. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.dirname(import.meta.dirname)
const run = promisify(execFile)
const page = readFileSync(path.join(root, 'docs/permissions.md'), 'utf8')
const program = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
let folder: string

beforeAll(() => {
  // Inside the repository, so that imports are found; not in node_modules, where Node does not strip types.
  mkdirSync(path.join(root, '.data'), { recursive: true })
  folder = mkdtempSync(path.join(root, '.data/permissions-'))
  const ending = "for (const db of [ann, bob, manager]) await db.close()\nawait close()\nconsole.log('done')\n"
  writeFileSync(path.join(folder, 'program.ts'), program + ending)
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

test('[I-22] the program of the page compiles and runs: a lead that is given away takes its calls along', async () => {
  const checked = await run('npx', ['tsc', '-p', folder], { cwd: root }).catch((error: { stdout: string }) => error)
  expect(checked.stdout).toBe('')
  const { stdout } = await run('node', ['-C', '@holdfast/source', 'program.ts'], { cwd: folder, timeout: 30_000 })
  expect(stdout.trim()).toBe('done')
}, 60_000)
