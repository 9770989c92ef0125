// `npm start`: the CRM with demo data on this machine. Everything lies in one folder; a second start keeps it.
//   --data DIR   another folder than .data/demo
//   --reset      starts over (stop other demos first)          --leads N    how many leads to make (100,000)
//   --server-only  without building the app
//   PORT         another port than 3000                        DATABASE_URL  Postgres in place of the embedded store

import { existsSync, rmSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { EngineError, UsageError } from '@holdfast/core'
import { createDemo, createServer, postgres, serve, sqlite } from '@holdfast/server'
import { demoPeople } from '../apps/crm/demo/leads.ts'
import { seedDemo } from '../apps/crm/demo/seed-demo.ts'
import { crm } from '../apps/crm/src/schema.ts'
import { crmRules, crmScopes } from '../apps/crm/src/server-rules.ts'

const root = path.dirname(import.meta.dirname)
const app = path.join(root, 'apps/crm')
const agents = 200

try {
  await start(readOptions())
} catch (error) {
  if (!(error instanceof UsageError || error instanceof EngineError)) throw error
  console.error(`\n${error.message}`)
  process.exit(1)
}

interface Options {
  readonly directory: string
  readonly port: number
  readonly leads: number
  readonly reset: boolean
  readonly serverOnly: boolean
}

async function start(options: Options): Promise<void> {
  const { directory } = options
  if (options.reset) reset(directory)
  if (!options.serverOnly) await build()
  const demo = createDemo({ directory, people: demoPeople(agents) })
  const databaseUrl = process.env.DATABASE_URL
  const server = createServer({
    schema: crm,
    store: databaseUrl === undefined ? sqlite(directory) : postgres(databaseUrl),
    authenticate: demo.authenticate,
    scopes: crmScopes,
    rules: crmRules,
    demo,
    logLevel: 'warn',
  })
  // While data are made Ctrl-C ends at once: each chunk is whole, and the next start completes them.
  let stop = leave
  onInterrupt(() => stop())
  await server.start()
  await seed(server, options.leads)
  const serving = await serve(server, { port: options.port, assets: path.join(app, 'dist') })
  stop = async () => {
    console.log('\nStopping …')
    await serving.close()
    process.exit(0)
  }
  console.log(`\n  Holdfast CRM   ${serving.url}\n`)
  const each = count(Math.round(options.leads / agents))
  console.log(`  Sign in as manager (all leads) or as agent-0 … agent-${agents - 1} (about ${each} each).`)
  const kept =
    databaseUrl === undefined
      ? `Data stay in ${path.relative(root, directory)}; npm start -- --reset starts over.`
      : 'Data stay in the database of DATABASE_URL.'
  console.log(`  Ctrl-C stops. ${kept}\n`)
}

/** A second Ctrl-C ends at once. The handlers stay the same from start to end: a signal that comes between two is lost. */
function onInterrupt(stop: () => Promise<void>): void {
  let isStopping = false
  const interrupt = (): void => {
    if (isStopping) process.exit(130)
    isStopping = true
    void stop()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
}

async function leave(): Promise<void> {
  process.exit(130)
}

async function seed(server: ReturnType<typeof createServer>, leads: number): Promise<void> {
  const startMs = performance.now()
  const showProgress = (done: number): void => {
    if (process.stdout.isTTY) process.stdout.write(`\rMaking demo data: ${count(done)} of ${count(leads)} leads`)
  }
  const madeAny = await seedDemo(server.store, {
    leads,
    agents,
    seed: 1,
    nowMs: Date.now(),
    onProgress: showProgress,
  })
  if (!madeAny) return
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  console.log(`${process.stdout.isTTY ? '\r' : ''}Made ${count(leads)} leads in ${seconds} s.                  `)
}

/** Builds the app when it was not built, or when a source is newer than what was built. */
async function build(): Promise<void> {
  if (!existsSync(path.join(app, 'index.html'))) {
    console.log('The app has no page yet: only the server is started.')
    return
  }
  const built = path.join(app, 'dist/index.html')
  const sources = [app, ...['core', 'client', 'react'].map((name) => path.join(root, 'packages', name))]
  const newest = Math.max(...(await Promise.all(sources.map(newestMs))))
  if (existsSync(built) && statSync(built).mtimeMs > newest) return
  console.log('Building the app …')
  const { build: viteBuild } = await import('vite')
  await viteBuild({ root: app, logLevel: 'warn' }).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`The app does not build. ${reason}`, { cause })
  })
}

async function newestMs(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true })
  const files = entries.filter(
    (entry) => entry.isFile() && !/[\\/](dist|node_modules|e2e)([\\/]|$)/.test(`${entry.parentPath}/`),
  )
  return Math.max(0, ...files.map((entry) => statSync(path.join(entry.parentPath, entry.name)).mtimeMs))
}

function reset(directory: string): void {
  if (process.env.DATABASE_URL !== undefined) {
    throw new UsageError('--reset removes the data folder only. With DATABASE_URL, name a new empty database instead.')
  }
  rmSync(directory, { recursive: true, force: true })
}

function readOptions(): Options {
  const { values } = parsedArguments()
  return {
    directory: path.resolve(root, values.data ?? '.data/demo'),
    reset: values.reset ?? false,
    serverOnly: values['server-only'] ?? false,
    leads: whole(values.leads ?? '100000', '--leads', 1_000_000),
    port: whole(process.env.PORT ?? '3000', 'PORT', 65_535),
  }
}

function parsedArguments() {
  try {
    return parseArgs({
      options: {
        data: { type: 'string' },
        reset: { type: 'boolean' },
        leads: { type: 'string' },
        'server-only': { type: 'boolean' },
      },
    })
  } catch (cause) {
    throw new UsageError(`${cause instanceof Error ? cause.message : cause} See scripts/demo.ts.`, { cause })
  }
}

function whole(text: string, what: string, max: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new UsageError(`${what} is "${text}"; give a whole number from 0 to ${max}.`)
}

function count(value: number): string {
  return value.toLocaleString('en')
}
