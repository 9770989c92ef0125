/** Starts the real server on seeded data. */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterBench } from './clean-up.ts'

export type StoreChoice =
  | { readonly kind: 'embedded'; readonly directory: string }
  | { readonly kind: 'postgres'; readonly url: string }

/** What goes to the process. */
export interface ServerSettings {
  readonly store: StoreChoice
  /** Key of the tokens, base64url. */
  readonly secret: string
  /** Directory of the page, for the benches in a browser. */
  readonly assets: string | null
}

export interface BenchServer {
  readonly port: number
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** One key for all servers of a run, so that a device moves between copies of a server. */
const secret = randomBytes(32)

export function startServer(store: StoreChoice, assets: string | null = null): Promise<BenchServer> {
  const settings: ServerSettings = { store, assets, secret: secret.toString('base64url') }
  return startProcess('./server.process.ts', [JSON.stringify(settings)])
}

/** The limit of a round: a POST to a server that does nothing. */
export function startBareServer(): Promise<BenchServer> {
  return startProcess('./bare-server.process.ts', [])
}

/** The limit of propagation: rows, NOTIFY and streams, and nothing else. */
export function startRelay(url: string): Promise<BenchServer> {
  return startProcess('../raw/relay.process.ts', [url])
}

async function startProcess(file: string, args: readonly string[]): Promise<BenchServer> {
  const child = fork(new URL(file, import.meta.url), args, { execArgv: ['-C', '@holdfast/source'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = () => {
    if (child.connected) child.send('stop')
    return exited
  }
  afterBench(stop)
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { readonly port: number }) => resolve(message.port))
    child.once('exit', (code) => reject(new Error(`The server ended with ${code} before it listened.`)))
  })
  return { port, url: `http://127.0.0.1:${port}`, pid: child.pid ?? 0, stop }
}

/** Signed as an identity provider would: the bytes and the check of a token belong to a round. */
export function tokenOf(user: string, role: 'manager' | 'agent' = 'manager'): Promise<string> {
  return new SignJWT({ role })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('12h')
    .sign(secret)
}
