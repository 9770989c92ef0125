/** What a newcomer does with `npm start`: start, stop, start again, start over, start twice. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Program, startProgram, until } from '@holdfast/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../../..')
const programs: Program[] = []
let data: string

beforeEach(() => {
  data = mkdtempSync(path.join(tmpdir(), 'holdfast-start-'))
})

afterEach(async () => {
  for (const { child, ended } of programs.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
  rmSync(data, { recursive: true, force: true })
})

function start(args: readonly string[] = [], port = 0): Program {
  const program = startProgram('scripts/demo.ts', ['--server-only', '--data', data, '--leads', '300', ...args], {
    cwd: root,
    env: { PORT: String(port) },
  })
  programs.push(program)
  return program
}

async function urlOf(program: Program): Promise<string> {
  return (await program.line(/http:\/\/localhost:\d+/))[0]
}

async function stop({ child, ended }: Program): Promise<number | NodeJS.Signals> {
  child.kill('SIGINT')
  return ended
}

/** Which life of the database answers. */
async function generationAt(url: string): Promise<unknown> {
  const { generation } = await (await fetch(`${url}/health`)).json()
  return generation
}

test('Ctrl-C stops it cleanly, also under an open stream; the next start keeps the data, --reset starts over', async () => {
  const first = start()
  const url = await urlOf(first)
  expect(first.lines.join('\n')).toMatch(/Made 300 leads/)
  const generation = await generationAt(url)
  const signedIn = await fetch(`${url}/demo/sign-in`, { method: 'POST', body: JSON.stringify({ user: 'manager' }) })
  const { token } = await signedIn.json()
  const headers = { authorization: `Bearer ${token}` }
  const stream = await fetch(`${url}/poke`, { headers })
  expect(stream.status).toBe(200)
  const startMs = performance.now()
  expect(await stop(first)).toBe(0)
  expect(performance.now() - startMs).toBeLessThan(5_000)
  expect(first.lines).toContain('Stopping …')
  await stream.text().catch(() => '')

  const second = start()
  const urlAgain = await urlOf(second)
  expect(second.lines.join('\n')).not.toMatch(/Made/)
  expect(await generationAt(urlAgain)).toBe(generation)
  // Who was signed in still is.
  const again = await fetch(`${urlAgain}/poke`, { headers, signal: AbortSignal.timeout(5_000) })
  expect(again.status).toBe(200)
  await again.body?.cancel()
  expect(await stop(second)).toBe(0)

  const third = start(['--reset'])
  const urlAfresh = await urlOf(third)
  expect(third.lines.join('\n')).toMatch(/Made 300 leads/)
  expect(await generationAt(urlAfresh)).not.toBe(generation)
  expect(await stop(third)).toBe(0)
})

test.each([
  { moment: 'its database', bytesMin: 1 },
  { moment: 'its leads', bytesMin: 1_500_000 },
])('killed while it makes $moment, the next start completes them', async ({ bytesMin }) => {
  const many = ['--leads', '20000']
  const first = start(many)
  await until('it has begun', () => bytesIn(data) >= bytesMin)
  first.child.kill('SIGKILL')
  expect(await first.ended).toBe('SIGKILL')
  const second = start(many)
  await urlOf(second)
  expect(second.lines.join('\n')).toMatch(/Made /)
  expect(await stop(second)).toBe(0)
  const third = start(many)
  await urlOf(third)
  expect(third.lines.join('\n')).not.toMatch(/Made /)
})

function bytesIn(folder: string): number {
  return readdirSync(folder)
    .filter((name) => name.startsWith('holdfast.db'))
    .reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0)
}

test('a port that is taken, and data that are served already, are said in one line and end with 1', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, resolve))
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  try {
    const refused = start([], port)
    expect(await refused.ended).toBe(1)
    expect(refused.lines.join('\n')).toContain(`Port ${port} is taken by another program.`)
    expect(refused.lines.join('\n')).not.toMatch(/\n\s+at /)
  } finally {
    await new Promise((resolve) => taken.close(resolve))
  }
  const first = start()
  const url = await urlOf(first)
  const second = start()
  expect(await second.ended).toBe(1)
  expect(second.lines.join('\n')).toContain('STORAGE_LOCKED')
  expect((await fetch(`${url}/health`)).status).toBe(200)
})
