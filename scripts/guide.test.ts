/** The files of docs/getting-started.md: compiled together, then the server and the program that uses it are run. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.dirname(import.meta.dirname)
const run = promisify(execFile)
let folder: string
let server: ChildProcess | null = null

beforeAll(() => {
  // Inside the repository, so that imports are found; not in node_modules, where Node does not strip types.
  mkdirSync(path.join(root, '.data'), { recursive: true })
  folder = mkdtempSync(path.join(root, '.data/guide-'))
  const guide = readFileSync(path.join(root, 'docs/getting-started.md'), 'utf8')
  for (const [, name, code] of guide.matchAll(/```tsx? file=(\S+)\n([\s\S]*?)```/g)) {
    writeFileSync(path.join(folder, name ?? ''), code ?? '')
  }
  const config = {
    extends: '../../tsconfig.base.json',
    compilerOptions: {
      noEmit: true,
      incremental: false,
      module: 'preserve',
      moduleResolution: 'bundler',
      types: ['node', 'vite/client'],
    },
    include: ['*.ts', '*.tsx'],
  }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config))
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
})

afterAll(() => {
  server?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

test('the files compile as they stand', async () => {
  const checked = await run('npx', ['tsc', '-p', folder], { cwd: root }).catch((error: { stdout: string }) => error)
  expect(checked.stdout).toBe('')
}, 60_000)

test('the server runs, and the program does what its comments say', async () => {
  const node = (file: string, env: Record<string, string>) =>
    spawn('node', ['-C', '@holdfast/source', file], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  server = node('server.ts', { PORT: '0', DATABASE_URL: '' })
  const url = await firstMatch(server, /http:\/\/localhost:\d+/)
  const { stdout } = await run('node', ['-C', '@holdfast/source', 'try.ts'], {
    cwd: folder,
    env: { ...process.env, SERVER_URL: url },
    timeout: 20_000,
  })
  expect(stdout).toContain('tried')
}, 60_000)

function firstMatch(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      const found = pattern.exec(printed)?.[0]
      if (found !== undefined) resolve(found)
    })
    child.once('exit', (code) => reject(new Error(`It ended with ${code}: ${printed}`)))
  })
}
