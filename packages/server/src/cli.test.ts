/** The command as an operator runs it: a process with an environment, signals, and what it says. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allVariables } from './operate/variables.ts'
import { createDevice, requestText } from './server.test.kit.ts'

const cli = path.join(import.meta.dirname, 'cli.ts')
const app = path.join(import.meta.dirname, '../../../apps/crm/server.ts')
const secret = 'a secret of thirty-two bytes, no less'

let directory: string
const children: ChildProcess[] = []
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'holdfast-cli-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

const environment = () => ({
  HOLDFAST_DATA: path.join(directory, 'data'),
  HOLDFAST_PORT: '0',
  HOLDFAST_JWT_SECRET: secret,
})

/** Runs a block of the page, in the directory of the test, with `holdfast` in the path. */
async function shell(name: string, more: { readonly [name: string]: string } = {}): Promise<void> {
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/operating.md'), 'utf8')
  const [, block] = new RegExp(`\`\`\`sh name=${name}\\n([\\s\\S]*?)\`\`\``).exec(page) ?? []
  if (block === undefined) throw new Error(`docs/operating.md has no block "${name}".`)
  const bin = path.join(directory, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(
    path.join(bin, 'holdfast'),
    `#!/bin/sh\nexec "${process.execPath}" -C @holdfast/source "${cli}" "$@"\n`,
    { mode: 0o755 },
  )
  const env = {
    ...process.env,
    ...environment(),
    ...more,
    PATH: `${bin}:${path.dirname(process.execPath)}:${process.env.PATH}`,
  }
  await promisify(execFile)('sh', ['-ec', block.replaceAll('./server.ts', app)], { cwd: directory, env })
}

function managerToken(ends = '1h'): Promise<string> {
  return new SignJWT({ role: 'manager' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ali')
    .setExpirationTime(ends)
    .sign(new TextEncoder().encode(secret))
}

interface Ran {
  readonly child: ChildProcess
  output(): string
  /** The number of the status with which it ended, or the signal. */
  readonly ended: Promise<number | string>
}

function run(words: readonly string[], variablesGiven: { readonly [name: string]: string }): Ran {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['-C', '@holdfast/source', cli, ...words], {
    env: { ...(PATH === undefined ? {} : { PATH }), ...(HOME === undefined ? {} : { HOME }), ...variablesGiven },
  })
  children.push(child)
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  child.stderr.on('data', (chunk) => {
    text += chunk
  })
  const ended = once(child, 'close').then(([code, signal]): number | string => code ?? signal)
  return { child, output: () => text, ended }
}

/** Waits until it serves, and answers its two addresses. */
async function serving(ran: Ran): Promise<{ readonly url: string; readonly adminUrl: string }> {
  await expect.poll(() => ran.output(), { timeout: 10_000 }).toContain('"serving"')
  const line =
    ran
      .output()
      .split('\n')
      .find((one) => one.includes('"serving"')) ?? ''
  const { url, adminPort }: { url: string; adminPort: number | null } = JSON.parse(line)
  return { url, adminUrl: `http://127.0.0.1:${adminPort}` }
}

describe('holdfast serve', () => {
  test('serves the app, answers probes and metrics, and ends in peace at SIGTERM', async () => {
    const ran = run(['serve', app], { ...environment(), HOLDFAST_ADMIN_PORT: '0', HOLDFAST_DRAIN_SECONDS: '1' })
    const { url, adminUrl } = await serving(ran)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
    const token = await new SignJWT({ role: 'manager' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('manager')
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(secret))
    const stream = await fetch(`${url}/poke`, { headers: { authorization: `Bearer ${token}` } })
    expect(stream.status).toBe(200)
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
    expect(metrics).toContain('holdfast_requests_total{route="poke",status="200"} 1')
    expect(metrics).toContain('holdfast_streams 1')
    expect(metrics).toContain('holdfast_database_up 1')

    ran.child.kill('SIGTERM')
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(503)
    // The stream ends by itself, and whoever comes by another way is still served.
    await stream.text()
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect(await ran.ended).toBe(0)
    expect(ran.output()).toContain('"stopped"')
  }, 20_000)

  test('a second process on the same directory is refused at once, and the first goes on', async () => {
    const first = run(['serve', app], environment())
    const { url } = await serving(first)
    const second = run(['serve', app], environment())
    expect(await second.ended).toBe(1)
    expect(second.output()).toContain('STORAGE_LOCKED')
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
  }, 20_000)

  test('a second signal ends it at once', async () => {
    const ran = run(['serve', app], { ...environment(), HOLDFAST_DRAIN_SECONDS: '60' })
    await serving(ran)
    ran.child.kill('SIGTERM')
    await expect.poll(() => ran.output()).toContain('"stopping"')
    ran.child.kill('SIGTERM')
    expect(await ran.ended).toBe(130)
  }, 20_000)
})

test('the log has a line of JSON for each request, with its id, user and device; no value and no token', async () => {
  const ran = run(['serve', app], { ...environment(), HOLDFAST_LOG_LEVEL: 'debug' })
  const { url } = await serving(ran)
  const canary = 'kanarienvogel'
  const device = createDevice('ali', 1)
  const fields = { owner: 'ali', name: canary, phone: canary }
  const operations = [
    device.create('l1', fields),
    device.update('l1', { stage: canary }),
    device.create(canary, { ...fields, budget: -1 }),
  ]
  const token = await new SignJWT({ role: 'manager', note: canary })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ali')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))
  const post = (body: string, bearer: string) =>
    fetch(`${url}/sync?${canary}=${canary}`, { method: 'POST', headers: { authorization: `Bearer ${bearer}` }, body })
  expect((await post(requestText(operations), token)).status).toBe(200)
  expect((await post(`{"${canary}": ${canary}`, token)).status).toBe(400)
  expect((await post(requestText([], canary), token)).status).toBe(409)
  expect((await post(requestText([]), canary)).status).toBe(401)
  expect((await post(requestText([]), await managerToken('-1h'))).status).toBe(401)
  ran.child.kill('SIGINT')
  expect(await ran.ended).toBe(0)
  const lines = ran.output().trim().split('\n')
  const logged = lines.map((line): { readonly [member: string]: unknown } => JSON.parse(line))
  expect(logged).toContainEqual(expect.objectContaining({ msg: 'sync', user: 'ali', operations: 3, outcomes: 3 }))
  for (const line of logged.filter(({ msg }) => msg === 'sync' || msg === 'sync refused')) {
    expect(line.request).toMatch(/^[0-9a-f]{12}$/)
  }
  expect(logged).toContainEqual(expect.objectContaining({ msg: 'sync refused', why: 'ERR_JWT_EXPIRED exp' }))
  expect(ran.output()).not.toContain(canary)
  expect(ran.output()).not.toContain(token.slice(-20))
}, 20_000)

describe('the environment', () => {
  test('is checked as a whole before anything starts', async () => {
    const ran = run(['serve', app], {
      HOLDFAST_PROT: '3000',
      HOLDFAST_PORT: 'eighty',
      DATABASE_URL: 'mysql://x:geheim@y/z',
    })
    expect(await ran.ended).toBe(1)
    expect(ran.output()).toContain('HOLDFAST_PROT is no variable of Holdfast. Did you mean HOLDFAST_PORT?')
    expect(ran.output()).toContain('HOLDFAST_PORT: "eighty" must be a whole number from 0 to 65535.')
    expect(ran.output()).toContain('DATABASE_URL: "mysql://x:***@y/z" must be an address')
    expect(ran.output()).not.toContain('geheim')
  })

  test('what variables say together is checked too', async () => {
    const ran = run(['config'], {
      ...environment(),
      HOLDFAST_JWKS_URL: 'https://id.example/keys',
      HOLDFAST_ASSETS: '/nowhere',
      HOLDFAST_PORT: '4000',
      HOLDFAST_ADMIN_PORT: '4000',
      HOLDFAST_CONNECTIONS_MAX: '4',
      DATABASE_URL: 'postgres://db/crm',
    })
    expect(await ran.ended).toBe(1)
    expect(ran.output()).toContain('HOLDFAST_ASSETS: there is no directory "/nowhere"')
    expect(ran.output()).toContain('HOLDFAST_ADMIN_PORT: 4000 is HOLDFAST_PORT')
    expect(ran.output()).toContain('are both set')
    expect(ran.output()).toContain('two or more below')
    const origin = run(['config'], { HOLDFAST_ALLOW_ORIGINS: 'https://app.example/' })
    expect(await origin.ended).toBe(1)
    expect(origin.output()).toContain('without a path or a slash')
  })

  test('a database that cannot be used is named, with the reason and without its password', async () => {
    const url = 'postgres://holdfast:geheim@127.0.0.1:1/crm'
    const ran = run(['serve', app], { HOLDFAST_JWT_SECRET: secret, HOLDFAST_PORT: '0', DATABASE_URL: url })
    expect(await ran.ended).toBe(1)
    expect(ran.output()).toMatch(
      /^The database at postgres:\/\/holdfast:\*\*\*@127\.0\.0\.1:1\/crm cannot be used: .*ECONNREFUSED/m,
    )
    expect(ran.output()).not.toContain('geheim')
  })

  test('without a way to know who asks, the server does not start', async () => {
    const ran = run(['serve', app], { HOLDFAST_DATA: directory })
    expect(await ran.ended).toBe(1)
    expect(ran.output()).toContain('HOLDFAST_JWKS_URL')
  })

  test('holdfast config shows every variable, and no secret', async () => {
    const ran = run(['config'], { ...environment(), DATABASE_URL: 'postgres://holdfast:geheim@db/crm' })
    expect(await ran.ended).toBe(0)
    for (const name of Object.keys(allVariables)) expect(ran.output()).toContain(`${name}=`)
    expect(ran.output()).not.toContain(secret)
    expect(ran.output()).not.toContain('geheim')
  })
})

test('holdfast migrate makes the tables, and ends', async () => {
  const ran = run(['migrate', app], { HOLDFAST_DATA: directory })
  expect(await ran.ended).toBe(0)
  expect(ran.output()).toMatch(/version \d+ of the schema/)
})

describe('backup and restore, by the commands of docs/operating.md', () => {
  test('the embedded store', async () => {
    const serve = () => run(['serve', app], environment())
    const first = serve()
    const { url } = await serving(first)
    const device = createDevice('ali', 1)
    const send = async (at: string, record: string) => {
      const operation = device.create(record, { owner: 'ali', name: record })
      const headers = { authorization: `Bearer ${await managerToken()}` }
      const response = await fetch(`${at}/sync`, { method: 'POST', headers, body: requestText([operation]) })
      return { status: response.status, text: await response.text() }
    }
    expect((await send(url, 'before')).status).toBe(200)
    await shell('backup-embedded')
    expect((await send(url, 'after')).status).toBe(200)
    first.child.kill('SIGINT')
    expect(await first.ended).toBe(0)

    await shell('restore-embedded')
    const again = await serving(serve())
    const { status, text } = await send(again.url, 'later')
    expect(status).toBe(200)
    expect(text).toContain('"before"')
    expect(text).not.toContain('"after"')
  }, 30_000)
})

test.each([
  { words: ['serv'], says: 'There is no command "serv".' },
  { words: ['serve'], says: 'takes the module of an app' },
  { words: ['serve', 'nowhere.ts'], says: 'cannot be loaded' },
  { words: ['serve', path.join(import.meta.dirname, 'index.ts')], says: 'must export its app' },
])('holdfast $words says what is wrong', async ({ words, says }) => {
  const ran = run(words, {})
  expect(await ran.ended).toBe(1)
  expect(ran.output()).toContain(says)
})
