/** The CRM's server as a newcomer starts it, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startTcpProxy, type TcpProxy } from '@holdfast/testing'
import pg from 'pg'

const root = path.resolve(import.meta.dirname, '../../..')

export interface DemoServer {
  /** Where browsers go: through the network that the test cuts. */
  readonly url: string
  readonly network: TcpProxy
  /** `kill -9`, and a start on the same data and port. */
  killAndRestart(): Promise<void>
  stop(): Promise<void>
}

export type StoreChoice = { readonly kind: 'sqlite' } | { readonly kind: 'postgres'; readonly url: string }

export async function startDemoServer(store: StoreChoice, leads: number): Promise<DemoServer> {
  const data = await mkdtemp(path.join(tmpdir(), 'holdfast-story-'))
  const databaseUrl = store.kind === 'postgres' ? await makeDatabase(store.url) : null
  const start = (port: number) =>
    startProcess(['--data', data, '--leads', String(leads)], {
      PORT: String(port),
      ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
    })
  let running = await start(0)
  const network = await startTcpProxy({ target: running.port })
  return {
    url: `http://localhost:${network.port}`,
    network,
    async killAndRestart() {
      const ended = exitOf(running.process)
      running.process.kill('SIGKILL')
      await ended
      running = await start(running.port)
    },
    async stop() {
      await network.close()
      const ended = exitOf(running.process)
      running.process.kill('SIGINT')
      await ended
      await rm(data, { recursive: true, force: true })
    },
  }
}

async function makeDatabase(url: string): Promise<string> {
  const name = `story_${Date.now()}_${Math.floor(Math.random() * 1e6)}`
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  const made = new URL(url)
  made.pathname = `/${name}`
  return made.href
}

interface Running {
  readonly process: ChildProcess
  readonly port: number
}

/** Resolves when the server prints its address. */
function startProcess(args: readonly string[], env: Record<string, string>): Promise<Running> {
  const child = spawn(process.execPath, ['-C', '@holdfast/source', 'scripts/demo.ts', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return new Promise((resolve, reject) => {
    let printed = ''
    const read = (chunk: Buffer) => {
      printed += chunk.toString()
      const port = /http:\/\/localhost:(\d+)/.exec(printed)?.[1]
      if (port !== undefined) resolve({ process: child, port: Number(port) })
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}:\n${printed}`)))
  })
}

function exitOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once('exit', () => resolve())
  })
}
