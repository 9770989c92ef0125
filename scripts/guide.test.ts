/** The files of docs/getting-started.md: compiled together, then the server and the program that uses it are run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createExampleFolder, type ExampleFolder } from './example-folder.ts'

const root = path.dirname(import.meta.dirname)
let folder: ExampleFolder
let server: ChildProcess | null = null

beforeAll(() => {
  const guide = readFileSync(path.join(root, 'docs/getting-started.md'), 'utf8')
  const files = [...guide.matchAll(/```tsx? file=(\S+)\n([\s\S]*?)```/g)].map(([, name = '', code = '']) => [
    name,
    code,
  ])
  folder = createExampleFolder('guide', Object.fromEntries(files), ['node', 'vite/client'])
})

afterAll(() => {
  server?.kill('SIGKILL')
  folder.remove()
})

test('the files compile as they stand', async () => {
  expect(await folder.problems()).toBe('')
}, 60_000)

test('the server runs, and the program does what its comments say', async () => {
  const node = (file: string, env: Record<string, string>) =>
    spawn('node', ['-C', '@holdfast/source', file], {
      cwd: folder.path,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  server = node('server.ts', { PORT: '0', DATABASE_URL: '' })
  const url = await firstMatch(server, /http:\/\/localhost:\d+/)
  const stdout = await folder.run('try.ts', { SERVER_URL: url })
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
